"""Columns of categories to the numbers of one-hot columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from advisor.data.classes import RARE
from advisor.data.formats.columns import to_levels
from advisor.data.layout import RowNumbers
from advisor.data.notes import Notes, plural
from advisor.errors import listing

# Levels of a category that get a column of their own; the others share one.
MOST_LEVELS = 50

# The level of a gap.
MISSING = "(missing)"

# Stands for the one-hot column of a level that has none, because no row of the pool has it.
NO_COLUMN = -1


@dataclass(frozen=True)
class Category:
    """A column of categories.

    Attributes:
        codes: the number of each row's level, int64 (N,), -1 for a gap.
        levels: the levels as text.
    """

    codes: np.ndarray[Any, Any]
    levels: tuple[str, ...]

    @classmethod
    def of(cls, column: Any) -> Category:
        """The categories of a pandas column."""
        return cls(*to_levels(column))

    def filled(self) -> Category:
        """These categories with gaps as a level of their own."""
        is_gap = self.codes < 0
        if not is_gap.any():
            return self
        levels = self.levels if MISSING in self.levels else (*self.levels, MISSING)
        return Category(np.where(is_gap, levels.index(MISSING), self.codes), levels)

    def counts(self, rows: RowNumbers | None = None) -> np.ndarray[Any, Any]:
        """How many of some rows (None: all) have each level, int64; without gaps."""
        codes = self.codes if rows is None else self.codes[rows]
        return np.bincount(codes[codes >= 0], minlength=len(self.levels))

    def why_useless(self, pool: RowNumbers) -> str:
        """Why a model cannot learn from the rows `pool` of this column; empty if it can."""
        counts = self.counts(pool)
        distinct = int((counts > 0).sum())
        has_gaps = int(counts.sum()) < len(pool)
        if distinct == 0 or (distinct == 1 and not has_gaps):
            return "it is the same in every row"
        if distinct == len(pool):
            return "it is different in every row, like an id"
        return ""

    def places(self, pool: RowNumbers) -> tuple[np.ndarray[Any, Any], int]:
        """The place of each level among the one-hot columns of this category, or `NO_COLUMN`, and
        how many columns these are.
        """
        counts = self.counts(pool)
        # Only the levels that a model can learn from get a column.
        by_alphabet = sorted(range(len(self.levels)), key=lambda level: self.levels[level])
        present = np.array([level for level in by_alphabet if counts[level]], np.int64)
        places = np.full(len(self.levels), NO_COLUMN, np.int64)
        if len(present) <= MOST_LEVELS:
            places[present] = np.arange(len(present))
            return places, len(present)

        # Of levels that are equally frequent, those late in the alphabet keep their column.
        by_count = np.argsort(counts[present], kind="stable")
        kept = present[np.sort(by_count[-MOST_LEVELS:])]
        places[:] = MOST_LEVELS
        places[kept] = np.arange(MOST_LEVELS)
        return places, MOST_LEVELS + 1

    def note_levels(self, name: str, pool: RowNumbers, notes: Notes) -> None:
        """Sentences on the gaps of a filled category, its many levels, and those of test rows
        only.
        """
        counts, pool_counts = self.counts(), self.counts(pool)
        gap = self.levels.index(MISSING) if MISSING in self.levels else None
        if gap is not None and pool_counts[gap]:
            gaps = plural(int(counts[gap]), "gap")
            notes.note(f"column {name!r}: {gaps} became a category of their own")
        distinct = int((pool_counts > 0).sum())
        if distinct > MOST_LEVELS + 1:
            notes.note(
                f"column {name!r} has {distinct} categories: kept the {MOST_LEVELS} most frequent, "
                "the rest is 'other'"
            )
        unseen = int(counts[pool_counts == 0].sum())
        if unseen:
            rows = plural(unseen, "test row")
            notes.warn(f"column {name!r}: {rows} with a category that no other row has")


def one_hot_columns(
    categories: Mapping[str, Category], rows: int, pool: RowNumbers, notes: Notes
) -> tuple[np.ndarray[Any, Any], int]:
    """The number of the one-hot column of each cell, int32 (`rows`, k), and how many columns there
    are; none without categories.

    The levels that the rows `pool` have get a column each, in the order of the alphabet. A category
    with more than `MOST_LEVELS` of them has columns for its most frequent levels and a last one for
    all others. A level that no row of the pool has counts among these, or has `NO_COLUMN`.
    """
    if not categories:
        return np.empty((rows, 0), np.int32), 0
    filled = {name: category.filled() for name, category in categories.items()}
    for name, category in filled.items():
        category.note_levels(name, pool, notes)
    _warn_of_rare_levels(filled, notes)
    # Each category's columns follow those of the one before it.
    columns: list[np.ndarray[Any, Any]] = []
    width = 0
    for category in filled.values():
        places, own_width = category.places(pool)
        columns.append(np.where(places == NO_COLUMN, NO_COLUMN, width + places)[category.codes])
        width += own_width
    notes.note(f"one-hot: {plural(len(filled), 'column')} → {width}")
    return np.column_stack(columns).astype(np.int32), width


def _warn_of_rare_levels(categories: Mapping[str, Category], notes: Notes) -> None:
    """One sentence for all columns: many tables have such levels, and none is a reason to worry."""
    rare = []
    for name, category in categories.items():
        counts: Any = pd.Series(category.codes).value_counts()
        if len(counts) > MOST_LEVELS + 1:
            continue
        for code, count in counts.items():
            if count < RARE:
                rare.append(f"{name} {category.levels[code]!r} ({count})")
    if rare:
        notes.warn(f"categories with fewer than {RARE} rows: {listing(rare, 6)}")
