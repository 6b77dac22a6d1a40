"""Decides whether the first row of a table names the columns below it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from advisor.data.formats.date_cells import written_dates
from advisor.data.formats.number_cells import written_numbers
from advisor.data.formats.readings import GAP_WORDS

SAMPLE = 200
"""Distinct cells by which a column shows what it holds."""

MOSTLY = 0.9
"""The share of cells that are numbers or dates in a column of numbers or dates."""

TEXT_LENGTH = 3
"""Words above which the first cell of a column of texts is a text itself."""


class FirstCell(Enum):
    """What the first cell of a column is, by the cells below it."""

    NAME = "a name above numbers or dates"
    VALUE = "a number or a date among such"
    NUMBER_AS_NAME = "a whole number far from the numbers below it"
    LEVEL = "a word that stands below it, too"
    OTHER_WORD = "a word that does not stand below it"
    UNKNOWN = "empty, or a word among words of which none is repeated"


@dataclass(frozen=True)
class Header:
    """What was found out about the first row.

    Attributes:
        is_header: whether it names the columns.
        is_sure: whether the kinds of cells show it; otherwise it is a guess.
    """

    is_header: bool
    is_sure: bool


def judge(first: Sequence[str], columns: Sequence[Any]) -> Header:
    """Whether the cells of the first row are names of the columns below them."""
    cells = [cell.strip() for cell in first]
    numbered = [str(i) for i in range(len(cells))]
    if cells == numbered or not columns or len(columns[0]) == 0:
        return Header(is_header=True, is_sure=True)
    kinds = [_kind(cell, column) for cell, column in zip(cells, columns, strict=False)]
    names, values = kinds.count(FirstCell.NAME), kinds.count(FirstCell.VALUE)

    # What stands above numbers and dates says most.
    if names or values:
        is_header = names > values or (names > 0 and _is_run(cells))
        is_header = is_header or (values > 0 and FirstCell.LEVEL not in kinds and _is_run(cells))
        return Header(is_header, is_sure=names == 0 or values == 0)
    # Among words, one that is repeated below is a cell.
    return Header(FirstCell.LEVEL not in kinds, is_sure=False)


def _is_run(cells: Sequence[str]) -> bool:
    """Whether the cells hold three years or more, one after the other."""
    years = [int(cell) for cell in cells if re.fullmatch(r"(?:19|20)\d\d", cell)]
    return len(years) > 2 and years == list(range(years[0], years[0] + len(years)))


def _kind(cell: str, column: Any) -> FirstCell:
    """What one cell is."""
    if not cell or cell == "?" or cell.lower() in GAP_WORDS:
        return FirstCell.UNKNOWN
    if is_numeric_dtype(column) and not is_bool_dtype(column):
        return _above_numbers(cell, column)
    cells = pd.Series(column.dropna().astype(str).str.strip().unique(), dtype=object)
    sample = cells.iloc[:: max(1, len(cells) // SAMPLE)]
    if not len(sample):
        return FirstCell.UNKNOWN
    own = pd.Series([cell], dtype=object)
    for read in (_count_numbers, _count_dates):
        if read(sample) >= MOSTLY * len(sample):
            is_value = read(pd.concat([sample, own])) > read(sample) or cell in set(sample)
            return FirstCell.VALUE if is_value else FirstCell.NAME
    return _above_words(cell, cells, len(column))


def _above_numbers(cell: str, column: Any) -> FirstCell:
    """What a cell above plain numbers is."""
    if not _count_numbers(pd.Series([cell], dtype=object)):
        return FirstCell.NAME
    least, most = float(column.min()), float(column.max())
    spread = most - least
    is_far = cell.isdigit() and not least - spread <= float(cell) <= most + spread
    return FirstCell.NUMBER_AS_NAME if is_far else FirstCell.VALUE


def _above_words(cell: str, levels: Any, rows: int) -> FirstCell:
    """What a cell above words is, by the distinct ones of them."""
    is_level = cell in set(levels)
    if len(levels) * 2 <= rows:
        return FirstCell.LEVEL if is_level else FirstCell.OTHER_WORD
    # Texts have many words, and ids digits in the same places.
    if is_level or len(cell.split()) > TEXT_LENGTH:
        return FirstCell.LEVEL
    shapes = levels.str.replace(r"\d+", "0", regex=True).unique()
    shape = re.sub(r"\d+", "0", cell)
    return FirstCell.LEVEL if shape in shapes and "0" in shape else FirstCell.UNKNOWN


def _count_numbers(cells: Any) -> int:
    """How many cells are written numbers."""
    return max(reading.count for reading in written_numbers(cells).values())


def _count_dates(cells: Any) -> int:
    """How many cells are written dates."""
    return written_dates(cells).count
