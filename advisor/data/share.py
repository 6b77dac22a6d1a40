"""A share of the rows, in proportion, for trainings that have no time for all of them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from advisor.data.classes import Target
from advisor.data.draws import Counts, Numbers, in_proportion
from advisor.data.layout import VALID, Layout, RowNumbers, Times, state_of
from advisor.randomness import mix

FEWEST_SCORED = 10_000
"""Rows that score are not fewer than this, where there are so many and as many are trained on."""
BINS = 10
"""Parts of equal size in which numbers, and times, are drawn in proportion."""


def share_of(layout: Layout, target: Target, train: int, seed: int) -> Layout:
    """A layout of fewer rows, with about so many to train on when `valid` is drawn from the others.

    Classes, or quantiles of numbers, keep their shares, and so do ten parts of the time where rows
    are split by it. Groups have about as large a share of the rows each. What is drawn from these
    rows is drawn as from all rows.

    Arguments:
        layout: of all rows.
        target: of all rows with a target.
        train: rows to train on.
        seed: draws them.
    """
    pool = train if layout.valid is not None else math.ceil(train / (1 - VALID))
    share = min(1.0, pool / len(layout.train))

    def part(rows: RowNumbers, name: str, fewest: int = 0) -> RowNumbers:
        """The share of some rows, which are not fewer than so many."""
        count = min(len(rows), max(round(share * len(rows)), fewest))
        strata = strata_of(rows, target, layout.keys.times)
        return drawn_of(rows, strata, count, mix(seed, "share", name))

    scored = min(train, FEWEST_SCORED)
    valid, unlabeled = layout.valid, layout.unlabeled
    return replace(
        layout,
        train=part(layout.train, "train", pool),
        valid=None if valid is None else part(valid, "valid", scored),
        test=part(layout.test, "test", scored),
        unlabeled=None if unlabeled is None else any_of(unlabeled, share, mix(seed, "unlabeled")),
    )


def strata_of(rows: RowNumbers, target: Target, times: Times | None) -> Numbers:
    """A number for each of some labelled rows; rows of one number are drawn in proportion."""
    classes = target.strata
    if classes is None:
        values = target.values[torch.as_tensor(rows)].double().numpy()
        numbers = bins_of(values if values.ndim == 1 else values[:, 0])
    else:
        numbers = classes[rows].astype(np.int64)
    if times is not None:
        numbers = numbers * BINS + bins_of(times[rows])
    return numbers


def bins_of(values: np.ndarray[Any, Any]) -> Numbers:
    """The tenth of the values that each lies in, from 0."""
    edges = np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1])
    return np.searchsorted(edges, values, side="right").astype(np.int64)


def drawn_of(rows: RowNumbers, strata: Numbers, count: int, seed: int) -> RowNumbers:
    """So many of the rows, sorted, each stratum in proportion; one that has any keeps one, where
    there are not more strata than rows to draw.

    Arguments:
        rows: their numbers `(N,)`.
        strata: that of each `(N,)`.
        count: rows to draw; all where there are not more.
        seed: draws them.
    """
    if count >= len(rows):
        return rows
    state = state_of(seed)
    order = state.permutation(len(rows))
    _, numbers, counts = np.unique(strata[order], return_inverse=True, return_counts=True)
    kept = with_one_each(in_proportion(counts, count, state), counts)
    # In random order within each stratum, of which the first ones are taken.
    by_stratum = np.argsort(numbers, kind="stable")
    starts = np.cumsum(counts) - counts
    place = np.arange(len(rows)) - np.repeat(starts, counts)
    chosen = by_stratum[place < np.repeat(kept, counts)]
    return np.sort(rows[order[chosen]])


def with_one_each(kept: Counts, counts: Counts) -> Counts:
    """Draws of each stratum, of which none is without any; the largest ones give theirs."""
    kept = np.minimum(kept, counts)
    if kept.sum() < len(kept):
        return kept
    for empty in np.flatnonzero(kept == 0):
        kept[np.argmax(kept)] -= 1
        kept[empty] = 1
    return kept


def any_of(rows: RowNumbers, share: float, seed: int) -> RowNumbers:
    """A share of the rows, sorted; at least one."""
    count = max(1, round(share * len(rows)))
    return np.sort(state_of(seed).permutation(rows)[:count])
