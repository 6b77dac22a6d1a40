"""Which rows train, which choose between models, and which report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

from advisor.data.raw import SPLITS

RowNumbers = np.ndarray[Any, np.dtype[np.int64]]

# The share of all rows that are test rows.
TEST = 0.2
# The share of the other rows that are validation rows: 60 / 20 / 20 in all.
VALID = 0.25


@dataclass(frozen=True)
class Layout:
    """Row numbers by origin: `train` (from which valid is drawn unless the user gave it), `valid`
    if the user gave it, `test`, `unlabeled`.
    """

    train: RowNumbers
    valid: RowNumbers | None
    test: RowNumbers
    unlabeled: RowNumbers | None

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
        """Rows of train and valid: the user's, or drawn with `seed`."""
        if self.valid is not None:
            return self.train, self.valid
        return split_off(self.train, classes, VALID, seed)


def lay_out(counts: Mapping[str, int], classes: RowNumbers | None, seed: int) -> Layout:
    """Number the rows split after split and draw the test rows if the user gave none.

    Arguments:
        counts: rows by split; a split that is not there has none.
        classes: the class number of each labelled row, or None for a regression.
        seed: draws the test rows.
    """
    ends = np.cumsum([counts.get(name, 0) for name in SPLITS])
    train, valid, test, unlabeled = np.split(np.arange(ends[-1]), ends[:-1])
    if not len(test):
        train, test = split_off(train, classes, TEST, seed)
    return Layout(train, valid if len(valid) else None, test, unlabeled if len(unlabeled) else None)


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
    kept, drawn = train_test_split(
        rows, test_size=fraction, random_state=seed % 2**32, stratify=labels
    )
    return kept, drawn
