"""A worker as its coordinator sees it: a process that does one task at a time, and may die."""

from __future__ import annotations

import os
import pickle
import re
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import wait
from typing import Any

from advisor.user_code import is_users, named
from advisor.work.processes import exit_code, forget_process, start_process
from advisor.work.worker import Told, serve

OUTSIDE = frozenset({"SIGKILL", "SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT", "SIGXCPU"})
"""Signals by which the system, or a person, ends a process. All others are a fault in it."""
SERVER_GONE = 255
"""Exit code of a process whose end nobody saw, because what had started it has ended as well."""
ANSWER_SECONDS = 1.0
"""How long a worker is given to say where it is; it cannot while a library holds Python's lock."""
ORDER_SECONDS = 1.0
"""How long a process may take to end by itself, with what its code has shared given back."""
END_SECONDS = 5.0
"""How long a process is given to end that was asked to."""
FRAME = re.compile(r'File "(.+)", line (\d+) in (.+)')
"""A line of what Python writes when a process ends by a fault."""


class WorkerDied(Exception):  # noqa: N818  # not an error of the program's: a thing that happens
    """A worker process has ended over its task. The text says how, and where if that is known.

    Attributes:
        from_outside: whether the system, or a person, may have ended it; it may have lacked memory.
    """

    def __init__(self, how: str, from_outside: bool) -> None:
        super().__init__(how)
        self.from_outside = from_outside


class NotTaken(Exception):  # noqa: N818  # as above
    """A worker process has ended before it had its task, which is not the task's doing."""


class WorkerProcess:
    """One process with pipes of its own, so that its death cannot hold up another one.

    One thread at a time calls `do`; others may call `where` and `kill` meanwhile. Raises
    `MachineError` where the system lets no process be started.

    Arguments:
        device: on which it computes; empty where its tasks say that.
    """

    def __init__(self, device: str = "") -> None:
        # Of each pipe the other end is given to the process.
        self._tasks, its_tasks = Pipe()
        self._watch, its_watch = Pipe()
        self._last_words, its_last_words = Pipe(duplex=False)
        self._ends_by = 0.0  # set when it is let go
        theirs = (its_tasks, its_watch, its_last_words)
        try:
            self._process = start_process(serve, *theirs, list(sys.path), device)
        except BaseException:
            self._close_pipes()
            raise
        finally:
            for end in theirs:
                end.close()

    @property
    def pid(self) -> int | None:
        """The number of the process."""
        return self._process.pid

    def do(self, task: bytes, begun: Callable[[], None]) -> Any:
        """Do a pickled task, and return what it returns or raise what it raises.

        `begun` is called when the task says that the training begins. Raises `WorkerDied` where
        the process ends over the task, and `NotTaken` where it ends before.
        """
        try:
            self._tasks.send_bytes(task)
        except OSError:
            raise NotTaken(str(self._death())) from None
        was_taken = False
        while True:
            # What a worker told before it died is still in the pipe.
            wait([self._tasks, self._process.sentinel])
            try:
                told, what = self._read() if self._tasks.poll() else (None, None)
            except (EOFError, OSError):
                told = None
            if told is None:
                death = self._death()
                raise death if was_taken else NotTaken(str(death))
            if told is Told.TAKEN:
                was_taken = True
            elif told is Told.BEGUN:
                begun()
            elif told is Told.RAISED and isinstance(what, BaseException):
                raise what
            else:
                return what

    def where(self) -> str | None:
        """The line that the process is in; None where it does not say."""
        with suppress(EOFError, OSError):
            # An answer that came too late is not that of this question.
            while self._watch.poll():
                self._watch.recv_bytes()
            self._watch.send_bytes(b"where?")
            if self._watch.poll(ANSWER_SECONDS):
                return self._watch.recv_bytes().decode()
        return None

    def kill(self) -> None:
        """End the process at once, whatever it does."""
        with suppress(ValueError):  # it has ended, and was given back
            if exit_code(self._process) is None:
                self._process.kill()

    def let_go(self) -> None:
        """Give the process, which is not busy, no task any more: it ends in order, by itself."""
        self._tasks.close()
        self._ends_by = time.monotonic() + ORDER_SECONDS

    def stop(self) -> None:
        """Let the process end, which is not busy, and give back what it holds here."""
        if not self._tasks.closed:
            self.let_go()
        # Where threads of user code hold it up, the other pipes say that its coordinator is gone,
        # by which it ends at once.
        wait([self._process.sentinel], max(0.0, self._ends_by - time.monotonic()))
        self._close_pipes()
        if not wait([self._process.sentinel], END_SECONDS):
            self.kill()
            wait([self._process.sentinel], END_SECONDS)
        forget_process(self._process)

    def _read(self) -> tuple[Told, Any]:
        told: tuple[Told, Any] = pickle.loads(self._tasks.recv_bytes())  # noqa: S301  # own worker
        return told

    def _death(self) -> WorkerDied:
        """How the process ended."""
        # One that has closed its pipes and goes on is of no use.
        if not wait([self._process.sentinel], END_SECONDS):
            self.kill()
            return WorkerDied("it closed its connections", from_outside=False)
        code, words = exit_code(self._process), self._read_last_words()
        if code is not None and code < 0:
            name = signal_name(-code)
            memory = " (out of memory, or from outside)" if name == "SIGKILL" else ""
            how = f"killed by {name}{memory}{fault_place(words)}"
            return WorkerDied(how, from_outside=name in OUTSIDE)
        if words:
            return WorkerDied(f"exit code {code}: {words}", from_outside=False)
        return WorkerDied(f"exit code {code}", from_outside=code in (SERVER_GONE, None))

    def _read_last_words(self) -> str:
        """What the process wrote when it ended."""
        if sys.platform == "win32":
            return ""
        with self._last_words as pipe:
            os.set_blocking(pipe.fileno(), False)
            try:
                return os.read(pipe.fileno(), 2**16).decode(errors="replace")
            except OSError:
                return ""

    def _close_pipes(self) -> None:
        for pipe in (self._tasks, self._watch, self._last_words):
            pipe.close()


def signal_name(number: int) -> str:
    """`SIGKILL` for 9."""
    try:
        return signal.Signals(number).name
    except ValueError:  # one of those that have no name
        return f"signal {number}"


def fault_place(words: str) -> str:
    """` in forward, net.py:12` from what Python wrote at a fault, or the empty text."""
    for file, line, function in FRAME.findall(words):
        if is_users(file):
            return f" in {named(function, file, int(line))}"
    return ""
