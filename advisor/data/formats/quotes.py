"""Finds quotes that open a cell and never close it, which would swallow the rows below them."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence

from advisor.data.formats.number_cells import DIGITS

FEW_LEVELS = 20
"""Distinct cells of a column that tell whether a line is a row of the table."""

CLEAN_LINES = 500
"""Lines without quotes that show what a row looks like."""


def mended(content: bytes, separator: str, width: int) -> tuple[bytes, list[int]]:
    """The lines of a table, in which each lone quote is a letter, and the numbers of these lines.

    Arguments:
        content: the table in UTF-8.
        separator: what stands between the cells.
        width: how many cells a row has.
    """
    if content.count(b'"') == 0:
        return content, []
    lines = content.decode().split("\n")
    quoted = [number for number, line in enumerate(lines) if line.count('"') % 2]
    if not quoted:
        return content, []
    lone = list(QuotedLines(lines, separator, width).lone())
    if not lone:
        return content, []
    for number in lone:
        lines[number] = _as_letters(lines[number], separator, width)
    return "\n".join(lines).encode(), [number + 1 for number in lone]


class QuotedLines:
    """The lines of a table with quotes in them."""

    def __init__(self, lines: Sequence[str], separator: str, width: int) -> None:
        self.lines = lines
        self.separator = separator
        self.width = width
        sign = re.escape(separator)
        self._closed = re.compile(rf'(?:^|(?<={sign})) *"(?:[^"]|"")*"[^{sign}]*')
        self._opening = re.compile(rf'(?:^|{sign}) *"')
        self._closing = re.compile(rf'^(?:[^"]|"")*"(?P<rest>(?:\r?$|{sign}))?')
        self._keys = self._key_columns()

    def lone(self) -> Iterator[int]:
        """The places of the lines that open a cell and do not close it."""
        place = 0
        while place < len(self.lines):
            line = self.lines[place]
            if '"' not in line or not self._is_open(line):
                place += 1
                continue
            end = self._end(place)
            if end is None:
                yield place
                place += 1
            else:
                place = end + 1

    def _is_open(self, line: str) -> bool:
        """Whether the last cell of a line goes on in the next one."""
        return self._opening.search(self._closed.sub("", line)) is not None

    def _end(self, place: int) -> int | None:
        """The line where the cell that a line opens is closed, None where its quote is a lone
        one.
        """
        for end in range(place + 1, len(self.lines)):
            if '"' not in self.lines[end]:
                continue
            found = self._closing.match(self.lines[end])
            if found is None or found["rest"] is None:
                return None
            region = self.lines[place : end + 1]
            cells = next(csv.reader(["\n".join(region)], delimiter=self.separator))
            are_rows = bool(self._keys) and all(map(self._is_row, region))
            return None if len(cells) != self.width or are_rows else end
        return None

    def _is_row(self, line: str) -> bool:
        """Whether a line looks like a row of its own."""
        cells = line.rstrip("\r").split(self.separator)
        if len(cells) != self.width:
            return False
        return all(_fits(cells[place].strip(' "'), levels) for place, levels in self._keys.items())

    def _key_columns(self) -> dict[int, frozenset[str]]:
        """The levels of columns of few levels, none of columns of numbers, by their places."""
        clean = [line for line in self.lines[1:] if line.strip() and '"' not in line]
        rows = [line.rstrip("\r").split(self.separator) for line in clean[:CLEAN_LINES]]
        rows = [row for row in rows if len(row) == self.width]
        keys = {}
        for place in range(self.width):
            cells = [row[place].strip() for row in rows]
            levels = frozenset(cells)
            if cells and all(_fits(cell, frozenset()) for cell in cells):
                keys[place] = frozenset[str]()
            elif len(levels) <= FEW_LEVELS and len(levels) * 2 <= len(cells):
                keys[place] = levels
        return keys


def _fits(cell: str, levels: frozenset[str]) -> bool:
    """Whether a cell is one of the levels, or a number where there are none."""
    if levels:
        return cell in levels
    return any(pattern.fullmatch(cell.lstrip("-+")) for pattern in DIGITS.values())


def _as_letters(line: str, separator: str, width: int) -> str:
    """A line whose quotes are letters; what is too many cells belongs to the cell with the first
    quote.
    """
    cells = line.rstrip("\r").split(separator)
    first = next(place for place, cell in enumerate(cells) if cell.lstrip().startswith('"'))
    last = first + max(0, len(cells) - width)
    cells[first : last + 1] = [separator.join(cells[first : last + 1])]
    quoted = [cell.strip().replace('"', '""') for cell in cells]
    return separator.join(f'"{cell}"' if '"' in cell else cell for cell in quoted)
