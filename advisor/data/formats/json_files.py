"""Reads tables from JSON: a list of records, one record a line, or columns by name."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import is_object_dtype

from advisor.data.formats.folders import SPLIT_NAMES
from advisor.data.formats.text_files import read_utf8
from advisor.data.notes import Notes, plural
from advisor.data.raw import Raw
from advisor.errors import InputError, listing, short

LISTS_HOLD = (str, int, float, bool)
"""What a cell that is a list may hold, so that it can be read."""


def read_json_lines(path: Path, notes: Notes) -> dict[str, Raw]:
    """The table of a file with one JSON record in each line.

    Raises:
        InputError: a line is no record.
    """
    records = []
    for number, line in enumerate(read_utf8(path, notes).decode().split("\n"), start=1):
        if line.strip():
            record = _parsed(line, f"line {number} of {path}")
            if not isinstance(record, dict):
                raise InputError(
                    f"line {number} of {path} is {short(line)!r}; each line must be a record like "
                    '{"text": "…", "label": "…"}.'
                )
            records.append(record)
    return {"data": _table(records, path.name, path, notes)}


def read_json(path: Path, notes: Notes) -> dict[str, Raw]:
    """The tables of a JSON file, by split: records, columns by name, or either of them for each
    split.

    Raises:
        InputError: the file is no JSON, or holds something else.
    """
    text = read_utf8(path, notes).decode()
    try:
        value = json.loads(text)
    except ValueError:
        # Many files of one record a line are called `.json`.
        return read_json_lines(path, notes)
    if isinstance(value, dict) and value and all(key.lower() in SPLIT_NAMES for key in value):
        by_split = {SPLIT_NAMES[key.lower()]: (key, part) for key, part in value.items()}
        return {
            split: _table(part, f"{key} of {path.name}", path, notes)
            for split, (key, part) in by_split.items()
        }
    # One list of records may stand under a key of its own.
    if isinstance(value, dict):
        lists = [part for part in value.values() if _are_records(part)]
        value = lists[0] if len(lists) == 1 else value
    return {"data": _table(value, path.name, path, notes)}


def _parsed(text: str, place: str) -> Any:
    """A value of JSON."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise InputError(f"{place} is no JSON: {error}. It holds {short(text)!r}.") from error


def _are_records(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def _table(value: Any, name: str, path: Path, notes: Notes) -> Raw:
    """Records or columns as a table, in which a nested record has a column for each of its keys."""
    if _are_records(value):
        table = pd.json_normalize(value, sep=".")
    elif isinstance(value, dict) and all(isinstance(part, list | dict) for part in value.values()):
        try:
            table = pd.DataFrame(value).reset_index(drop=True)
        except ValueError as error:
            raise InputError(f"{name}: its columns differ in length ({error}).") from error
    else:
        raise InputError(
            f"{path} holds neither records nor columns: {name} is {short(value)!r}. Give a list of "
            'records like {"text": "…", "label": "…"}, or write a function that returns arrays and '
            "give it as FILE.py:NAME."
        )
    notes.note(f"{name}: {plural(len(table), 'row')} and {plural(table.shape[1], 'column')}")
    return Raw(name, table)


def spread(
    table: pd.DataFrame, name: str, notes: Notes, targets: Collection[str] = ()
) -> pd.DataFrame:
    """A table whose cells hold no lists: one of numbers is a column for each number, and one of
    words is a text. Lists in the columns `targets` are labels, and stay.

    Raises:
        InputError: lists of numbers differ in length, or cells hold other things.
    """
    columns: dict[Any, Any] = {}
    if not table.columns.is_unique:
        return table
    for column, cells in table.items():
        is_label = str(column).strip() in targets
        if not is_label and is_object_dtype(cells) and any(map(_is_list, cells)):
            columns |= _spread_column(cells, f"{name}: column {column!r}", notes)
        else:
            columns[column] = cells
    return pd.DataFrame(columns, index=table.index)


def _spread_column(cells: Any, place: str, notes: Notes) -> dict[Any, Any]:
    """The columns of which each holds one element of a column's lists, or one of texts."""
    lists = [cell for cell in cells if _is_list(cell)]
    lengths = {len(cell) for cell in lists}
    kinds = {type(item) for cell in lists for item in _items(cell)}
    if kinds <= {str}:
        notes.note(f"{place}: lists of words are read as texts")
        return {cells.name: cells.map(lambda cell: " ".join(_items(cell)))}
    if len(lengths) == 1 and len(lists) == len(cells) and kinds <= set(LISTS_HOLD):
        rows = [_items(cell) for cell in lists]
        notes.note(f"{place}: its lists are read as {plural(len(rows[0]), 'column')}")
        names = [f"{cells.name}.{number}" for number in range(len(rows[0]))]
        return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    raise InputError(
        f"{place} holds {short(lists[0])!r}, and lists of {listing(sorted(lengths), 4)} elements; "
        "give numbers, words or lists of one length, or a function that returns arrays, as "
        "FILE.py:NAME."
    )


def _is_list(cell: Any) -> bool:
    return hasattr(cell, "__len__") and not isinstance(cell, str | bytes)


def _items(cell: Any) -> list[Any]:
    """The elements of a list, of Python's own types; none of a gap or a record."""
    if isinstance(cell, str) or not hasattr(cell, "__len__") or isinstance(cell, Mapping):
        return [cell] if isinstance(cell, str) else [None] if isinstance(cell, Mapping) else []
    return [item.item() if hasattr(item, "item") else item for item in cell]
