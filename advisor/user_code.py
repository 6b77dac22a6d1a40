"""Code of the user's, which may raise anything: told apart from what a person asks for.

`sys.exit()` in a model must not end a study, and Ctrl-C must.
"""

from __future__ import annotations

import signal
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, NoReturn

from advisor.errors import InputError, explain

SIGNALS = [
    getattr(signal, each) for each in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, each)
]
"""The signals that may interrupt a program; Windows has not all of them."""
Handler = Callable[[int, FrameType | None], Any]
"""What Python calls when a signal has come."""
LIBRARY = sysconfig.get_paths()["stdlib"]
"""The folder of Python's own library."""
INSTALLED = (LIBRARY, "site-packages", "dist-packages", "<frozen ", "<string>")
"""What the path of a file has in it that is not the user's: Python's library, packages, and
code that has no file.
"""
OURS = str(Path(__file__).parent)
"""The folder of advisor."""


class Interrupted(KeyboardInterrupt):
    """A person, or the system, asked the program to stop.

    What user code raises by itself is a plain `KeyboardInterrupt`.
    """


@contextmanager
def interrupts_told_apart() -> Iterator[None]:
    """Let Ctrl-C raise `Interrupted` while the block runs, and likewise what else interrupts."""
    # Python delivers signals to the main thread alone, and handlers are set there alone.
    before: dict[int, Handler] = {}
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            handler = signal.getsignal(number)
            if callable(handler):
                before[number] = handler
    for number, handler in before.items():
        signal.signal(number, partial(interrupt, handler))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def interrupt(handler: Handler, number: int, frame: FrameType | None) -> None:
    """Do what the program does at a signal, and raise `Interrupted` where it is interrupted."""
    try:
        handler(number, frame)
    except Interrupted:
        raise
    except KeyboardInterrupt:
        raise Interrupted from None


def user_faults() -> tuple[type[BaseException], ...]:
    """What is caught around user code: everything but `Interrupted`.

    For `except user_faults():`, where Python asks when something was raised.
    """
    ends_rightly = isinstance(sys.exception(), (Interrupted, GeneratorExit))
    return () if ends_rightly else (BaseException,)


@contextmanager
def kept_from_exiting() -> Iterator[None]:
    """Turn what user code in the block raises to end the program into an `InputError`.

    `SystemExit`, a `KeyboardInterrupt` that nobody typed, and whatever else is no `Exception`.
    """
    try:
        yield
    except Exception:
        raise
    except user_faults() as problem:
        refuse_exit(problem)


def refuse_exit(problem: BaseException) -> NoReturn:
    """Raise an `InputError` that says where user code wanted to end the program."""
    did = f"raised {explain(problem)}"
    if isinstance(problem, SystemExit):
        did = f"called sys.exit({'' if problem.code is None else repr(problem.code)})"
    place = place_in_traceback(problem.__traceback__) or "A part of the study"
    raise InputError(f"{place}, {did}, which ends the program; leave that out.") from problem


# --- places -------------------------------------------------------------------------------------


def is_users(file: str) -> bool:
    """Whether a file of Python code is neither advisor's nor installed."""
    return not file.startswith(OURS) and not any(part in file for part in INSTALLED)


def place_in_traceback(trace: TracebackType | None) -> str:
    """`Net.forward, net.py:12`: the last line of the user's that led to an exception, or `""`."""
    place = ""
    while trace is not None:
        code = trace.tb_frame.f_code
        if is_users(code.co_filename):
            place = named(code.co_qualname, code.co_filename, trace.tb_lineno)
        trace = trace.tb_next
    return place


def place_of(frame: FrameType | None, end: FrameType | None = None) -> str:
    """The line of the user's that a thread is in, else that of advisor's, else `""`.

    Arguments:
        frame: the innermost frame of the thread.
        end: where to stop looking; None for the outermost frame.
    """
    ours = ""
    while frame is not None and frame is not end:
        code = frame.f_code
        here = named(code.co_qualname, code.co_filename, frame.f_lineno)
        if is_users(code.co_filename):
            return here
        if not ours and code.co_filename.startswith(OURS):
            ours = here
        frame = frame.f_back
    return ours


def named(function: str, file: str, line: int) -> str:
    """`Net.forward, net.py:12`."""
    return f"{function.rpartition('<locals>.')[2]}, {Path(file).name}:{line}"
