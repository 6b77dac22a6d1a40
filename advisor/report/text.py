"""Tables in a terminal, and in a pipe."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDE = 200
"""Columns of a table that goes into a pipe or a file, where nothing is gained by wrapping at 80."""


def console(stderr: bool = False) -> Console:
    """A console as wide as the terminal, or 80 columns where there is none."""
    stream = sys.stderr if stderr else sys.stdout
    width = shutil.get_terminal_size((80, 24)).columns if stream.isatty() else 80
    return Console(file=stream, width=width, highlight=False, emoji=False, soft_wrap=False)


def show_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], empty: str) -> None:
    """Print rows under their column names; a line that says so when there are none."""
    out = console()
    if not sys.stdout.isatty():
        out.width = WIDE
    if not rows:
        out.print(empty)
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for i, column in enumerate(columns):
        numeric = all(isinstance(row[i], (int, float)) or row[i] is None for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell(value)) for value in row))
    out.print(table)


def cell(value: Any) -> str:
    """A value as a person reads it: four digits, a dash for nothing."""
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
