"""Tables of many rows for a pipe or a file, as `show_table` prints them, in a hundredth of the
time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from advisor.errors import visible

WIDE = 200
"""Columns of a table that goes into a pipe or a file, where nothing is gained by wrapping at 80."""

BETWEEN = "   "
"""What stands between two columns."""


def plain_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str | None:
    """Rows under their column names, one line each.

    None where a line would be too long, or has letters that may be wider than others.

    Arguments:
        columns: the names.
        rows: as many values a row as there are names.
    """
    lines = [[visible(column) for column in columns]]
    lines += [[visible(cell(value)) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    if sum(widths) + len(BETWEEN) * (len(widths) - 1) > WIDE or not is_narrow(lines):
        return None
    # Numbers stand at the right, with what is missing among them.
    fill = [str.rjust if is_numeric(values) else str.ljust for values in zip(*rows, strict=True)]
    shown = []
    for line in lines:
        cells = [put(text, width) for put, text, width in zip(fill, line, widths, strict=True)]
        shown.append(BETWEEN.join(cells))
    return "\n".join([shown[0], "─" * len(shown[0]), *shown[1:]])


def is_numeric(values: Sequence[Any]) -> bool:
    """Whether a column has numbers, and nothing else but what is missing."""
    return all(value is None or isinstance(value, int | float) for value in values)


def is_narrow(lines: Sequence[Sequence[str]]) -> bool:
    """Whether each letter takes one column, as far as is known without a table of letters."""
    missing = cell(None)
    texts = [text for line in lines for text in line if text != missing]
    return all(text.isascii() and text.isprintable() for text in texts)


def cell(value: Any) -> str:
    """A value as a person reads it: four digits, a dash for nothing."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)
