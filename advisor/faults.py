"""Whose fault an exception is: the machine's, or that of the code that raised it."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

from advisor.errors import DataError, MachineError, explain, one_line, text_of

_NAMES = (
    "ENOSPC",  # the disk is full
    "EDQUOT",  # the user's share of it is
    "EFBIG",  # the file may not grow
    "EROFS",  # the disk is read-only
    "EMFILE",  # this process has too many files open
    "ENFILE",  # all processes have
    "EIO",  # the disk is broken
    "EREMOTEIO",
    "ESTALE",  # the file server has changed
    "ENODEV",  # the device is gone
    "ENOTCONN",
)
REFUSALS = frozenset(getattr(errno, name) for name in _NAMES if hasattr(errno, name))
"""Errors of the system for which neither a model nor a technique is to blame."""
REFUSED_TEXTS = (
    "No space left on device",
    "Disk quota exceeded",
    "File too large",
    "Read-only file system",
    "Too many open files",
    "Input/output error",
    "Stale file handle",
    "disk is full",
    "PytorchStreamWriter failed",
    "inline_container.cc",
    "file write failed",
)
"""What such errors say where a library has made errors of its own kind of them."""
MEMORY_TEXTS = ("can't allocate memory", "Cannot allocate memory", "out of memory")
"""What libraries say where there is no memory left."""


def causes_of(problem: BaseException) -> Iterator[BaseException]:
    """An exception, and all that it was raised for or during, each once."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [problem]
    while waiting:
        each = waiting.pop(0)
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            yield each
            waiting += [each.__cause__, each.__context__]


def machine_fault(problem: BaseException) -> str:
    """What the machine refused, in a sentence; empty where an exception is not for its sake."""
    for each in causes_of(problem):
        if isinstance(each, (MachineError, DataError)):
            return one_line(text_of(each))
        if is_refusal(each):
            return explain(each)
    is_missing = any(isinstance(each, FileNotFoundError) for each in causes_of(problem))
    if is_missing and working_folder_is_gone():
        return f"the folder in which the command was started is gone ({explain(problem)})"
    return ""


def is_refusal(problem: BaseException) -> bool:
    """Whether an exception by itself says that the machine refused something."""
    if isinstance(problem, OSError) and problem.errno is not None:
        return problem.errno in REFUSALS
    text = text_of(problem)
    return isinstance(problem, Exception) and any(words in text for words in REFUSED_TEXTS)


def working_folder_is_gone() -> bool:
    """Whether the folder that this process works in was removed."""
    try:
        Path.cwd()
    except OSError:
        return True
    return False


def is_out_of_memory(problem: BaseException) -> bool:
    """Whether an exception, or what it was raised for, says that there is no memory left."""
    return any(_is_without_memory(each) for each in causes_of(problem))


def _is_without_memory(problem: BaseException) -> bool:
    if isinstance(problem, MemoryError):
        return True
    if isinstance(problem, OSError) and problem.errno == errno.ENOMEM:
        return True
    # Torch has a class of its own, which is not imported here; older errors only say it.
    if type(problem).__name__ == "OutOfMemoryError":
        return True
    is_of_torch = isinstance(problem, RuntimeError)
    return is_of_torch and any(words in text_of(problem) for words in MEMORY_TEXTS)
