"""What a listener is told of, beside the events of a search."""

from __future__ import annotations

from dataclasses import replace

from advisor.search.search import Event, Listener


class Reporter:
    """A listener that is also told of long waits, and shows them in the place of the last event.

    Arguments:
        on: called with every event; with that of a wait perhaps from another thread.
    """

    def __init__(self, on: Listener) -> None:
        self._on = on
        self._last = Event("opening", 0, 1)

    def __call__(self, event: Event) -> None:
        """Show an event."""
        self._last = event
        self._on(event)

    def wait(self, text: str) -> None:
        """Show a long wait."""
        self._on(replace(self._last, text=text))
