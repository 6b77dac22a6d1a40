"""What a database says is read back here: what is damaged, foreign or newer is one message."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from advisor import __version__
from advisor.errors import InputError, explain

UNREADABLE = (
    ValueError,  # JSON, and the values of enums, too
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    RecursionError,
)
"""What reading raises where a database does not hold what this version writes."""


@contextmanager
def read_back(study: str, what: str, version: str = "") -> Iterator[None]:
    """Read a part of a study back; whatever is wrong with it becomes one `InputError`.

    Arguments:
        study: the name of the study.
        what: the part that is read, such as `plan`.
        version: of the advisor that wrote it; empty where that is not known.
    """
    try:
        yield
    except UNREADABLE as problem:
        raise InputError(
            f"Study {study!r}: its {what} cannot be read ({explain(problem)}). "
            f"{advice(study, version)}"
        ) from problem


def advice(study: str, version: str) -> str:
    """What to do about a study that cannot be read."""
    if is_newer(version):
        return (
            f"It was written by a newer advisor ({version}; this is {__version__}): "
            "upgrade with pip install -U torch-advisor, or use another --name or --storage."
        )
    return (
        "It is damaged, or another program or a newer advisor has written it: use another --name "
        f"or --storage, or delete it with advisor studies delete {shlex.quote(study)}."
    )


def is_newer(version: str) -> bool:
    """Whether a version is newer than this one."""
    return numbers_of(version) > numbers_of(__version__)


def numbers_of(version: str) -> tuple[int, ...]:
    """`(0, 4, 1)` of `0.4.1.dev7`."""
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(number) for number in found[0].split(".")[:3]) if found else ()


def json_object(text: str | None) -> dict[str, Any]:
    """The object that a text of the database is. Raises `ValueError` or `TypeError` where it is
    none.
    """
    if text is None:
        raise ValueError("it is empty")
    plain = json.loads(text)
    if not isinstance(plain, dict):
        raise ValueError(f"it is {type(plain).__name__}, not an object")
    return plain


def version_in(text: str | None) -> str:
    """The version of the advisor that wrote a plan or an answer; empty where it says none."""
    versions = _value_in(text, "versions")
    version = versions.get("advisor") if isinstance(versions, dict) else None
    return version if isinstance(version, str) else ""


def study_in(text: str | None) -> str:
    """The study that a recommendation is about; empty where it says none."""
    study = _value_in(text, "study")
    return study if isinstance(study, str) else ""


def _value_in(text: str | None, key: str) -> object:
    try:
        return json_object(text).get(key)
    except UNREADABLE:
        return None


def check_types(record: object) -> None:
    """Raise `TypeError` where a field of a record that was read back has another type."""
    for name, hint in get_type_hints(type(record)).items():
        value = getattr(record, name)
        if not is_of_type(value, hint):
            raise TypeError(f"{name!r} is {value!r:.60}")


def is_of_type(value: object, hint: Any) -> bool:
    """Whether a value that was read back is of the type that a field is declared with."""
    kind, parts = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if kind in (Union, UnionType):
        return any(is_of_type(value, part) for part in parts)
    if kind is Literal:
        return value in parts
    if kind is list:
        return isinstance(value, list) and all(is_of_type(each, parts[0]) for each in value)
    if kind is dict:
        of_key, of_value = parts
        return isinstance(value, dict) and all(
            is_of_type(key, of_key) and is_of_type(each, of_value) for key, each in value.items()
        )
    # JSON writes whole numbers of a column of floats as it likes.
    return isinstance(value, (int, float) if hint is float else kind or hint)
