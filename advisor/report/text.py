"""Text in a terminal of 80 columns, and in a pipe."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import (
    Console,
    ConsoleOptions,
    ConsoleRenderable,
    JustifyMethod,
    RenderHook,
    RenderResult,
)
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from advisor.errors import visible
from advisor.report.plain_table import WIDE
from advisor.report.plain_table import cell as cell
from advisor.streams import answer_stream

NARROWEST = 20
"""Columns that wrapped text keeps, however long its beginning is."""
MOST = 5
"""Lines of a section that are shown; --json has them all."""


def console(stderr: bool = False) -> Console:
    """A console as wide as the terminal, or 80 columns where there is none.

    `COLUMNS` in the environment overrules both.
    """
    stream = sys.stderr if stderr else answer_stream()
    is_known = stream.isatty() or "COLUMNS" in os.environ
    width = shutil.get_terminal_size((80, 24)).columns if is_known else 80
    out = Console(
        file=stream, width=width, highlight=False, emoji=False, soft_wrap=False, markup=False
    )
    out.push_render_hook(VisibleHook())
    return out


class VisibleHook(RenderHook):
    """Lets a console print only letters that a terminal shows, but for its own colours."""

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """What is printed instead."""
        return [VisibleLines(each) for each in renderables]


@dataclass(frozen=True)
class VisibleLines:
    """What rich prints, in letters that a terminal shows."""

    inner: ConsoleRenderable

    def __rich_console__(self, out: Console, options: ConsoleOptions) -> RenderResult:
        """The parts of the lines."""
        for part in out.render(self.inner, options):
            # A part that moves the cursor is rich's own.
            yield part if part.control else Segment(visible(part.text), part.style)


def print_wrapped(out: Console, head: str, line: str, indent: int = 2) -> None:
    """Print a line after `head`, wrapped under its own beginning.

    Nothing is padded, so that a pipe gets no blanks at the ends of lines.

    Arguments:
        out: where it is printed.
        head: what stands before the line, in bold.
        line: the text.
        indent: columns before the head.
    """
    # A word that is longer than a line, such as a path, is not cut.
    before = indent + len(head)
    width = max(NARROWEST, out.width - before)
    first, *rest = textwrap.wrap(visible(line), width, break_long_words=False) or [""]
    text = Text.assemble(" " * indent, (head, "bold"), first)
    out.print(text, soft_wrap=True)
    for more in rest:
        text = Text(" " * before + more)
        out.print(text, soft_wrap=True)


def print_section(out: Console, title: str, lines: Sequence[str], most: int = MOST) -> None:
    """Print a title and its lines; nothing where there are none.

    Arguments:
        out: where they are printed.
        title: of the section.
        lines: what the section says.
        most: how many of the lines are printed; the others are counted.
    """
    if not lines:
        return
    out.print(Text(f"\n{title}", style="bold"))
    for line in lines[:most]:
        print_wrapped(out, "· ", line)
    # What is left out is in the JSON.
    left_out = len(lines) - most
    if left_out > 0:
        print_wrapped(out, "· ", f"and {left_out} more (--json)")


def show_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], empty: str) -> None:
    """Print rows under their column names.

    Arguments:
        columns: the names.
        rows: as many values a row as there are names.
        empty: the line that is printed where there are no rows.
    """
    out = console()
    if not rows:
        out.print(empty)
        return
    # A pipe has no width: a program that reads a table wants whole lines.
    if not out.file.isatty():
        out.width = WIDE
    # Numbers stand at the right, with what is missing among them.
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for i, column in enumerate(columns):
        is_numeric = all(row[i] is None or isinstance(row[i], int | float) for row in rows)
        side: JustifyMethod = "right" if is_numeric else "left"
        table.add_column(plain_text(column), justify=side, overflow="fold")
    for row in rows:
        cells = [plain_text(value) for value in row]
        table.add_row(*cells)
    out.print(table)


def plain_text(value: Any) -> Text:
    """A value as it can be shown: square brackets in the database are no markup."""
    return Text(visible(cell(value)))


def number(value: float | None) -> str:
    """A number with two digits, a dash for nothing."""
    if value is None:
        return "–"
    return f"{value:.2g}"
