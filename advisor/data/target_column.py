"""Takes the column that is to be predicted out of tables."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from advisor.data.formats.columns import stripped
from advisor.data.labels import holds_collections
from advisor.data.notes import Notes, plural
from advisor.data.raw import Raw
from advisor.errors import InputError, listing

# Names of a column that is taken as the target where the user names none.
USUAL = ("target", "label", "class", "y")


def take_target(
    raws: Mapping[str, Raw], target: str | None, notes: Notes, kind: str | None = None
) -> dict[str, Raw]:
    """Tables without their target column, which becomes their labels; other rows as they are.

    Arguments:
        raws: the rows by split, with `train`.
        target: the column to predict, or several with commas between them; None to find it by its
            name.
        notes: gets a sentence on the column that was chosen.
        kind: of task, where the user says it: rows of a `multilabel` task may have no label.

    Raises:
        InputError: there is no such column, it is there twice, or it has empty cells.
    """
    train = raws["train"]
    if isinstance(train.inputs, pd.DataFrame) and train.labels is None:
        column = target if target is not None else _usual_column(train, notes)
        columns = _columns_named(column, train)
        may_be_empty = kind == "multilabel" and len(columns) == 1
        return {
            split: _without_columns(raw, columns, split, may_be_empty)
            for split, raw in raws.items()
        }
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


def _columns_named(target: str, train: Raw) -> tuple[str, ...]:
    """The columns that are meant: that of the name, else those between the commas of it."""
    if "," not in target or target in {str(name).strip() for name in train.inputs.columns}:
        return (target,)
    columns = tuple(name.strip() for name in target.split(",") if name.strip())
    repeated = sorted(name for name in set(columns) if columns.count(name) > 1)
    if repeated:
        raise InputError(f"target={target!r} names {listing(repeated)} twice.")
    return columns


def _without_columns(raw: Raw, columns: Sequence[str], split: str, may_be_empty: bool) -> Raw:
    """The rows with the cells of some columns as their labels; unlabeled rows only lose them."""
    table = raw.inputs
    if not isinstance(table, pd.DataFrame):
        return raw
    # Blanks around a column's name do not count.
    names = {str(name).strip(): name for name in table.columns}
    missing = [column for column in columns if column not in names]
    if missing and split != "unlabeled" and raw.labels is None:
        close = difflib.get_close_matches(missing[0], names, 1)
        hint = f"; did you mean {close[0]!r}?" if close else "."
        raise InputError(
            f"{raw.name} has no column {missing[0]!r}{hint} Its columns are {listing(names, 30)}."
        )
    present = [names[column] for column in columns if column in names]
    if not present:
        return raw
    features = table.drop(columns=present)
    if split == "unlabeled":
        return Raw(raw.name, features)

    # Several columns stay a table.
    taken = {}
    for column in columns:
        _check_repeats(column, names, raw.name)
        cells = _as_numbers(table[names[column]])
        if may_be_empty and not is_numeric_dtype(cells):
            cells = cells.fillna("")
        _check_complete(cells, column, raw.name)
        taken[column] = cells.reset_index(drop=True)
    labels = pd.DataFrame(taken) if len(columns) > 1 else taken[columns[0]].rename(columns[0])
    return Raw(raw.name, features.reset_index(drop=True), labels, target=",".join(columns))


def _check_repeats(column: str, names: Iterable[str], table: str) -> None:
    """Raises `InputError` when a table has a column twice, which pandas reads as `y` and `y.1`."""
    repeat = re.compile(rf"{re.escape(column)}\.\d+")
    repeats = sum(repeat.fullmatch(name) is not None for name in names)
    if repeats:
        raise InputError(
            f"{table} has {repeats + 1} columns called {column!r}; which is the target? Rename "
            "the others."
        )


def _as_numbers(column: Any) -> Any:
    """The column with blanks stripped, as numbers if it holds only numbers."""
    if is_numeric_dtype(column) or holds_collections(column):
        return column
    cells = stripped(column).infer_objects()
    numbers = pd.to_numeric(cells, errors="coerce")
    all_numbers = bool((numbers.notna() == cells.notna()).all())
    return numbers if all_numbers and not is_bool_dtype(cells) else cells


def _check_complete(column: Any, name: str, table: str) -> None:
    """Raises `InputError` when a row has no value."""
    is_filled = column.notna()
    if not is_filled.all():
        row = int(np.argmin(is_filled.to_numpy())) + 1  # as a person counts
        count = plural(int((~is_filled).sum()), "empty or NaN target")
        raise InputError(
            f"column {name!r} of {table} has {count} (first in row {row}): remove or fill these "
            "rows, or give them as unlabeled data."
        )
