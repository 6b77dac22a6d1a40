"""What a value may be: rules by the name of a field, and how a message shows a value."""

from __future__ import annotations

import math
import numbers
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from advisor.errors import one_line

MOST_SHOWN = 80
"""Letters that a message shows of a value."""
LONGEST_NAME = 255
"""Letters of a name; file systems and databases have no room for more."""
LONGEST_FILE = 255
"""Bytes of a file's or folder's name, as most file systems have it."""
MOST_COUNTED = 2**31 - 1
"""The largest count; torch and databases have no room for more."""


MOST_WORKERS = 1024
"""Processes that may train at once; a machine has no room for more."""
MOST_STEPS = 10**6
"""Mini-batches that a diagnosis may train."""


@dataclass(frozen=True)
class Rule:
    """What one field may hold.

    Attributes:
        name: of the field.
        is_right: whether a value may stand there.
        wanted: what must stand there, as the rest of `it must be …`.
        is_optional: whether None may stand there, too.
    """

    name: str
    is_right: Callable[[object], bool]
    wanted: str
    is_optional: bool = True

    def allows(self, value: object) -> bool:
        """Whether a value may stand in the field."""
        return self.is_optional if value is None else self.is_right(value)


def broken(rules: Iterable[Rule], values: Mapping[str, object]) -> Iterator[Rule]:
    """The rules that the values of their fields break; a field without a value breaks none."""
    for rule in rules:
        if rule.name in values and not rule.allows(values[rule.name]):
            yield rule


def shown(value: object) -> str:
    """A value as a message shows it, on one line and cut; also one that cannot be written."""
    # A class is known by its name, as the user wrote it.
    if isinstance(value, type):
        return value.__name__
    try:
        text = one_line(repr(value))
    except Exception:  # the user's own class, or an integer of too many digits
        return f"an object of the class {type(value).__name__}"
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"


# --- what values are ----------------------------------------------------------------------------


def is_whole(value: object, least: int, most: int = MOST_COUNTED) -> bool:
    """Whether this is a whole number of a range; True and False are none to a person."""
    is_integer = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    return is_integer and least <= int(value) <= most  # type: ignore[call-overload]  # as checked


def is_number(value: object, least: float = -math.inf, most: float = math.inf) -> bool:
    """Whether this is a finite number of a range; True and False are none to a person."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        return False
    try:
        number = float(value)
    except OverflowError:  # a whole number that no float can hold
        return False
    return math.isfinite(number) and least <= number <= most


def is_text(value: object) -> bool:
    """Whether this is a text that says something and can be written to files."""
    return isinstance(value, str) and bool(value.strip()) and is_utf8(value)


def is_utf8(text: str) -> bool:
    """Whether a text can be written; Python keeps bytes that are no UTF-8 as halves of letters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_name(value: object) -> bool:
    """Whether this can name a study: a text on one line, and not too long."""
    if not is_text(value) or not isinstance(value, str):
        return False
    return len(value) <= LONGEST_NAME and value.isprintable()


def is_path(value: object) -> bool:
    """Whether this can be the path of a file."""
    return isinstance(value, Path) or is_text(value)


def are_texts(value: object) -> bool:
    """Whether this is a sequence of texts, and no text itself."""
    is_sequence = isinstance(value, Sequence) and not isinstance(value, str | bytes)
    return is_sequence and all(isinstance(each, str) for each in value)  # type: ignore[attr-defined]  # as checked


def is_function(value: object) -> bool:
    """Whether this can be called for a value; calling a class makes an object of it."""
    return callable(value) and not isinstance(value, type)


# --- files --------------------------------------------------------------------------------------

KINDS_OF_FILE = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
"""What is in a folder and no file, by the bits of its mode."""


def fault_of_path(path: Path) -> str | None:
    """Why nothing can be read or kept at a path, as the rest of `it …`; None for a usual path.

    A path where there is nothing is a usual one.
    """
    if "\0" in str(path):
        return "holds a NUL, which ends a path"
    if not is_utf8(str(path)):
        return "is not in UTF-8; rename the file, or give a link to it (ln -s)"
    for part in path.parts:
        if len(os.fsencode(part)) > LONGEST_FILE:
            return f"has a name of more than {LONGEST_FILE} bytes, which no file has"
    # A pipe, or a device such as /dev/zero, may be read for ever.
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
    except OSError:
        return None
    what = KINDS_OF_FILE.get(kind)
    return None if what is None else f"is {what}, and no file; give a file"
