"""From labels to class numbers, or to numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from pandas.api.types import is_bool_dtype, is_float_dtype, is_numeric_dtype

from advisor.data.classes import Target, encode_classes
from advisor.data.labels import (
    check_labels,
    from_cells,
    holds_collections,
    note_several_words,
    numbers_in,
)
from advisor.data.notes import Notes, plural
from advisor.data.raw import Raw
from advisor.errors import InputError, listing, short

# Distinct whole numbers that still look like classes.
FEW = 20

# Distinct integers, as a share of the rows, that still look like classes.
FEW_SHARE = 0.05


def encode(raws: Mapping[str, Raw], kind: str | None, notes: Notes) -> Target:
    """The targets of train, valid and test as class numbers or as numbers.

    Arguments:
        raws: the rows by split, with labels but for `unlabeled`.
        kind: `classification`, `binary`, `regression`, `multilabel`, or None to infer it.
        notes: gets sentences on the classes.

    Raises:
        InputError: they do not fit `kind`, are all the same, not numbers, or a test row has a class
            that no other row has.
    """
    # Several columns in one split are read as a matrix in all.
    given = {split: raws[split].labels for split in ("train", "valid", "test") if split in raws}
    labels = {split: _as_frame(column) for split, column in given.items()}
    for split, column in labels.items():
        _check_finite(column, raws[split].name)
    train_name = raws["train"].name
    if any(isinstance(column, pd.DataFrame) for column in labels.values()):
        frames = {split: pd.DataFrame(column) for split, column in labels.items()}
        return _encode_matrix(frames, train_name, kind, notes)

    # What kind of target it is, the rows outside test decide.
    columns = [column for split, column in labels.items() if split != "test"]
    pool: Any = pd.concat(columns, ignore_index=True)
    column_name = getattr(labels["train"], "name", None)
    place = f"the target of {train_name}"
    if column_name is not None:
        place = f"target {column_name!r} of {train_name}"
    if kind == "multilabel" or any(map(holds_collections, labels.values())):
        return _of_labels(*from_cells(labels, place, notes), notes)
    if not _is_regression(pool, kind, place):
        if kind is None:
            note_several_words(pool, place, notes)
        return encode_classes(labels, kind, place, notes)

    # Numbers are as the user gave them; only a table's are scaled later.
    values = np.concatenate(
        [_to_numbers(column, raws[split].name) for split, column in labels.items()]
    )
    if np.ptp(values) == 0:
        raise InputError(f"{place} is {values[0]:g} in every row; there is nothing to learn.")
    return Target(torch.from_numpy(values).float(), None)


def _to_numbers(column: Any, name: str) -> np.ndarray[Any, Any]:
    """A column as float64. Raises `InputError` when a cell is no number."""
    values: np.ndarray[Any, Any] = pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
    if np.isnan(values).any():
        row = int(np.argmax(np.isnan(values)))
        raise InputError(
            f"{name} has the target {short(column.iloc[row])!r} in row {row + 1}, but the other "
            "targets are numbers."
        )
    return values


def _check_finite(column: Any, name: str) -> None:
    """Raises `InputError` when there are NaN or infinite targets."""
    values = column.to_numpy()
    if values.dtype.kind == "O":
        is_bad: Any = np.asarray(pd.isna(values))
    elif values.dtype.kind == "f":
        is_bad = ~np.isfinite(values)
    else:
        return
    is_bad = is_bad.reshape(len(values), -1).any(axis=1)
    if is_bad.any():
        count = plural(int(is_bad.sum()), "NaN or infinite target")
        raise InputError(
            f"{name} has {count} (first at index {int(np.argmax(is_bad))}): remove or fill these "
            "rows."
        )


def _encode_matrix(
    frames: Mapping[str, Any], train_name: str, kind: str | None, notes: Notes
) -> Target:
    """Targets of several columns: one-hot rows are classes, other columns of 0 and 1 are labels,
    everything else is numbers.
    """
    widths = {frame.shape[1] for frame in frames.values()}
    if len(widths) > 1:
        raise InputError(
            f"y has {listing(sorted(widths))} columns in different splits; give the same number "
            "in each."
        )
    table: Any = pd.concat(list(frames.values()), ignore_index=True)
    names = tuple(str(name) for name in table.columns)
    what = f"of the {len(names)} columns of the target of {train_name}"
    columns = [numbers_in(table[name], f"column {name!r} {what}") for name in table]
    values = np.stack(columns, axis=1)
    is_binary = bool(np.isin(values, (0, 1)).all())

    # One 1 in each row among zeros is a class, unless the user says otherwise.
    is_one_hot = is_binary and bool((values.sum(axis=1) == 1).all())
    if kind not in ("regression", "multilabel") and is_one_hot:
        notes.note(
            "the target is one-hot: taken as class numbers (--task multilabel takes its columns as "
            "labels)"
        )
        classes = pd.Series(values.argmax(axis=1))
        ends = np.cumsum([len(frame) for frame in frames.values()])[:-1]
        by_split = dict(zip(frames, np.split(classes, ends), strict=True))
        return encode_classes(by_split, kind, "the target", notes)
    if kind in ("classification", "binary"):
        raise InputError(
            f"kind={kind!r} needs one class per row, but y has shape {values.shape} and is not "
            "one-hot; --task multilabel takes any number of labels per row."
        )

    # Any number of ones in a row: the row has these labels.
    if kind == "multilabel" and not is_binary:
        wrong = values[~np.isin(values, (0, 1))][0]
        raise InputError(
            f"kind='multilabel' needs columns of 0 and 1, but y of {train_name} holds {wrong:g}."
        )
    if kind != "regression" and is_binary:
        notes.note(
            f"the target is {len(names)} columns of 0 and 1: any number of labels a row "
            "(multilabel); --task regression takes them as numbers"
        )
        return _of_labels(names, values, notes)
    notes.note(f"the target is {len(names)} numbers a row")
    return Target(torch.from_numpy(values.astype(np.float32)), None)


def _of_labels(names: tuple[str, ...], matrix: np.ndarray[Any, Any], notes: Notes) -> Target:
    """A target of labels, 1 where a row has one. Raises `InputError` where none of them varies."""
    check_labels(names, matrix, notes)
    return Target(torch.from_numpy(matrix.astype(np.float32)), None, labels=names)


def _as_frame(column: Any) -> Any:
    """Several target columns as a table; one column stays as it is."""
    if isinstance(column, pd.DataFrame):
        return column.reset_index(drop=True)
    if isinstance(column, np.ndarray):
        return pd.DataFrame(column)
    # Cells that are arrays of one length are columns, too.
    is_matrix = holds_collections(column) and isinstance(column.iloc[0], np.ndarray)
    if is_matrix and column.iloc[0].dtype.kind in "biuf" and column.map(len).nunique() == 1:
        return pd.DataFrame(np.stack(list(column)))
    return column


def _is_regression(labels: Any, kind: str | None, place: str) -> bool:
    """Whether the labels are numbers to be predicted, and not classes."""
    is_numeric = is_numeric_dtype(labels) and not is_bool_dtype(labels)
    if kind == "regression" and not is_numeric:
        wrong = labels[pd.to_numeric(labels, errors="coerce").isna()]
        if len(wrong):
            raise InputError(
                f"kind='regression' needs numbers, but {place} holds "
                f"{listing(map(repr, wrong.unique()[:3]))} ({plural(len(wrong), 'row')}); mend "
                "them, or leave kind out to predict classes."
            )
    if kind is not None or not is_numeric:
        return kind == "regression"

    return not _look_like_classes(labels)


def _look_like_classes(numbers: Any) -> bool:
    """Whether numbers are whole and few, and most occur more than once."""
    distinct = numbers.nunique()
    if distinct * 2 > len(numbers):
        return False
    if is_float_dtype(numbers):
        return bool((numbers % 1 == 0).all()) and distinct <= FEW
    return bool(distinct <= FEW or distinct <= FEW_SHARE * len(numbers))
