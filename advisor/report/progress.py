"""Progress while a study runs, on stderr: a live line in a terminal, plain lines in a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from advisor.search.search import Event, Listener

TITLES = {
    "pilot": "pilot",
    "open": "each technique alone",
    "join": "techniques in pairs",
    "fair": "as many trials for each technique",
    "explore": "combinations",
    "tune": "learning rates of the leaders",
    "confirm": "fresh seeds",
    "test": "held-out test",
}
"""What each stage is called on the screen."""
OWN_BAR = ("pilot", "confirm", "test")
"""Stages that have a bar of their own; those of the search share one."""
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
        TextColumn("{task.fields[text]}"),
    )
    with Progress(*columns, console=Console(stderr=True, highlight=False)) as bars:
        tasks: dict[str, TaskID] = {}

        def show(event: Event) -> None:
            title = TITLES.get(event.stage, event.stage)
            group = event.stage if event.stage in OWN_BAR else "search"
            if group not in tasks:
                tasks[group] = bars.add_task(title, total=event.total, text="")
            text = escape(event.text)[: max(0, bars.console.width - OTHER_COLUMNS)]
            bars.update(
                tasks[group], completed=event.done, total=event.total, description=title, text=text
            )

        yield show


def _plain_lines() -> Listener:
    last: dict[str, float] = {}

    def show(event: Event) -> None:
        # The last event of a stage is always shown, the others now and then.
        title = TITLES.get(event.stage, event.stage)
        now = time.monotonic()
        is_soon = title in last and now - last[title] < EVERY
        if is_soon and event.done < event.total:
            return
        last[title] = now
        text = f": {event.text}" if event.text else ""
        line = f"{title} {event.done}/{event.total}{text}"
        print(line, file=sys.stderr, flush=True)  # noqa: T201  # this is what it is for

    return show
