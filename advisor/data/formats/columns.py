"""What kind of thing each column of a table holds."""

from __future__ import annotations

from enum import Enum
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import (
    is_bool_dtype,
    is_datetime64_any_dtype,
    is_numeric_dtype,
    is_object_dtype,
    is_timedelta64_dtype,
)

from advisor.data.layout import RowNumbers
from advisor.data.notes import Notes


class ColumnKind(Enum):
    """What a column of a table holds."""

    NUMBER = "number"
    DATE = "date"
    CATEGORY = "category"
    TEXT = "text"


# Words per cell, on average, above which a table's only column of strings holds texts.
TEXT_WORDS = 3

# Words per cell above which a column beside others holds texts: names and addresses are not texts.
TEXT_WORDS_AMONG_OTHERS = 6


def kinds_of(table: pd.DataFrame, pool: RowNumbers, notes: Notes) -> dict[str, ColumnKind]:
    """The kind of each column, by its cells in the rows `pool`; at most one is `TEXT`, the one with
    the most words.
    """
    kinds: dict[str, ColumnKind] = {}
    words: dict[str, float] = {}
    for name in table.columns:
        column = table[name].iloc[pool]
        kinds[name] = kind_of(column)
        if kinds[name] is ColumnKind.CATEGORY:
            words[name] = words_per_cell(column)
    dates = [name for name, kind in kinds.items() if kind is ColumnKind.DATE]
    if dates:
        notes.note(f"dates are taken as days: {', '.join(dates)}")
    least = TEXT_WORDS if len(kinds) == 1 else TEXT_WORDS_AMONG_OTHERS
    wordiest = max(words, key=lambda name: words[name], default=None)
    if wordiest is not None and words[wordiest] > least:
        kinds[wordiest] = ColumnKind.TEXT
    return kinds


def words_per_cell(column: Any) -> float:
    """The mean number of words in a column whose cells mostly differ, else 0."""
    cells = column.dropna().astype(str)
    if len(cells) == 0 or cells.nunique() <= len(cells) / 2:
        return 0.0
    return float(cells.str.split().str.len().mean())


def kind_of(column: Any) -> ColumnKind:
    """The kind of a column by its dtype, else by what its cells can be read as."""
    if is_bool_dtype(column) or isinstance(column.dtype, pd.CategoricalDtype):
        return ColumnKind.CATEGORY
    if is_numeric_dtype(column):
        return ColumnKind.NUMBER
    if is_datetime64_any_dtype(column) or is_timedelta64_dtype(column):
        return ColumnKind.DATE
    # Equal strings are looked at once; among objects, 1 and True are equal and not the same.
    if not is_object_dtype(column):
        column = pd.Series(column.unique())
    return _kind_of_cells(stripped(column).dropna())


def _kind_of_cells(cells: Any) -> ColumnKind:
    """The kind of cells without gaps, by what all of them can be read as."""
    if pd.api.types.infer_dtype(cells) == "boolean":
        return ColumnKind.CATEGORY
    # The first cell shows of most columns that they hold no numbers.
    if _all_numbers(cells.head(1)) and _all_numbers(cells):
        return ColumnKind.NUMBER
    if len(cells) and _to_dates(cells).notna().all():
        return ColumnKind.DATE
    return ColumnKind.CATEGORY


def _all_numbers(cells: Any) -> bool:
    """Whether every cell reads as a number."""
    return bool(pd.to_numeric(cells, errors="coerce").notna().all())


def is_constant(column: np.ndarray[Any, Any], rows: RowNumbers) -> bool:
    """Whether some rows of a column of numbers have one value at most, NaN left out."""
    cells = column[rows]
    cells = cells[~np.isnan(cells)]
    return len(cells) == 0 or bool(cells.min() == cells.max())


def to_numbers(column: Any, kind: ColumnKind) -> Any:
    """A column of numbers, or of dates in days since 1970, as float64 with NaN for gaps."""
    if is_timedelta64_dtype(column):
        return column / pd.Timedelta(days=1)
    if kind is ColumnKind.DATE:
        dates = column if is_datetime64_any_dtype(column) else _to_dates(stripped(column))
        return (pd.to_datetime(dates, utc=True) - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1)
    if not is_numeric_dtype(column):
        column = pd.to_numeric(stripped(column), errors="coerce")
    return column.astype("float64").replace([np.inf, -np.inf], np.nan)


def to_levels(column: Any) -> tuple[np.ndarray[Any, Any], tuple[str, ...]]:
    """A column of categories as the number of each row's level, int64 (N,) with -1 for a gap, and
    the levels as text.
    """
    if is_object_dtype(column):
        codes, levels = pd.factorize(_to_text(column))
        return codes, tuple(levels)

    # Equal cells are turned into text once; different cells may have the same text.
    cell_codes, cells = pd.factorize(column)
    level_codes, levels = pd.factorize(_to_text(pd.Series(cells)))
    return np.append(level_codes, -1)[cell_codes], tuple(levels)


def _to_text(column: Any) -> Any:
    """Cells as text, None for gaps."""
    cells = stripped(column)
    return cells.astype(object).where(cells.isna(), cells.astype(str)).where(cells.notna(), None)


def stripped(column: Any) -> Any:
    """Strings without blanks at their ends; '' and '?' are gaps."""
    cells = column.astype(object).map(lambda cell: cell.strip() if isinstance(cell, str) else cell)
    return cells.where(~cells.isin(["", "?"]), None).where(cells.notna(), None)


def _to_dates(cells: Any) -> Any:
    """Dates of ISO 8601 (2024-02-29, with or without a time), NaT for everything else."""
    is_iso = cells.astype(str).str.match(r"\d{4}-\d\d-\d\d")
    return pd.to_datetime(
        cells.astype(object).where(is_iso, None), errors="coerce", format="ISO8601", utc=True
    )
