"""Progress while a study runs: a live line in a terminal, plain lines in a pipe. Always on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

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
EVERY = 5.0
"""Seconds between plain lines."""


@contextmanager
def progress(quiet: bool) -> Iterator[Listener]:
    """A listener that shows events while the block runs."""
    if quiet:
        yield lambda event: None
    elif sys.stderr.isatty():
        with _live() as listener:
            yield listener
    else:
        yield _lines()


@contextmanager
def _live() -> Iterator[Listener]:
    columns = (
        TextColumn("[bold]{task.description:<30}"),
        BarColumn(20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[text]}"),
    )
    with Progress(*columns, console=Console(stderr=True, highlight=False)) as bars:
        tasks = {}

        def on(event: Event) -> None:
            group = event.stage if event.stage in ("pilot", "confirm", "test") else "search"
            title = TITLES.get(event.stage, event.stage)
            if group not in tasks:
                tasks[group] = bars.add_task(title, total=event.total, text="")
            text = escape(event.text)[: max(0, bars.console.width - 70)]
            bars.update(
                tasks[group], completed=event.done, total=event.total, description=title, text=text
            )

        yield on


def _lines() -> Listener:
    last: dict[str, float] = {}

    def on(event: Event) -> None:
        title = TITLES.get(event.stage, event.stage)
        now = time.monotonic()
        if title in last and now - last[title] < EVERY and event.done < event.total:
            return
        last[title] = now
        text = f": {event.text}" if event.text else ""
        print(
            f"{title} {event.done}/{event.total}{text}", file=sys.stderr, flush=True
        )  # this is the report

    return on
