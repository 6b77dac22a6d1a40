"""Texts to token ids."""

from __future__ import annotations

import copy
import re
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from advisor.data.dataset_rows import BatchInputs
from advisor.data.digests import digest_of_rows, text_keys
from advisor.data.inputs import Inputs
from advisor.data.known_columns import KnownColumns
from advisor.data.layout import RowNumbers
from advisor.data.notes import Notes, plural
from advisor.data.splits import Part, TensorPart

# What a token is: letters, digits and apostrophes.
WORD = re.compile(r"[\w']+")

# Tokens of a text that are kept at most.
LONGEST = 256

PADDING, UNKNOWN = 0, 1
# The tokens of the ids `PADDING` and `UNKNOWN`.
SPECIAL = ("<pad>", "<unk>")

# The end of the sentence on the texts that were read.
HOW_TEXTS_ARE_READ = "(padding 0, unknown words 1, longer texts are cut)"


class TextInputs(Inputs):
    """Token ids int64 (N, L) of lower-cased words, padded on the left, so that a recurrent net ends
    on the words, unless the model wants it on the right.

    The vocabulary holds the words of the pool, most frequent first, ties by alphabet; L is the 95th
    percentile of the pool's lengths, at most 256 tokens; longer texts keep their beginning.
    """

    vocabulary: tuple[str, ...]
    ids: int

    def __init__(
        self, texts: Sequence[str], pool: RowNumbers, notes: Notes, dates: tuple[str, ...] = ()
    ) -> None:
        # Columns of dates beside the texts are no inputs, and say that rows have an order.
        self._dates = dates
        words = WordCounts(texts, pool)
        self._keys = text_keys(texts)

        # The most frequent words of the pool come first, so that a smaller vocabulary is a cut.
        ranked = sorted(words.counts, key=lambda word: (-words.counts[word], word))
        self.vocabulary = (*SPECIAL, *ranked)
        self.ids = len(self.vocabulary)
        usual_length = round(float(np.percentile(words.lengths[pool], 95)))
        length = max(1, min(LONGEST, usual_length))
        self._tokens = torch.from_numpy(words.padded(self.vocabulary, length))
        different = plural(self.ids - len(SPECIAL), "different word")
        notes.note(f"texts: {different}, {plural(length, 'token')} per row {HOW_TEXTS_ARE_READ}")
        empty = int((words.lengths == 0).sum())
        if empty:
            notes.warn(f"{plural(empty, 'text')} without a word")

    def part(self, train: RowNumbers) -> Part:
        """The token ids, which depend on no training row."""
        del train
        return TensorPart((self._tokens,), finish=TokenBatch(self.ids, self.pads_right))

    def keys(self) -> np.ndarray[Any, Any]:
        """A hash of each text."""
        return self._keys

    def digest(self, rows: slice) -> str:
        """A digest of some neighbouring texts as they were read."""
        return digest_of_rows(torch.from_numpy(self._keys), rows)

    @property
    def known_columns(self) -> KnownColumns:
        """The columns of dates beside the texts."""
        return KnownColumns(dates=self._dates)

    def padded_right(self) -> Inputs:
        """These texts with their padding behind the words."""
        other = copy.copy(self)
        other.pads_right = True
        return other

    def limited(self, rows: int) -> Inputs:
        """These texts with the `rows` most frequent ids; the other words are unknown."""
        if rows >= self.ids:
            return self
        other = copy.copy(self)
        other.vocabulary, other.ids = self.vocabulary[:rows], rows
        return other


class WordCounts:
    """The words of all texts, each by a number of its own, and how often each stands in the pool.

    Numbers take less memory than words while the vocabulary is counted.

    Attributes:
        counts: how often each word stands in the texts of the rows `pool`.
        lengths: how many words each text has, int64 (N,).
    """

    def __init__(self, texts: Sequence[str], pool: RowNumbers) -> None:
        self.counts: Counter[str] = Counter()
        self.lengths = np.empty(len(texts), np.int64)
        self._numbers: dict[str, int] = {}
        self._beginnings: list[array[int]] = []
        in_pool = np.zeros(len(texts), bool)
        in_pool[pool] = True
        for row, text in enumerate(texts):
            words = WORD.findall(text.lower())
            self.lengths[row] = len(words)
            if in_pool[row]:
                self.counts.update(words)
            # Words that are met for the first time get the next number.
            beginning = words[:LONGEST]
            numbers = [self._numbers.setdefault(word, len(self._numbers)) for word in beginning]
            self._beginnings.append(array("i", numbers))

    def padded(self, vocabulary: Sequence[str], length: int) -> np.ndarray[Any, Any]:
        """The ids of the first `length` words of each text, int32 (N, `length`), with padding on
        the left.
        """
        # The id of each word by its number; words that are not in the vocabulary are unknown.
        ids = np.full(len(self._numbers), UNKNOWN, np.int32)
        for i, word in enumerate(vocabulary):
            if i >= len(SPECIAL) and word in self._numbers:
                ids[self._numbers[word]] = i
        padded = np.full((len(self._beginnings), length), PADDING, np.int32)
        for row, beginning in enumerate(self._beginnings):
            words = beginning[:length]
            if words:
                padded[row, length - len(words) :] = ids[words]
        return padded


@dataclass(frozen=True)
class TokenBatch:
    """Turns tokens of some texts, int32 (B, L), into int64; those of no id below `ids` become
    unknown. The padding moves from the left to the right where `pads_right` is set.
    """

    ids: int
    pads_right: bool = False

    def __call__(self, inputs: BatchInputs) -> BatchInputs:
        """`(tokens,)` as `(token ids,)`."""
        (tokens,) = inputs
        if self.pads_right:
            tokens = padded_right(tokens)
        return (torch.where(tokens < self.ids, tokens, UNKNOWN).long(),)


def padded_right(tokens: torch.Tensor) -> torch.Tensor:
    """Rows of ids (B, L) that are padded on the left, with the padding on the right."""
    padding = (tokens == PADDING).sum(1, keepdim=True)
    places = torch.arange(tokens.shape[1], device=tokens.device) + padding
    return tokens.gather(1, places % tokens.shape[1])
