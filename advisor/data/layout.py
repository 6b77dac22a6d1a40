"""Which rows train, which choose, which report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

Rows = np.ndarray[Any, np.dtype[np.int64]]

TEST = 0.2  # of all rows
VALID = 0.25  # of what is left: 60 / 20 / 20


@dataclass(frozen=True)
class Layout:
    """Row numbers by origin: `train` (valid may still be drawn from it), `valid` if the user gave
    it, `test`, `unlabeled`.
    """

    train: Rows
    valid: Rows | None
    test: Rows
    unlabeled: Rows | None

    @property
    def labelled_pool(self) -> Rows:
        """Rows with a target that are not test rows."""
        return self.train if self.valid is None else np.concatenate([self.train, self.valid])

    @property
    def pool(self) -> Rows:
        """Rows that are not test rows, with and without a target."""
        return (
            self.labelled_pool
            if self.unlabeled is None
            else np.concatenate([self.labelled_pool, self.unlabeled])
        )

    def draw(self, classes: Rows | None, seed: int) -> tuple[Rows, Rows]:
        """Rows of train and valid: the user's, or drawn with `seed`."""
        return (
            (self.train, self.valid)
            if self.valid is not None
            else split_off(self.train, classes, VALID, seed)
        )


def lay_out(counts: Mapping[str, int], classes: Rows | None, seed: int) -> Layout:
    """Number the rows split after split and draw the test rows if the user gave none."""
    ends = np.cumsum([counts.get(name, 0) for name in ("train", "valid", "test", "unlabeled")])
    train, valid, test, unlabeled = np.split(np.arange(ends[-1]), ends[:-1])
    if not len(test):
        train, test = split_off(train, classes, TEST, seed)
    return Layout(train, valid if len(valid) else None, test, unlabeled if len(unlabeled) else None)


def split_off(rows: Rows, classes: Rows | None, fraction: float, seed: int) -> tuple[Rows, Rows]:
    """`(kept, drawn)`: draw a fraction of the rows, each class in proportion; a class with one row
    is kept whole.
    """
    if classes is None:
        return _sorted(train_test_split(rows, test_size=fraction, random_state=seed % 2**32))
    labels = classes[rows]
    alone = np.bincount(labels)[labels] < 2
    many, labels = rows[~alone], labels[~alone]
    kinds = len(np.unique(labels))
    stratify = labels if kinds <= int(fraction * len(many)) else None
    if len(many) < 4:
        many, alone, stratify = rows, np.zeros_like(alone), None
    kept, drawn = train_test_split(
        many, test_size=fraction, random_state=seed % 2**32, stratify=stratify
    )
    return _sorted((np.concatenate([kept, rows[alone]]), drawn))


def _sorted(parts: Any) -> tuple[Rows, Rows]:
    kept, drawn = parts
    return np.sort(kept), np.sort(drawn)
