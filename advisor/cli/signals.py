"""The signals that ask a command to end: Ctrl-C, and those of shells, schedulers and services."""

from __future__ import annotations

import _thread
import atexit
import gc
import io
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

from advisor.errors import AdvisorError

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
"""The signals, as Python names them; there is no SIGHUP on Windows."""
GRACE_SECONDS = 9.0
"""How long a command may take to end by itself; services and containers wait for ten seconds."""
AGAIN_SECONDS = 0.05
"""After so long an interrupt is tried again that came where Python lets none out."""


class Signals:
    """Turns the first of these signals into a `KeyboardInterrupt`, and lets no further one disturb
    the end.

    By the exception workers are ended and the database is closed. A process that does not come to
    it, as inside a long operation of a library, is ended here: what is written is whole at any
    moment.

    Attributes:
        received: the number of the signal; None where none came.
    """

    def __init__(self, last_words: Callable[[int], str]) -> None:
        self.received: int | None = None
        self._last_words = last_words
        self._before: dict[int, Any] = {}  # handlers
        self._masks: dict[int, set[signal.Signals | int]] = {}
        self._is_over = False
        self._tell_ignored = sys.unraisablehook

    def install(self) -> None:
        """Begin. A signal that is ignored, as under nohup, stays ignored."""
        if threading.current_thread() is not threading.main_thread():
            return
        for name in NAMES:
            if hasattr(signal, name):
                number = int(getattr(signal, name))
                before = signal.getsignal(number)
                if before in (signal.SIG_DFL, signal.default_int_handler):
                    self._before[number] = before
        if hasattr(os, "register_at_fork"):
            self._watch()
        for number in self._before:
            signal.signal(number, self._interrupt)
        self._tell_ignored, sys.unraisablehook = sys.unraisablehook, self._ignored

    def note_end(self) -> None:
        """Note that the command is over: signals are not for it any more."""
        self._is_over = True

    def end(self, code: int) -> NoReturn:
        """End the process, when all is said."""
        self._is_over = True
        if self.received is None:
            sys.exit(code)
        # A connection that the signal has caught in the middle of a call is closed with what holds
        # it, so that nothing is left beside the database.
        gc.collect()
        # A second signal would not be ours any more while all that is imported is taken down.
        leave(code)

    def _interrupt(self, number: int, _: object) -> None:
        if self.received is None and not self._is_over:
            self.received = number
            raise KeyboardInterrupt

    def _ignored(self, ignored: sys.UnraisableHookArgs) -> None:
        """Interrupt again where Python has let the exception fall, as in what runs while it looks
        for garbage: the command would go on and be ended in the middle.
        """
        is_ours = isinstance(ignored.exc_value, KeyboardInterrupt) and not self._is_over
        number = self.received
        if not is_ours or number is None:
            self._tell_ignored(ignored)
            return
        self.received = None
        again = threading.Timer(AGAIN_SECONDS, raise_in_main_thread, (number,))
        again.daemon = True
        again.start()

    def _watch(self) -> None:
        """Begin to see signals also while Python's own handlers have to wait."""
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        threading.Thread(target=self._end_late, args=(reader,), daemon=True).start()
        # A process that is forked off has signals of its own, from its first moment on.
        os.register_at_fork(
            before=self._hold, after_in_parent=self._release, after_in_child=self._let_go
        )

    def _hold(self) -> None:
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, self._before)
        self._masks[threading.get_ident()] = mask

    def _release(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._masks.pop(threading.get_ident()))

    def _let_go(self) -> None:
        signal.set_wakeup_fd(-1)
        for number, before in self._before.items():
            signal.signal(number, before)
        self._release()

    def _end_late(self, reader: int) -> None:
        """End the process some time after a signal."""
        # The signals themselves are for the main thread.
        signal.pthread_sigmask(signal.SIG_BLOCK, self._before)
        number = 0
        while number not in self._before:
            number = os.read(reader, 1)[0]
        time.sleep(GRACE_SECONDS)
        self._end_now(number)

    def _end_now(self, number: int) -> None:
        from multiprocessing import active_children

        for child in active_children():
            child.kill()
        if not self._is_over:
            os.write(2, self._last_words(number).encode())
        os._exit(128 + number)


def leave(code: int) -> NoReturn:
    """End this process without taking down all that is imported, which takes a second or more."""
    atexit._run_exitfuncs()
    for stream in filter(None, (sys.stdout, sys.stderr)):
        with suppress(OSError, ValueError, AdvisorError):  # nobody may read it any more
            stream.flush()
    os._exit(code)


def leave_when_all_ended(code: int) -> NoReturn:
    """The same, once threads have ended that a program waits for, and files are written that the
    user's code has left open.
    """
    for thread in threading.enumerate():
        if not thread.daemon and thread is not threading.current_thread():
            thread.join()
    give_back_shared()
    for each in gc.get_objects():
        # Some objects do things when they are asked for their class.
        if issubclass(type(each), io.TextIOWrapper | io.BufferedWriter | io.BufferedRandom):
            with suppress(OSError, ValueError):  # it is closed, or nobody reads it any more
                each.flush()
    leave(code)


def give_back_shared() -> None:
    """Give back what the user's code shares with processes, such as the lock of a progress bar:
    Python warns of what is left.
    """
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        util._run_finalizers(0)


def raise_in_main_thread(number: int) -> None:
    """Send a signal to the main thread, which wakes up where it sleeps or waits."""
    main = threading.main_thread().ident
    if hasattr(signal, "pthread_kill") and main is not None:
        signal.pthread_kill(main, number)
    else:
        _thread.interrupt_main(signal.Signals(number))
