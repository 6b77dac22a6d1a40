"""Progress while a study runs, on stderr: a live line in a terminal, plain lines in a pipe."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from advisor.errors import visible
from advisor.events import NOTE, OPENED, VERDICT, Event, Listener
from advisor.report.text import console

TITLES = {
    "pilot": "pilot",
    "open": "each technique alone",
    "join": "techniques in pairs",
    "fair": "as many trials for each technique",
    "whole": "a training to its end for each technique that was cut",
    "explore": "combinations",
    "tune": "learning rates of the leaders",
    "confirm": "fresh seeds",
}
"""What each stage is called on the screen."""
OWN_BAR = ("pilot", "confirm")
"""Stages that have a bar of their own; those of the search share one."""
SHOWN_OTHERWISE = (OPENED, VERDICT)
"""Stages of which a command shows more than a line."""
EVERY = 5.0
"""Seconds between plain lines."""
BAR_COLUMNS = 20
"""Columns of a bar."""
OTHER_COLUMNS = 70
"""Columns of the live line without its text: title, bar, count and time."""


@contextmanager
def progress(quiet: bool) -> Iterator[Listener]:
    """A listener that shows events while the block runs; with `quiet` it shows nothing."""
    if quiet:
        yield lambda event: None
    elif sys.stderr.isatty():
        with _live_line() as listener:
            yield listener
    else:
        yield _plain_lines()


@contextmanager
def _live_line() -> Iterator[Listener]:
    columns = (
        TextColumn("[bold]{task.description:<30}"),
        BarColumn(BAR_COLUMNS),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[text]}", markup=False),
    )
    with Progress(*columns, console=console(stderr=True)) as bars:
        tasks: dict[str, TaskID] = {}

        def show(event: Event) -> None:
            """Move the bar of the event's stage."""
            if event.stage in SHOWN_OTHERWISE:
                return
            if event.stage == NOTE:
                bars.console.print(f"note: {event.text}", soft_wrap=True)
                return
            title = TITLES.get(event.stage, event.stage)
            group = event.stage if event.stage in OWN_BAR else "search"
            # A bar appears with the first event of its stage.
            if group not in tasks:
                tasks[group] = bars.add_task(title, total=event.total, text="")
            # The line must not wrap: the bar would be drawn again below.
            text = visible(event.text)[: max(0, bars.console.width - OTHER_COLUMNS)]
            bars.update(
                tasks[group], completed=event.done, total=event.total, description=title, text=text
            )

        yield show


def _plain_lines() -> Listener:
    last: dict[str, float] = {}

    def show(event: Event) -> None:
        """Print a line, unless there was one just now."""
        if event.stage in SHOWN_OTHERWISE:
            return
        if event.stage == NOTE:
            print(f"note: {visible(event.text)}", file=sys.stderr, flush=True)  # noqa: T201  # as below
            return
        # The last event of a stage is always shown, the others now and then.
        title, now = TITLES.get(event.stage, event.stage), time.monotonic()
        if event.done < event.total and now - last.get(title, -math.inf) < EVERY:
            return
        last[title] = now
        line = f"{title} {event.done}/{event.total}"
        if event.text:
            line += f": {visible(event.text)}"
        print(line, file=sys.stderr, flush=True)  # noqa: T201  # this is what it is for

    return show
