"""Rows of a database as JSON that every program reads (RFC 8259)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any


@dataclass(frozen=True)
class JsonRows:
    """Rows as JSON, and what became of them on the way.

    Attributes:
        text: a list of objects.
        renamed: columns whose name another one had already, by their place: the old and new name.
        not_numbers: how many values were no finite number and are null.
    """

    text: str
    renamed: Sequence[tuple[str, str]]
    not_numbers: int


def rows_as_json(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> JsonRows:
    """Rows as objects; each column has a name of its own there.

    What JSON does not have becomes null where it is no finite number, else text: times, and bytes
    as hexadecimal digits.
    """
    names = unique_names(columns)
    lost: list[float] = []
    plain = []
    for row in rows:
        values = [json_value(value, lost) for value in row]
        plain.append(dict(zip(names, values, strict=True)))
    renamed = [pair for pair in zip(columns, names, strict=True) if pair[0] != pair[1]]
    text = json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False)
    return JsonRows(text, renamed, len(lost))


def unique_names(columns: Sequence[str]) -> list[str]:
    """The names of columns, where the second `a` is `a_2`."""
    names: list[str] = []
    for column in columns:
        # What is in the question itself keeps its name.
        taken = {*columns, *names} if column in names else set()
        name, count = column, 1
        while name in taken:
            count += 1
            name = f"{column}_{count}"
        names.append(name)
    return names


def json_value(value: Any, lost: list[float]) -> Any:
    """A value of a database as JSON has it; a number that is not finite is put into `lost`."""
    # PostgreSQL has exact numbers, lists and JSON of its own.
    if isinstance(value, Decimal):
        is_whole = value.is_finite() and value == value.to_integral_value()
        value = int(value) if is_whole else float(value)
    if isinstance(value, float) and not math.isfinite(value):
        lost.append(value)
        return None
    if isinstance(value, Mapping):
        return {str(key): json_value(each, lost) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(each, lost) for each in value]
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    is_plain = value is None or isinstance(value, bool | int | float | str)
    return value if is_plain else str(value)
