"""How much of a text has vectors, and which words lie beside each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

MEANINGFUL = 0.5
"""Share of its pairs that a measure of vectors must cover to say anything."""
MISSING = 5
"""Most words without a vector that are named."""
SHOWN = 3
"""Most words whose neighbours are shown."""
NEAREST = 3
"""Neighbours that are shown for each of them."""


@dataclass(frozen=True)
class Coverage:
    """What share of a text has vectors: of its different words, and of its tokens; and the most
    frequent words without one.

    `missing` holds ids with how often they occur, most frequent first.
    """

    types: float
    tokens: float
    missing: tuple[tuple[int, int], ...]

    def __str__(self) -> str:
        shares = f"{self.types:.1%} of the different words and {self.tokens:.1%} of the tokens"
        return f"vectors for {shares}"


def by_frequency(counts: Counter[int]) -> list[tuple[int, int]]:
    """Ids with how often they occur, most frequent first; equal ones in the order of their ids."""
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def coverage(counts: Counter[int], known: Iterable[int], most: int = MISSING) -> Coverage:
    """The coverage of a text with `counts` tokens by id, where the ids `known` have vectors."""
    with_vector = set(known)
    missing: Counter[int] = Counter()
    for word, times in counts.items():
        if word not in with_vector:
            missing[word] = times
    # An empty text is covered: nothing of it is missing.
    types = 1 - len(missing) / max(1, len(counts))
    tokens = 1 - missing.total() / max(1, counts.total())
    return Coverage(types, tokens, tuple(by_frequency(missing)[:most]))


def neighbours(
    counts: Counter[int], ids: Tensor, vectors: Tensor, names: Sequence[str]
) -> list[str]:
    """`film → movie, picture` for the most frequent words that say something: those after the first
    half of all tokens.
    """
    if len(ids) <= NEAREST:
        return []
    units = F.normalize(vectors, dim=1)
    row_of = {int(word): row for row, word in enumerate(ids)}
    parts = []
    for word in telling_words(counts, row_of):
        own_row = row_of[word]
        cosines = units @ units[own_row]
        # One more than is shown, because the nearest of all is the word itself.
        rows = cosines.topk(NEAREST + 1).indices.tolist()
        others = [word_name(int(ids[row]), names) for row in rows if row != own_row]
        parts.append(f"{word_name(word, names)} → {' '.join(others[:NEAREST])}")
    return [f"nearest: {', '.join(parts)}"] if parts else []


def word_name(word: int, names: Sequence[str] | None) -> str:
    """The word of an id, or the id itself where no word is known."""
    return names[word] if names and word < len(names) else str(word)


def telling_words(counts: Counter[int], among: Iterable[int], most: int = SHOWN) -> list[int]:
    """The most frequent ids after those that make up half of the tokens, which are words like
    `the`.
    """
    candidates = set(among)
    half = counts.total() / 2
    tokens_before = 0
    words: list[int] = []
    for word, times in by_frequency(counts):
        if len(words) == most:
            break
        if tokens_before >= half and word in candidates:
            words.append(word)
        tokens_before += times
    return words
