"""Texts to token ids."""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from advisor.data.inputs import Body
from advisor.data.layout import Rows
from advisor.data.raw import Told, plural
from advisor.data.splits import Part, TensorPart

WORD = re.compile(r"[\w']+")
LONGEST = 256  # tokens
PADDING, UNKNOWN = 0, 1
SPECIAL = ("<pad>", "<unk>")


class Texts(Body):
    """Token ids int64 (N, L) of lower-cased words, padded on the left, so that a recurrent net ends
    on the words.

    The vocabulary holds the words of the pool, most frequent first, ties by alphabet; L is the 95th
    percentile of the pool's lengths, at most 256 tokens; longer texts keep their beginning.
    """

    def __init__(self, texts: Sequence[str], pool: Rows, told: Told) -> None:
        self.texts = texts
        tokens = [WORD.findall(text.lower()) for text in texts]
        counts: Counter[str] = Counter()
        for row in pool:
            counts.update(tokens[row])
        self.vocabulary = (*SPECIAL, *sorted(counts, key=lambda word: (-counts[word], word)))
        self.ids = len(self.vocabulary)
        length = max(
            1, min(LONGEST, round(float(np.percentile([len(tokens[row]) for row in pool], 95))))
        )
        self.tokens = torch.from_numpy(_padded(tokens, self.vocabulary, length))
        told.note(
            f"texts: {plural(self.ids - 2, 'different word')}, {plural(length, 'token')} per row "
            f"(padding 0 on the left, unknown words 1, longer texts are cut)"
        )
        empty = sum(not words for words in tokens)
        if empty:
            told.warn(f"{plural(empty, 'text')} without a word")

    def view(self, train: Rows) -> Part:
        """The token ids, which depend on no training row."""
        del train
        return TensorPart((self.tokens,))

    def keys(self) -> Any:
        """The texts."""
        return self.texts

    def limited(self, rows: int) -> Body:
        """The same texts with the `rows` most frequent ids; the other words are unknown."""
        if self.vocabulary is None or rows >= len(self.vocabulary):
            return self
        other = copy.copy(self)
        other.vocabulary, other.ids = self.vocabulary[:rows], rows
        other.tokens = torch.where(self.tokens < rows, self.tokens, UNKNOWN)
        return other


def _padded(
    tokens: list[list[str]], vocabulary: Sequence[str], length: int
) -> np.ndarray[Any, Any]:
    number = {word: i for i, word in enumerate(vocabulary) if i >= len(SPECIAL)}
    ids = np.full((len(tokens), length), PADDING, dtype=np.int64)
    for row, words in enumerate(tokens):
        kept = words[:length]
        if kept:
            ids[row, length - len(kept) :] = [number.get(word, UNKNOWN) for word in kept]
    return ids
