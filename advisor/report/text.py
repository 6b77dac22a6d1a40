"""Text in a terminal of 80 columns, and in a pipe."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDE = 200
"""Columns of a table that goes into a pipe or a file, where nothing is gained by wrapping at 80."""
NARROWEST = 20
"""Columns that wrapped text keeps, however long its beginning is."""
MOST = 5
"""Lines of a section that are shown; --json has them all."""


def console(stderr: bool = False) -> Console:
    """A console as wide as the terminal, or 80 columns where there is none."""
    stream = sys.stderr if stderr else sys.stdout
    width = shutil.get_terminal_size((80, 24)).columns if stream.isatty() else 80
    return Console(file=stream, width=width, highlight=False, emoji=False, soft_wrap=False)


def print_wrapped(out: Console, head: str, line: str, indent: int = 2) -> None:
    """Print a line after `head`, wrapped under its own beginning.

    Nothing is padded, so that a pipe gets no blanks at the ends of lines.
    """
    # A word that is longer than a line, such as a path, is not cut.
    width = max(NARROWEST, out.width - indent - len(head))
    first, *rest = textwrap.wrap(line, width, break_long_words=False) or [""]
    out.print(Text.assemble(" " * indent, (head, "bold"), first), soft_wrap=True)
    for more in rest:
        out.print(Text(" " * (indent + len(head)) + more), soft_wrap=True)


def print_section(out: Console, title: str, lines: Sequence[str], most: int = MOST) -> None:
    """Print a title and its lines, of many the first; nothing where there are none."""
    if not lines:
        return
    out.print(Text(f"\n{title}", style="bold"))
    for line in lines[:most]:
        print_wrapped(out, "· ", line)
    if len(lines) > most:
        print_wrapped(out, "· ", f"and {len(lines) - most} more (--json)")


def show_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], empty: str) -> None:
    """Print rows under their column names, or the line `empty` when there are none."""
    out = console()
    if not rows:
        out.print(empty)
        return
    # A pipe has no width: a program that reads a table wants whole lines.
    if not sys.stdout.isatty():
        out.width = WIDE
    # Numbers stand at the right, with what is missing among them.
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for i, column in enumerate(columns):
        numeric = all(row[i] is None or isinstance(row[i], int | float) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(plain_text, row))
    out.print(table)


def plain_text(value: Any) -> Text:
    """A value as it is: square brackets in the database are no markup."""
    return Text(cell(value))


def cell(value: Any) -> str:
    """A value as a person reads it: four digits, a dash for nothing."""
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def number(value: float | None) -> str:
    """A number with two digits, a dash for nothing."""
    return "–" if value is None else f"{value:.2g}"
