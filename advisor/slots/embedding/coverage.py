"""How much of a text has vectors, and which words lie beside each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

MEANINGFUL = 0.5
"""Share of its pairs that a measure of vectors must cover to say anything."""
MISSING, SHOWN, NEAREST = 5, 3, 3


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
        return f"vectors for {self.types:.1%} of the different words and {self.tokens:.1%} of the tokens"


def coverage(counts: Counter[int], known: Iterable[int], most: int = MISSING) -> Coverage:
    """The coverage of a text with `counts` tokens by id, where the ids `known` have vectors."""
    there = set(known)
    absent = Counter({word: times for word, times in counts.items() if word not in there})
    types, tokens = max(1, len(counts)), max(1, counts.total())
    ranked = sorted(absent.items(), key=lambda pair: (-pair[1], pair[0]))
    return Coverage(1 - len(absent) / types, 1 - absent.total() / tokens, tuple(ranked[:most]))


def neighbours(
    counts: Counter[int], ids: Tensor, vectors: Tensor, names: Sequence[str]
) -> list[str]:
    """`film → movie, picture` for the most frequent words that say something: those after the first
    half of all tokens.
    """
    if len(ids) <= NEAREST:
        return []
    units, place = F.normalize(vectors, dim=1), {int(word): row for row, word in enumerate(ids)}
    said = []
    for word in telling(counts, place):
        nearest = (units @ units[place[word]]).topk(NEAREST + 1).indices.tolist()
        others = [said_of(int(ids[row]), names) for row in nearest if row != place[word]][:NEAREST]
        said.append(f"{said_of(word, names)} → {' '.join(others)}")
    return [f"nearest: {', '.join(said)}"] if said else []


def said_of(word: int, names: Sequence[str] | None) -> str:
    """The word of an id, or the id itself where no word is known."""
    return names[word] if names and word < len(names) else str(word)


def telling(counts: Counter[int], among: Iterable[int], most: int = SHOWN) -> list[int]:
    """The most frequent ids after those that make up half of the tokens, which are words like
    `the`.
    """
    there, seen, found = set(among), 0, []
    for word, times in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])):
        if 2 * seen >= counts.total() and word in there:
            found.append(word)
        seen += times
    return found[:most]
