"""The first screen of an answer: what to do, by how much, how, and at which cost, in 16 lines."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.text import Text

from advisor.errors import visible
from advisor.readable import counted
from advisor.report.gain_words import GLUE
from advisor.report.study_words import CUT_MARK
from advisor.report.text import console
from advisor.verdict.records import Verdict

LINES = 16
"""Lines that a first screen has at most."""
WIDEST = 100
"""Columns that its sentences take at most, also on a wider screen."""
LABEL = 9
"""Columns that the name of a row takes, with two before it."""
CHANGE, APPLY, TRAIN, COST, ALSO = "change", "apply", "train", "cost", "also"
NEXT, MIND, MORE = "next", "mind", "more"
"""What the rows are called."""
TITLE_LINES, SENTENCE_LINES = 2, 6
"""Lines that title and sentence take at most."""
ROW_LINES = {CHANGE: 2, APPLY: 1, TRAIN: 1, COST: 2, ALSO: 1, NEXT: 2, MORE: 1}
"""Lines that each row of words takes at most. With title and sentence they are `LINES` at most: no
answer has both code and others beside it. Code and warnings have what is left.
"""
AGAIN = "the same command with --why"
"""The command that shows everything, where its name has no room."""
REMARK = "  # "
"""What a remark behind a line of code begins with."""
COLOR = {
    Verdict.CHANGE: "green",
    Verdict.KEEP: "cyan",
    Verdict.UNDECIDED: "yellow",
}
"""The colour of each verdict's headline."""


@dataclass(frozen=True)
class FirstScreen:
    """What is to be known of an answer first.

    Attributes:
        verdict: of the answer.
        title: the verdict in words.
        sentence: what to do, by how much, and how sure it is.
        change: what to change.
        code: lines of Python that apply it; empty where there are none.
        code_by: the command that prints them, for where they are too long.
        cost: what it costs.
        also: what else was compared; empty where nothing was.
        next: what would settle an open question; empty where none is open.
        warnings: the most important one first.
        more: the command that shows everything.
    """

    verdict: Verdict
    title: str
    sentence: str
    change: str
    code: Sequence[str]
    code_by: str
    cost: str
    also: str
    next: str
    warnings: Sequence[str]
    more: str

    @property
    def code_name(self) -> str:
        """What the code does: where nothing is changed, it trains the model as it is."""
        return APPLY if self.verdict is Verdict.CHANGE else TRAIN

    @property
    def rows(self) -> list[tuple[str, str]]:
        """The rows of words that are there, in their order."""
        rows = [(CHANGE, self.change), (COST, self.cost), (ALSO, self.also), (NEXT, self.next)]
        return [(name, text) for name, text in rows if text]


def print_first_screen(screen: FirstScreen) -> None:
    """Print a first screen as wide as the terminal, the title in the colour of its verdict."""
    out = console()
    title, *rest = lines_of_screen(screen, out.width)
    titles = [title]
    while rest and not rest[0].startswith(" "):
        titles.append(rest.pop(0))
    out.print(Text("\n".join(titles), style=f"bold {COLOR[screen.verdict]}"), soft_wrap=True)
    for line in rest:
        out.print(Text(line), soft_wrap=True)


def lines_of_screen(screen: FirstScreen, width: int) -> list[str]:
    """The lines of a first screen; code alone may be wider, where it cannot be wrapped."""
    prose = min(width, WIDEST)
    head = [
        *wrapped(screen.title, prose, "", TITLE_LINES),
        *wrapped(screen.sentence, prose, "  ", SENTENCE_LINES),
    ]
    parts = {name: row_lines(name, text, prose) for name, text in screen.rows}

    # Code has what the words leave, and warnings what the code leaves.
    left = LINES - len(head) - sum(map(len, parts.values())) - 1
    code = code_lines(screen, left, width)
    left -= taken(code, width)
    shown = warnings_in(screen.warnings, left, prose)
    more = more_lines(screen, shown.count, prose)
    change = parts.pop(CHANGE, [])
    rows = [line for part in parts.values() for line in part]
    return [*head, *change, *code, *rows, *shown.lines, *more]


def wrapped(text: str, width: int, indent: str, most: int) -> list[str]:
    """A text in at most so many lines, each of them indented; a mark stands where it was cut."""
    lines = textwrap.wrap(
        visible(text),
        width,
        initial_indent=indent,
        subsequent_indent=indent,
        max_lines=most,
        placeholder=f" {CUT_MARK}",
        break_on_hyphens=False,
    )
    return [line.replace(GLUE, " ") for line in lines]


def row_lines(name: str, text: str, width: int) -> list[str]:
    """The lines of a row: its name, and the text beside it."""
    most = ROW_LINES.get(name, LINES)
    lines = wrapped(text, width, " " * (LABEL + 1), most)
    return named(name, lines)


def named(name: str, lines: Sequence[str]) -> list[str]:
    """Lines that leave room for a name, with the name in the first of them."""
    if not lines:
        return []
    head = f"  {name}".ljust(LABEL + 1)
    return [head + lines[0][LABEL + 1 :], *lines[1:]]


def more_lines(screen: FirstScreen, shown: int, width: int) -> list[str]:
    """The line that says how many warnings are not shown, and which command shows everything."""
    hidden = len(screen.warnings) - shown
    count = counted(hidden, "more warning" if shown else "warning")
    before = f"{count}: " if hidden else ""
    # A command that is cut is none.
    whole = f"{before}{screen.more}"
    room = width - LABEL - 1
    return row_lines(MORE, whole if len(whole) <= room else f"{before}{AGAIN}", width)


def code_lines(screen: FirstScreen, most: int, width: int) -> list[str]:
    """The code; without its remarks, or the command that prints it, where there is no room."""
    room = most - bool(screen.warnings)
    for lines in (screen.code, without_remarks(screen.code)):
        indented = [" " * (LABEL + 1) + visible(line) for line in lines]
        if taken(indented, width) <= room:
            return named(screen.code_name, indented)
    return row_lines(screen.code_name, screen.code_by, width)


def without_remarks(code: Sequence[str]) -> list[str]:
    """Lines of Python without what stands behind the mark of a remark."""
    lines = [line.split(REMARK)[0].rstrip() for line in code]
    return [line for line in lines if line and not line.startswith(REMARK.strip())]


def taken(lines: Sequence[str], width: int) -> int:
    """How many lines of a screen some lines take that it wraps by itself."""
    return sum(max(1, math.ceil(len(line) / width)) for line in lines)


@dataclass(frozen=True)
class ShownWarnings:
    """The warnings that there is room for, as lines, and how many they are."""

    lines: list[str]
    count: int


def warnings_in(warnings: Sequence[str], most: int, width: int) -> ShownWarnings:
    """The first warnings that fit whole into so many lines."""
    lines: list[str] = []
    for count, block in enumerate(warning_blocks(warnings, width)):
        if len(lines) + len(block) > most:
            return ShownWarnings(lines, count)
        lines += block
    return ShownWarnings(lines, len(warnings))


def warning_blocks(warnings: Sequence[str], width: int) -> Iterator[list[str]]:
    """The lines of each warning, the first one beside the name of the row."""
    for place, warning in enumerate(warnings):
        yield row_lines("" if place else MIND, warning, width)
