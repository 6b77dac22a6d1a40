"""Takes the column that is to be predicted out of tables."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from advisor.data.formats.columns import stripped
from advisor.data.notes import Notes, plural
from advisor.data.raw import Raw
from advisor.errors import InputError, listing

# Names of a column that is taken as the target where the user names none.
USUAL = ("target", "label", "class", "y")


def take_target(raws: Mapping[str, Raw], target: str | None, notes: Notes) -> dict[str, Raw]:
    """Tables without their target column, which becomes their labels; other rows as they are.

    Arguments:
        raws: the rows by split, with `train`.
        target: the column to predict, or None to find it by its name.
        notes: gets a sentence on the column that was chosen.

    Raises:
        InputError: there is no such column, it is there twice, or it has empty cells.
    """
    train = raws["train"]
    if isinstance(train.inputs, pd.DataFrame) and train.labels is None:
        column = target if target is not None else _usual_column(train, notes)
        return {split: _without_column(raw, column, split) for split, raw in raws.items()}
    if target is not None and train.target != target:
        notes.warn(
            f"target={target!r} is not used: the data have no column to choose, they come with "
            "their targets"
        )
    for split, raw in raws.items():
        if split != "unlabeled":
            _check_labels(raw, train)
    if "unlabeled" not in raws:
        return dict(raws)
    return {**raws, "unlabeled": replace(raws["unlabeled"], labels=None)}


def _check_labels(raw: Raw, train: Raw) -> None:
    """Raises `InputError` when a split that needs labels has none."""
    if raw.labels is not None:
        return
    if isinstance(raw.inputs, pd.DataFrame):
        raise InputError(
            f"{raw.name} is a table, and {train.name} is none; give all of them alike, as tables "
            "or as pairs (x, y)."
        )
    raise InputError(f"{raw.name} has no targets; give a pair (x, y), or one sub-folder per class.")


def _usual_column(raw: Raw, notes: Notes) -> str:
    """The one column whose name is usual for a target."""
    columns = [str(column) for column in raw.inputs.columns]
    usual = [column for column in columns if column.strip().lower() in USUAL]
    if len(usual) != 1:
        raise InputError(
            f"which column of {raw.name} is to be predicted? Say target=… (--target …). Its "
            f"columns are {listing(columns, 30)}."
        )
    notes.note(f"{raw.name}: column {usual[0]!r} is taken as the target")
    return usual[0]


def _without_column(raw: Raw, column: str, split: str) -> Raw:
    """The rows with the cells of one column as their labels; unlabeled rows only lose it."""
    table = raw.inputs
    if not isinstance(table, pd.DataFrame):
        return raw
    # Blanks around a column's name do not count.
    names = {str(name).strip(): name for name in table.columns}
    if column not in names:
        if split == "unlabeled" or raw.labels is not None:
            return raw
        close = difflib.get_close_matches(column, names, 1)
        hint = f"; did you mean {close[0]!r}?" if close else "."
        raise InputError(
            f"{raw.name} has no column {column!r}{hint} Its columns are {listing(names, 30)}."
        )
    features = table.drop(columns=names[column])
    if split == "unlabeled":
        return Raw(raw.name, features)

    # pandas reads a name that is there twice as `y` and `y.1`.
    repeat = re.compile(rf"{re.escape(column)}\.\d+")
    repeats = sum(repeat.fullmatch(name) is not None for name in names)
    if repeats:
        raise InputError(
            f"{raw.name} has {repeats + 1} columns called {column!r}; which is the target? Rename "
            "the others."
        )
    labels = _complete(table[names[column]], column, raw.name)
    labels = labels.reset_index(drop=True).rename(column)
    return Raw(raw.name, features.reset_index(drop=True), labels, target=column)


def _complete(column: Any, name: str, table: str) -> Any:
    """The column with blanks stripped, as numbers if it holds only numbers. Raises `InputError`
    when a row has no value.
    """
    if not is_numeric_dtype(column):
        cells = stripped(column).infer_objects()
        numbers = pd.to_numeric(cells, errors="coerce")
        all_numbers = bool((numbers.notna() == cells.notna()).all())
        column = numbers if all_numbers and not is_bool_dtype(cells) else cells
    is_filled = column.notna()
    if not is_filled.all():
        row = int(np.argmin(is_filled.to_numpy())) + 1  # as a person counts
        count = plural(int((~is_filled).sum()), "empty or NaN target")
        raise InputError(
            f"column {name!r} of {table} has {count} (first in row {row}): remove or fill these "
            "rows, or give them as unlabeled data."
        )
    return column
