"""Finds what stands between the cells of a table, and what stands above it."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from advisor.data.formats.number_cells import WRITTEN_NUMBER

SEPARATORS = (",", ";", "\t", "|")
"""What may stand between the cells of a table."""

ONE_COLUMN = "\x1f"
"""The separator of a file of one column, which no text holds."""

SAMPLE_LINES = 300
"""Lines that show how a table is written."""

LEAST_SHARE = 0.5
"""The share of lines that have the same number of cells, where a separator separates cells."""

UNSPLIT = re.compile(r"\S[,;\t|]\S")
"""Another separator inside a cell, with no blank beside it."""

NUMBER_CELL = re.compile(WRITTEN_NUMBER.pattern, re.VERBOSE)
"""A cell that is a number."""


@dataclass(frozen=True)
class Separation:
    """How lines are separated into cells.

    Attributes:
        separator: what stands between the cells; `ONE_COLUMN` where nothing does.
        width: how many cells most lines have.
        above: how many lines stand above the table.
    """

    separator: str
    width: int
    above: int = 0


def separation_of(lines: Sequence[str]) -> Separation:
    """How the lines of a file are separated into cells.

    A first line `sep=;`, as Excel writes it, says it; else the separator that gives the most lines
    the same number of cells.
    """
    said = re.fullmatch(r"sep=(.)", lines[0].strip())
    if said is not None:
        width, _ = _width(lines[1:SAMPLE_LINES], said[1])
        return Separation(said[1], width, above=1)
    lines = lines[:SAMPLE_LINES]
    scores = {separator: _score(lines, separator) for separator in SEPARATORS}
    separator = max(SEPARATORS, key=lambda name: scores[name])
    if not scores[separator]:
        return Separation(ONE_COLUMN, 1)
    width, _ = _width(lines, separator)
    return Separation(separator, width, _above(lines, separator, width))


def rows_of(lines: Sequence[str], separator: str) -> list[list[str]]:
    """The cells of each line by itself."""
    options = {"delimiter": separator, "skipinitialspace": True}
    return [next(csv.reader([line], **options), [""]) for line in lines]  # type: ignore[arg-type]  # options of two types


def _records(lines: Sequence[str], separator: str) -> list[list[str]]:
    """The cells of each row, of which one may stand on several lines between quotes; a row for each
    line where this explains more of them.
    """
    rows = rows_of(lines, separator)
    if not any(line.count('"') % 2 for line in lines):
        return rows
    ended = (f"{line}\n" for line in lines)
    whole = list(csv.reader(ended, delimiter=separator, skipinitialspace=True))
    return max(rows, whole[:-1] or whole, key=lambda records: _share(records)[1])


def _share(rows: Sequence[Sequence[str]]) -> tuple[int, float]:
    """How many cells most rows have, and their share of all rows."""
    width, count = Counter(map(len, rows)).most_common(1)[0]
    return width, count / len(rows)


def _width(lines: Sequence[str], separator: str) -> tuple[int, float]:
    """How many cells most rows have, and their share of all rows."""
    return _share(_records(lines, separator))


def _score(lines: Sequence[str], separator: str) -> float:
    """How well a separator explains the lines, 0 where it does not."""
    width, share = _width(lines, separator)
    if width == 1 or share < LEAST_SHARE:
        return 0.0
    cells = [cell for row in _records(lines, separator) for cell in row]
    whole = sum(not UNSPLIT.search(cell) or bool(NUMBER_CELL.fullmatch(cell)) for cell in cells)
    return share * whole / len(cells) * (1 - 1 / width)


def _above(lines: Sequence[str], separator: str, width: int) -> int:
    """How many lines above the table are titles or comments: lines of another width that begin with
    `#` or have one cell.
    """
    for place, row in enumerate(rows_of(lines, separator)):
        if len(row) == width or not (row[0].startswith("#") or len(row) == 1):
            return place
    return 0
