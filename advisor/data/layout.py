"""Which rows train, which choose between models, and which report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from advisor.data.draws import draw_any, draw_in_proportion, draws_of_groups
from advisor.data.raw import SPLITS
from advisor.errors import InputError

RowNumbers = np.ndarray[Any, np.dtype[np.int64]]
Times = np.ndarray[Any, np.dtype[np.float64]]

# The share of all rows that are test rows.
TEST = 0.2
# The share of the other rows that are validation rows: 60 / 20 / 20 in all.
VALID = 0.25

# The largest share of the rows that chose nothing that a measuring seed holds out: where the rows
# that chose are trained on instead, and where they are the user's own and never are.
MOST_HELD_OUT = 0.5
MOST_BESIDE_OWN = VALID

# Draws of groups that are compared with the share of rows and classes that is wanted.
GROUP_DRAWS = 20
# How far a draw of groups may be from it, as a share of the rows to draw, to be taken at once.
NEAR_ENOUGH = 0.2


@dataclass(frozen=True)
class RowKeys:
    """What says of each row which rows it belongs to and when it was: those of all splits, as they
    are numbered.

    Attributes:
        groups: the number of each row's group, or None where each row stands alone.
        times: a number that grows with time, NaN for rows that are not split by it; None where time
            does not count.
    """

    groups: RowNumbers | None = None
    times: Times | None = None


@dataclass(frozen=True)
class Layout:
    """Row numbers by origin: `train` (from which valid is drawn unless the user gave it), `valid`
    if the user gave it, `test`, `unlabeled`.

    `keys` says which rows belong together and when they were, `drew_test` whether the test rows
    were drawn.
    """

    train: RowNumbers
    valid: RowNumbers | None
    test: RowNumbers
    unlabeled: RowNumbers | None
    keys: RowKeys = field(default_factory=RowKeys)
    drew_test: bool = False

    @property
    def labelled_pool(self) -> RowNumbers:
        """Rows with a target that are not test rows."""
        return self.train if self.valid is None else np.concatenate([self.train, self.valid])

    @property
    def pool(self) -> RowNumbers:
        """Rows that are not test rows, with and without a target."""
        if self.unlabeled is None:
            return self.labelled_pool
        return np.concatenate([self.labelled_pool, self.unlabeled])

    def draw(self, classes: RowNumbers | None, seed: int) -> tuple[RowNumbers, RowNumbers]:
        """Rows of train and valid: the user's, the later ones, or drawn with `seed`."""
        if self.valid is not None:
            return self.train, self.valid
        return hold_out(self.train, classes, self.keys, VALID, seed, parts=1)

    def draw_measuring(
        self, classes: RowNumbers | None, chose: int, seed: int
    ) -> tuple[RowNumbers, RowNumbers]:
        """Rows that a measuring seed trains on, and those that it holds out.

        What the seed `chose` validates on has chosen between arms, so that it never measures. Drawn
        from the rows to train on, it is trained on; the user's own never is, as they do not train
        on it, and there may be many times more of it. Nothing is held out where rows are split by
        time, and where the others are of one group; only the test rows measure then.
        """
        rest, choosing = self.draw(classes, chose)
        joined = choosing if self.valid is None else choosing[:0]
        groups = self.keys.groups
        is_whole = groups is not None and len(np.unique(groups[rest])) < 2
        if self.keys.times is not None or is_whole:
            return np.sort(np.concatenate([rest, joined])), rest[:0]
        most = MOST_HELD_OUT if self.valid is None else MOST_BESIDE_OWN
        share = min(most, len(choosing) / len(rest))
        kept, held_out = hold_out(rest, classes, self.keys, share, seed, parts=1)
        return np.sort(np.concatenate([kept, joined])), held_out


def lay_out(
    counts: Mapping[str, int],
    classes: RowNumbers | None,
    seed: int,
    keys: RowKeys = RowKeys(),  # it is frozen
) -> Layout:
    """Number the rows split after split and draw the test rows if the user gave none.

    Arguments:
        counts: rows by split; a split that is not there has none.
        classes: the class number of each labelled row, or None for a regression.
        seed: draws the test rows.
        keys: which rows belong together, and when they were.

    Raises:
        InputError: there are too few groups, or too few points in time, to be split.
    """
    ends = np.cumsum([counts.get(name, 0) for name in SPLITS])
    train, valid, test, unlabeled = np.split(np.arange(ends[-1]), ends[:-1])
    draws_test = not len(test)
    if draws_test:
        parts = 1 if len(valid) else 2
        train, test = hold_out(train, classes, keys, TEST, seed, parts)
    own_valid = valid if len(valid) else None
    own_unlabeled = unlabeled if len(unlabeled) else None
    return Layout(train, own_valid, test, own_unlabeled, keys, draws_test)


def hold_out(
    rows: RowNumbers,
    classes: RowNumbers | None,
    keys: RowKeys,
    fraction: float,
    seed: int,
    parts: int,
) -> tuple[RowNumbers, RowNumbers]:
    """`(kept, held out)`: the latest rows where time counts, else whole groups, else any rows.

    What is kept is enough for so many `parts`.

    Raises:
        InputError: the rows are of too few groups, or of too few points in time.
    """
    if keys.times is not None:
        return split_later(rows, keys.times, fraction, parts)
    if keys.groups is not None:
        return split_groups(rows, classes, keys.groups, fraction, seed, parts)
    return split_off(rows, classes, fraction, seed)


def split_later(
    rows: RowNumbers, times: Times, fraction: float, parts: int
) -> tuple[RowNumbers, RowNumbers]:
    """`(earlier, later)`: the cut in time after which about a fraction of the rows lies.

    Rows of one time are on one side. Raises `InputError` where the earlier ones are not of so many
    times as `parts`.
    """
    moments, counts = np.unique(times[rows], return_counts=True)
    if len(moments) <= parts:
        raise InputError(
            "the rows have too few different times to be split by (at least 3 are needed, or 2 "
            "beside your own test rows); give another time=… (--time)."
        )
    # How many rows are before each moment that may be the first of the later ones.
    before = np.cumsum(counts)[parts - 1 : -1]
    first_later = moments[parts + np.argmin(np.abs(before - (1 - fraction) * len(rows)))]
    is_later = times[rows] >= first_later
    return rows[~is_later], rows[is_later]


def split_groups(
    rows: RowNumbers,
    classes: RowNumbers | None,
    groups: RowNumbers,
    fraction: float,
    seed: int,
    parts: int,
) -> tuple[RowNumbers, RowNumbers]:
    """`(kept, drawn)`: draw whole groups that have about a fraction of the rows, and of each class.

    Of several draws the first one that is near enough is taken, else the nearest one, so that few
    groups are still drawn in many ways. Raises `InputError` where there are not more groups than
    `parts`.
    """
    own = groups[rows]
    if len(np.unique(own)) <= parts:
        raise InputError(
            "the rows are of too few groups to be split (at least 3 are needed, or 2 beside your "
            "own test rows); give another group=… (--group)."
        )
    labels = np.zeros(len(rows), np.int64) if classes is None else classes[rows]
    wanted = fraction * np.bincount(labels)
    draws = draws_of_groups(own, fraction, GROUP_DRAWS, state_of(seed))

    nearest, least = (rows, rows[:0]), np.inf
    for kept, drawn in draws:
        counts = np.bincount(labels[drawn], minlength=len(wanted))
        # A class that no row is left of cannot be learned.
        lost = (wanted > 0) & (counts == np.bincount(labels))
        distance = np.abs(counts - wanted).sum() / wanted.sum() + lost.sum()
        if distance < least:
            nearest, least = (rows[kept], rows[drawn]), distance
        if distance <= NEAR_ENOUGH:
            break
    return nearest


def split_off(
    rows: RowNumbers, classes: RowNumbers | None, fraction: float, seed: int
) -> tuple[RowNumbers, RowNumbers]:
    """`(kept, drawn)`: draw a fraction of the rows, each class in proportion; a class with one row
    is kept whole.
    """
    if classes is None:
        kept, drawn = _draw(rows, fraction, seed)
        return np.sort(kept), np.sort(drawn)

    # A class with one row cannot be in proportion on both sides.
    labels = classes[rows]
    is_single = np.bincount(labels)[labels] < 2
    several, labels, single = rows[~is_single], labels[~is_single], rows[is_single]
    can_stratify = len(np.unique(labels)) <= int(fraction * len(several))
    if len(several) < 4:
        several, single, can_stratify = rows, rows[:0], False
    kept, drawn = _draw(several, fraction, seed, labels if can_stratify else None)
    return np.sort(np.concatenate([kept, single])), np.sort(drawn)


def _draw(
    rows: RowNumbers, fraction: float, seed: int, labels: RowNumbers | None = None
) -> tuple[RowNumbers, RowNumbers]:
    """`(kept, drawn)` in random order, with labels in proportion where there are any."""
    state = state_of(seed)
    if labels is None:
        kept, drawn = draw_any(len(rows), fraction, state)
    else:
        kept, drawn = draw_in_proportion(labels, fraction, state)
    return rows[kept], rows[drawn]


def state_of(seed: int) -> np.random.RandomState:
    """A random state for a seed of any size."""
    return np.random.RandomState(seed % 2**32)
