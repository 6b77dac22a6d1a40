"""Inside a worker process: it does one task after the other, and is gone with its coordinator."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import gc
import os
import pickle
import signal
import sys
import threading
from enum import Enum, auto
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from typing import Any, NoReturn

from advisor.errors import explain
from advisor.streams import print_to_stderr
from advisor.user_code import place_of
from advisor.work.kept_memory import keep_freed_memory
from advisor.work.threads import one_thread

PR_SET_PDEATHSIG = 1
"""The number by which Linux is asked for a signal when the parent process ends."""


class Told(Enum):
    """What a worker tells its coordinator about a task."""

    TAKEN = auto()
    """It has the task."""
    BEGUN = auto()
    """The study is open, and the training begins."""
    DONE = auto()
    """What the task returned follows."""
    RAISED = auto()
    """The exception follows."""


_tasks: list[Connection] = []
"""In a worker, its end of the pipe of tasks; empty in other processes."""
_devices: list[str] = []
"""In a worker that has a device of its own, the name of that; empty in other processes."""


def serve(
    tasks: Connection, watch: Connection, last_words: Connection, path: list[str], device: str
) -> None:
    """Do what comes over the pipe of tasks, until its other end is closed.

    Arguments:
        tasks: brings tasks, takes what becomes of them.
        watch: brings questions where this process is; it is closed when the coordinator is gone.
        last_words: takes the place where this process ends by itself or by a fault.
        path: the coordinator's import path.
        device: on which this process computes whatever its tasks say; empty where they say it.
    """
    # What the server imported stays, and is not looked at for garbage: that would copy its memory.
    gc.freeze()
    gc.enable()
    sys.path[:] = path
    _tasks.append(tasks)
    _devices[:] = [device] if device else []
    one_thread()
    keep_freed_memory()
    hear_no_interrupts()
    say_last_words(last_words)
    end_with_coordinator(watch)
    # What user code prints must not get into the answer on the coordinator's stdout.
    sys.stdout = print_to_stderr()

    # The pipe breaks when the coordinator stops this worker, or is gone.
    with contextlib.suppress(EOFError, OSError):
        while True:
            task = tasks.recv_bytes()
            tasks.send_bytes(pickle.dumps((Told.TAKEN, None)))
            tasks.send_bytes(answer_to(task))


def answer_to(task: bytes) -> bytes:
    """Do a pickled task, and pickle what it returned or raised."""
    try:
        function, arguments = pickle.loads(task)  # noqa: S301  # of the own coordinator
        return pickle.dumps((Told.DONE, function(*arguments)))
    except BaseException as problem:  # a worker outlives whatever user code raises
        return pickle.dumps((Told.RAISED, portable(problem)))


def portable(problem: BaseException) -> BaseException:
    """An exception as another process can read it, in words where that is all."""
    try:
        pickle.loads(pickle.dumps(problem))  # noqa: S301  # was pickled just now
    except Exception:  # anybody's exception, which need not be made for this
        return RuntimeError(explain(problem))
    return problem


def tell_begun() -> None:
    """Tell the coordinator that a training begins now; elsewhere this does nothing."""
    for tasks in _tasks:
        tasks.send_bytes(pickle.dumps((Told.BEGUN, None)))


def own_device() -> str:
    """The device on which this process computes whatever its tasks say; empty where they say it."""
    return _devices[0] if _devices else ""


# --- how it ends --------------------------------------------------------------------------------


def hear_no_interrupts() -> None:
    """Leave it to the coordinator what Ctrl-C and the end of the terminal do."""
    for name in ("SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


def say_last_words(last_words: Connection) -> None:
    """Write where this process is when it ends by `os._exit` or by a fault such as a segfault."""
    if sys.platform == "win32":
        return
    # Nobody reads before the end, so a pipe that is full must not stop anything.
    os.set_blocking(last_words.fileno(), False)
    faulthandler.enable(last_words.fileno(), all_threads=False)
    exit_now, pid = os._exit, os.getpid()

    def exit_with_words(status: int) -> NoReturn:
        """Write the place of the call before the process ends; what it has forked says nothing."""
        if os.getpid() == pid:
            place = place_of(sys._getframe(1))
            with contextlib.suppress(OSError):
                os.write(last_words.fileno(), f"os._exit in {place}".encode())
        exit_now(status)

    os._exit = exit_with_words


def end_with_coordinator(watch: Connection) -> None:
    """End this process when the coordinator is gone, however it went and whatever runs here."""
    if sys.platform == "linux":
        # The server that forks workers ends when nobody holds this pipe any more. Then Linux kills
        # its children, also one that is deep in a library and runs no thread of Python.
        server: Any = forkserver._forkserver
        if server._forkserver_alive_fd is not None:
            os.close(server._forkserver_alive_fd)
            server._forkserver_alive_fd = None
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    arguments = (watch, threading.get_ident())
    threading.Thread(target=say_where, args=arguments, daemon=True).start()


def say_where(watch: Connection, thread: int) -> None:
    """Answer each question with the line that a thread is in, until the coordinator is gone."""
    with contextlib.suppress(EOFError, OSError):
        while watch.recv_bytes():
            watch.send_bytes(place_of(sys._current_frames().get(thread)).encode())
    os._exit(1)
