"""From labels to class numbers, or to numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from pandas.api.types import is_bool_dtype, is_float_dtype, is_numeric_dtype

from advisor.data.classes import Target, encode_classes
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
        kind: `classification`, `binary`, `regression`, or None to infer it.
        notes: gets sentences on the classes.

    Raises:
        InputError: they do not fit `kind`, are all the same, not numbers, or a test row has a class
            that no other row has.
    """
    # Several columns in one split are read as a matrix in all.
    labels = {split: raws[split].labels for split in ("train", "valid", "test") if split in raws}
    for split, column in labels.items():
        _check_finite(column, raws[split].name)
    train_name = raws["train"].name
    if any(isinstance(column, np.ndarray) for column in labels.values()):
        return _encode_matrix(labels, train_name, kind, notes)

    # What kind of target it is, the rows outside test decide.
    columns = [column for split, column in labels.items() if split != "test"]
    pool: Any = pd.concat(columns, ignore_index=True)
    column_name = getattr(labels["train"], "name", None)
    place = f"the target of {train_name}"
    if column_name is not None:
        place = f"target {column_name!r} of {train_name}"
    if not _is_regression(pool, kind, place):
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
    values = column if isinstance(column, np.ndarray) else column.to_numpy()
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
    labels: Mapping[str, Any], train_name: str, kind: str | None, notes: Notes
) -> Target:
    """Targets of several columns: one-hot rows are classes, everything else is numbers."""
    widths = {column.shape[1] if column.ndim == 2 else 1 for column in labels.values()}
    if len(widths) > 1:
        raise InputError(
            f"y has {listing(sorted(widths))} columns in different splits; give the same number "
            "in each."
        )
    values = np.concatenate([np.asarray(column) for column in labels.values()])
    if values.dtype.kind not in "biuf":
        raise InputError(
            f"y of {train_name} has {widths.pop()} columns of {values.dtype}; give numbers."
        )
    # One 1 in each row among zeros is a class, unless the user says otherwise.
    is_one_hot = bool(np.isin(values, (0, 1)).all() and (values.sum(axis=1) == 1).all())
    if kind != "regression" and is_one_hot:
        notes.note("the target is one-hot: taken as class numbers")
        numbers = {split: pd.Series(column.argmax(axis=1)) for split, column in labels.items()}
        return encode_classes(numbers, kind, "the target", notes)
    if kind in ("classification", "binary"):
        raise InputError(
            f"kind={kind!r} needs one class per row, but y has shape {values.shape} and is not "
            "one-hot."
        )
    return Target(torch.from_numpy(values.astype(np.float32)), None)


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
