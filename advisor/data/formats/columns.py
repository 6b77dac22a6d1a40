"""What kind of thing each column of a table holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import (
    is_bool_dtype,
    is_datetime64_any_dtype,
    is_numeric_dtype,
    is_timedelta64_dtype,
)

from advisor.data.raw import Told

NUMBER, DATE, CATEGORY, TEXT = "number", "date", "category", "text"
WORDS = 3  # on average, above which a lone column of strings holds texts
WORDS_AMONG_OTHERS = 6  # the same beside other columns: names and addresses are not texts


def kinds_of(table: pd.DataFrame, told: Told) -> dict[str, str]:
    """`number`, `date` or `category` per column; at most one is `text`, the one with the most
    words.
    """
    kinds = {str(name): _kind(table[name]) for name in table.columns}
    dates = [name for name, kind in kinds.items() if kind == DATE]
    if dates:
        told.note(f"dates are taken as days: {', '.join(dates)}")
    least = WORDS if len(kinds) == 1 else WORDS_AMONG_OTHERS
    words = {name: _words(table[name]) for name, kind in kinds.items() if kind == CATEGORY}
    longest = max(words, key=lambda name: words[name], default=None)
    if longest is not None and words[longest] > least:
        kinds[longest] = TEXT
    return kinds


def _words(column: Any) -> float:
    """Words per cell of a column whose cells mostly differ, else 0."""
    known = column.dropna().astype(str)
    if len(known) == 0 or known.nunique() <= len(known) / 2:
        return 0.0
    return float(known.str.split().str.len().mean())


def _kind(column: Any) -> str:
    if is_bool_dtype(column):
        return CATEGORY
    if is_numeric_dtype(column):
        return NUMBER
    if is_datetime64_any_dtype(column) or is_timedelta64_dtype(column):
        return DATE
    known = _stripped(column).dropna()
    if pd.api.types.infer_dtype(known) == "boolean" or isinstance(
        column.dtype, pd.CategoricalDtype
    ):
        return CATEGORY
    if (
        pd.to_numeric(known.head(1), errors="coerce").notna().all()
        and pd.to_numeric(known, errors="coerce").notna().all()
    ):
        return NUMBER
    return DATE if len(known) and _dates(known).notna().all() else CATEGORY


def converted(column: Any, kind: str) -> Any:
    """The column as float64 with NaN for gaps (numbers, and dates in days), or as strings with None
    for gaps.
    """
    if kind == CATEGORY:
        words = _stripped(column)
        return (
            words.astype(object).where(words.isna(), words.astype(str)).where(words.notna(), None)
        )
    if is_timedelta64_dtype(column):
        return column / pd.Timedelta(days=1)
    if kind == DATE:
        dates = column if is_datetime64_any_dtype(column) else _dates(_stripped(column))
        return (pd.to_datetime(dates, utc=True) - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1)
    numbers = (
        column if is_numeric_dtype(column) else pd.to_numeric(_stripped(column), errors="coerce")
    )
    return numbers.astype("float64").replace([np.inf, -np.inf], np.nan)


def _stripped(column: Any) -> Any:
    """Strings without blanks at their ends; '' and '?' are gaps."""
    words = column.astype(object).map(lambda cell: cell.strip() if isinstance(cell, str) else cell)
    return words.where(~words.isin(["", "?"]), None).where(words.notna(), None)


def _dates(known: Any) -> Any:
    """Dates of ISO 8601 (2024-02-29, with or without a time), NaT for everything else."""
    iso = known.astype(str).str.match(r"\d{4}-\d\d-\d\d")
    return pd.to_datetime(
        known.astype(object).where(iso, None), errors="coerce", format="ISO8601", utc=True
    )
