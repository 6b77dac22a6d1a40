"""Standard output belongs to the answer; whatever else is printed goes to standard error.

That holds for what models, plugins and libraries print, also below Python.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TextIO

from advisor.errors import OBEYED, MachineError, explain, visible

CLOSED = (
    "Standard output is closed, so that nothing can be answered. "
    "Leave it open, or send it to a file: > FILE."
)
"""What is said where there is no standard output."""


class AnswerLost(MachineError):  # noqa: N818  # not an error of the program's: a thing that happens
    """Standard output does not take the answer."""


class ReaderGone(AnswerLost):
    """The program that reads the answer has ended, which is no error: it has read enough."""


class AnswerFile(io.FileIO):
    """Standard output. What it does not take is raised once, and from then on all is dropped."""

    is_lost = False

    def write(self, data: Any, /) -> int:
        """Write bytes.

        Raises `ReaderGone` where nobody reads them, and `AnswerLost` where the disk is full or the
        stream is not open for writing.
        """
        if self.is_lost:
            return len(data)
        try:
            return super().write(data)
        except OSError as problem:
            self.is_lost = True
            if problem.errno == errno.EPIPE:
                raise ReaderGone("Nobody reads standard output any more.") from problem
            raise AnswerLost(
                f"The answer cannot be written to standard output ({explain(problem)}). "
                "Make room there, or send it to another file."
            ) from problem


class PrintedFile(io.FileIO):
    """Standard error. What it does not take is dropped, because no study may end for that."""

    def write(self, data: Any, /) -> int:
        """Write bytes, where that is possible."""
        try:
            return super().write(data)
        except OSError:
            return len(data)


@dataclass
class Streams:
    """The streams of this process.

    Attributes:
        answer: where the answer goes; None for `sys.stdout`.
        printed: where else goes what is printed; None for `sys.stderr`.
    """

    answer: TextIO | None = None
    printed: TextIO | None = None


_STREAMS = Streams()


def separate_answer() -> None:
    """Keep standard output for the answer alone, from now on and in all that this process starts.

    Nothing happens where somebody else has put a stream in the place of standard output.

    Raises:
        MachineError: standard output is closed.
    """
    if sys.stdout is not sys.__stdout__:
        return
    if sys.stdout is None:
        raise MachineError(CLOSED)
    encoding, errors = sys.stdout.encoding, sys.stdout.errors
    answer = os.dup(1)
    # Letters that an encoding does not have are no reason to lose the answer.
    errors = "backslashreplace" if errors == "strict" else errors
    sys.stdout = text_stream(AnswerFile(answer, "w", closefd=False), encoding, errors)
    _STREAMS.printed = print_to_stderr()


def open_missing_streams() -> None:
    """Open the null device in place of each standard stream that is closed.

    What is opened later must not get the number of one.
    """
    number = os.open(os.devnull, os.O_RDWR)
    while number <= 2:
        os.set_inheritable(number, True)
        number = os.open(os.devnull, os.O_RDWR)
    os.close(number)
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115  # for the whole life of the process


def print_to_stderr() -> TextIO:
    """Send to standard error what anything writes to standard output by its number.

    Returns a stream for what Python prints. Neither it nor `sys.stderr` raises from here on.
    """
    os.dup2(2, 1)
    encoding = sys.stderr.encoding if sys.stderr is not None else "utf-8"
    errors = "backslashreplace"
    sys.stderr = text_stream(PrintedFile(2, "w", closefd=False), encoding, errors, by_line=True)
    return text_stream(PrintedFile(1, "w", closefd=False), encoding, errors, by_line=True)


def text_stream(
    file: io.FileIO, encoding: str, errors: str | None, *, by_line: bool = False
) -> TextIO:
    """A text stream that writes to a file, after each line in a terminal or with `by_line`."""
    is_by_line = by_line or file.isatty()
    buffer = io.BufferedWriter(file)
    return io.TextIOWrapper(buffer, encoding=encoding, errors=errors, line_buffering=is_by_line)


@contextmanager
def answer_apart() -> Iterator[None]:
    """Let what is printed in the block go to standard error; the answer goes where it went."""
    before, outer = sys.stdout, _STREAMS.answer
    _STREAMS.answer = answer_stream()
    sys.stdout = _STREAMS.printed or sys.stderr
    try:
        yield
    finally:
        sys.stdout, _STREAMS.answer = before, outer


def answer_stream() -> TextIO:
    """Where the answer is printed."""
    return _STREAMS.answer or sys.stdout


def say(text: str) -> None:
    """Print a text of the answer, in letters that a terminal shows."""
    answer_stream().write(visible(text) + "\n")


def tell(text: str) -> None:
    """Print a text beside the answer, on standard error."""
    sys.stderr.write(visible(text) + "\n")
    sys.stderr.flush()


def say_exactly(text: str) -> None:
    """Print a text that a program reads, such as a diff: as it is, but in a terminal."""
    stream = answer_stream()
    stream.write(visible(text) if stream.isatty() else text)


def say_json(text: str) -> None:
    """Print JSON, in which letters that a terminal obeys are written as JSON escapes them.

    The values stay what they are.
    """
    # Outside its strings JSON has no such letter.
    answer_stream().write(OBEYED.sub(lambda found: f"\\u{ord(found.group()):04x}", text) + "\n")
