"""Work on a database that can be stopped: by Ctrl-C, and when its time is over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")
"""What the work brings."""

GRACE_SECONDS = 1.0
"""How long stopped work may take to end; then it is left behind, and ends with the process."""
AGAIN_SECONDS = 0.02
"""How long after a stop the next one is tried: the first may come before there is what it stops."""


class TimeUpError(Exception):
    """The work was stopped, because its time was over."""


class StatementStop:
    """Stops the work that it is handed to.

    Attributes:
        cancel: what the work leaves here, to be called by another thread: it stops a statement.
    """

    def __init__(self) -> None:
        self.cancel: Callable[[], object] | None = None

    def until_ended(self, thread: threading.Thread) -> None:
        """Stop the work of a thread, and wait a moment for its end."""
        last = time.monotonic() + GRACE_SECONDS
        while thread.is_alive() and time.monotonic() < last:
            # A connection that is closed meanwhile cannot be stopped any more, and need not be.
            with suppress(Exception):
                if self.cancel is not None:
                    self.cancel()
            thread.join(AGAIN_SECONDS)


def run_stoppable(work: Callable[[StatementStop], T], seconds: float | None) -> T:
    """What some work brings that Ctrl-C stops at once, in whatever code of a driver it is.

    Arguments:
        work: the work; it may be left behind, so that it holds nothing which others need.
        seconds: how long it may take; None for as long as it takes.

    Raises:
        TimeUpError: the time was over.
    """
    # A driver may not come back to Python for long, where Ctrl-C would wait for it. A thread that
    # waits for another is interrupted.
    stop = StatementStop()
    future: Future[T] = Future()

    def do() -> None:
        """Do the work in a thread of its own."""
        try:
            future.set_result(work(stop))
        except BaseException as problem:  # `result` raises it again
            future.set_exception(problem)

    thread = threading.Thread(target=do, name="advisor query", daemon=True)
    thread.start()
    try:
        return future.result(seconds)
    except TimeoutError:
        if future.done():  # the work's own
            raise
        stop.until_ended(thread)
        raise TimeUpError from None
    except KeyboardInterrupt:
        stop.until_ended(thread)
        raise
