"""Rows drawn at random: any, in proportion to their classes, or whole groups.

The draws are those of scikit-learn's `train_test_split` and `GroupShuffleSplit`, number by number,
so that a study has the rows that it always had; importing those takes longer than reading most
data.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

Numbers = np.ndarray[Any, np.dtype[np.int64]]
Counts = np.ndarray[Any, np.dtype[np.int64]]


def sizes(count: int, fraction: float) -> tuple[int, int]:
    """How many of so many are kept and drawn. Raises `ValueError` where none would be kept."""
    drawn = math.ceil(fraction * count)
    if drawn >= count:
        raise ValueError(f"of {count} none would be left beside the {drawn} that are drawn")
    return count - drawn, drawn


def draw_any(count: int, fraction: float, state: np.random.RandomState) -> tuple[Numbers, Numbers]:
    """`(kept, drawn)`: the numbers below `count`, of which a fraction is drawn, in random order."""
    _, drawn = sizes(count, fraction)
    order = state.permutation(count)
    return order[drawn:], order[:drawn]


def draw_in_proportion(
    labels: Numbers, fraction: float, state: np.random.RandomState
) -> tuple[Numbers, Numbers]:
    """`(kept, drawn)`: the numbers of rows, of which a fraction is drawn from each class.

    Arguments:
        labels: the class of each row `(N,)`; at least two rows of each.
        fraction: how many are drawn.
        state: draws them.

    Raises:
        ValueError: fewer rows are kept or drawn than there are classes.
    """
    _, classes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    keep, draw = sizes(len(labels), fraction)
    if min(keep, draw) < len(counts):
        raise ValueError(f"{len(counts)} classes cannot all be among {min(keep, draw)} rows")
    rows_of = np.split(np.argsort(classes, kind="stable"), np.cumsum(counts)[:-1])
    kept_of = in_proportion(counts, keep, state)
    drawn_of = in_proportion(counts - kept_of, draw, state)

    kept, drawn = [], []
    for rows, first, second in zip(rows_of, kept_of, drawn_of, strict=True):
        order = rows[state.permutation(len(rows))]
        kept.append(order[:first])
        drawn.append(order[first : first + second])
    return state.permutation(np.concatenate(kept)), state.permutation(np.concatenate(drawn))


def in_proportion(counts: Counts, total: int, state: np.random.RandomState) -> Counts:
    """How many of `total` draws each class gets, in proportion to its rows `(classes,)`.

    What is left over goes to the classes that miss most of a row; of equal ones, to any.
    """
    shares = counts / counts.sum() * total
    whole = np.floor(shares)
    missed = shares - whole
    left = int(total - whole.sum())
    for value in np.unique(missed)[::-1]:
        if left <= 0:
            break
        (equal,) = np.where(missed == value)
        chosen = state.choice(equal, size=min(len(equal), left), replace=False)
        whole[chosen] += 1
        left -= len(chosen)
    return np.asarray(whole, np.int64)


def draws_of_groups(
    groups: Numbers, fraction: float, times: int, state: np.random.RandomState
) -> Iterator[tuple[Numbers, Numbers]]:
    """`(kept, drawn)` row numbers, so many times: a fraction of the groups is drawn, each whole."""
    names, numbers = np.unique(groups, return_inverse=True)
    for _ in range(times):
        kept, drawn = draw_any(len(names), fraction, state)
        yield np.flatnonzero(np.isin(numbers, kept)), np.flatnonzero(np.isin(numbers, drawn))
