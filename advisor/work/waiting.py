"""Long waits for code of the user's are told, with the line that it is in."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from advisor.user_code import place_of

WAIT_SECONDS = 30.0
"""A wait that is longer is told, and again when it has lasted twice as long."""

Waiting = Callable[[str], None]
"""What is called with a sentence about a wait."""


def sentence(seconds: float, what: str, place: str | None) -> str:
    """`waiting 40 s: trial 7 in Net.forward, net.py:12`."""
    where = f" in {place}" if place else ""
    if place is None:
        where = " in a library that holds Python up"
    return f"waiting {seconds:.0f} s: {what}{where}"


@contextmanager
def long_waits_told(on_wait: Waiting, what: str) -> Iterator[None]:
    """Call `on_wait` now and then, from another thread, with where this one is in the block."""
    # The frame of the `with`, beyond that of `contextlib`.
    thread, outer = threading.get_ident(), sys._getframe(2)
    over, began = threading.Event(), time.monotonic()

    def watch() -> None:
        """Look at the thread until the block is over."""
        pause = WAIT_SECONDS
        while not over.wait(pause):
            place = place_of(sys._current_frames().get(thread), outer)
            pause = time.monotonic() - began
            on_wait(sentence(pause, what, place))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
