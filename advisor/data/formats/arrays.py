"""Reads arrays: `.npz` files, arrays by name, and pairs of inputs and targets."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from advisor.data.items import LABEL_NAMES
from advisor.data.notes import plural
from advisor.data.raw import Raw
from advisor.errors import InputError, listing
from advisor.nested import elements

# The names of inputs and targets by split; `data` is not split yet, and "" is no target.
PAIR_NAMES = {
    "data": (("x", "y"), ("data", "target"), ("inputs", "targets"), ("images", "labels")),
    "train": (("x_train", "y_train"),),
    "valid": (("x_valid", "y_valid"), ("x_val", "y_val")),
    "test": (("x_test", "y_test"),),
    "unlabeled": (("x_unlabeled", ""), ("unlabeled", ""), ("x_unsup", "")),
}


def read_npz(path: Path) -> dict[str, Raw]:
    """The arrays of an `.npz` file, by split.

    Raises:
        InputError: the file cannot be read, holds Python objects, or its names say nothing.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
    except (OSError, EOFError, ValueError, TypeError, zipfile.BadZipFile) as error:
        is_pickle = "pickle" in str(error).lower()
        advice = "; save arrays of numbers, not of objects" if is_pickle else ""
        raise InputError(f"{path} cannot be read as .npz: {error}{advice}.") from error
    return by_name(arrays, path.name)


def by_name(arrays: Mapping[str, Any], name: str) -> dict[str, Raw]:
    """Arrays called `x` and `y`, or `x_train`, `y_train`, `x_test`, …, by split (`data` for a plain
    pair).

    Several arrays beside one called `y` or `labels` are inputs by name.

    Raises:
        InputError: the names say nothing, or a `y` is missing.
    """
    # The first pair of names that is there stands for its split.
    lower = {key.lower(): value for key, value in arrays.items()}
    raws: dict[str, Raw] = {}
    for split, pairs in PAIR_NAMES.items():
        for x, y in pairs:
            if x not in lower:
                continue
            if y and y not in lower:
                raise InputError(
                    f"{name} has {x!r} but no {y!r}; its arrays are {listing(arrays)}."
                )
            place = name if split == "data" else f"{split} of {name}"
            raws[split] = from_arrays(lower[x], lower.get(y), place)
            break

    # Without such names, all arrays but the one that is called like a label are inputs.
    label_keys = [key for key in arrays if key.lower() in LABEL_NAMES]
    if not raws and len(label_keys) == 1 and len(arrays) > 2:
        inputs = dict(arrays)
        labels = inputs.pop(label_keys[0])
        raws["data"] = from_arrays(inputs, labels, name)
    if not raws or ("data" in raws and "train" in raws):
        raise InputError(
            f"{name} has the arrays {listing(arrays)}; call them x and y, or x_train, y_train, "
            "x_valid, y_valid, …"
        )
    return raws


def from_arrays(x: Any, y: Any, name: str) -> Raw:
    """A pair of inputs and targets: arrays, tensors, lists, a pandas table and column, or texts and
    labels.

    Raises:
        InputError: x and y have different lengths, or x does not hold numbers or texts.
    """
    # Texts are a table with one column, arrays are tensors.
    labels = None if y is None else _to_labels(y, name)
    texts = _texts(x)
    if isinstance(x, pd.DataFrame):
        raw = Raw(name, x.reset_index(drop=True), labels)
    elif texts is not None:
        raw = Raw(name, pd.DataFrame({"text": texts}), labels, texts=True)
    else:
        inputs = x if isinstance(x, tuple) else (x,)
        raw = Raw(name, tuple(_to_tensors(each, name) for each in inputs), labels)
        if len({len(tensor) for tensor in elements(raw.inputs)}) != 1:
            raise InputError(f"{name}: the inputs have different numbers of rows.")
    if labels is not None and len(labels) != len(raw):
        raise InputError(
            f"{name}: x has {plural(len(raw), 'row')} and y has {len(labels):,}; give one target "
            "per row."
        )
    return raw


def _texts(x: Any) -> list[str] | None:
    """The texts in a list, array or column of texts; None if x is something else."""
    is_column = isinstance(x, pd.Series | np.ndarray) and x.ndim == 1
    values = list(x) if isinstance(x, list) or is_column else []
    if not values or not all(isinstance(value, str) for value in values):
        return None
    return [str(value) for value in values]


def _to_tensors(x: Any, name: str) -> Any:
    """Inputs in dictionaries and tuples, each as a tensor with rows."""
    if isinstance(x, Mapping):
        return {key: _to_tensors(value, f"{name}, {key}") for key, value in x.items()}
    if isinstance(x, tuple):
        return tuple(_to_tensors(value, name) for value in x)
    tensor: torch.Tensor = x if isinstance(x, torch.Tensor) else torch.from_numpy(_array(x, name))
    tensor = tensor.detach().cpu()
    if tensor.ndim == 0 or tensor.is_complex():
        raise InputError(
            f"{name}: x needs one row of numbers per example, got {tensor.dtype} of shape "
            f"{tuple(tensor.shape)}."
        )
    return tensor.to_dense() if tensor.is_sparse else tensor


def _array(x: Any, name: str) -> np.ndarray[Any, Any]:
    """One input as an array that torch takes: of the machine's byte order, and writable."""
    try:
        array = np.asarray([np.asarray(row) for row in x] if isinstance(x, list) else x)
    except ValueError as error:
        raise InputError(
            f"{name}: the rows of x have different shapes; pad them to one shape."
        ) from error
    if array.dtype.kind not in "biuf":
        raise InputError(
            f"{name}: x holds {array.dtype} values; give numbers, texts, or a pandas DataFrame."
        )
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    return np.require(array, requirements=["C", "W"])


def _to_labels(y: Any, name: str) -> Any:
    """Targets as a pandas Series, or as an array or a table (N, k)."""
    if isinstance(y, pd.Series):
        return y.reset_index(drop=True)
    if isinstance(y, pd.DataFrame) and y.shape[1] > 1:
        return y.reset_index(drop=True)
    # Lists of words are labels of a row, of which each row has its own number.
    if isinstance(y, list | tuple) and len(y) and all(map(_is_list_of_words, y)):
        return pd.Series(list(y))
    values = y.detach().cpu().numpy() if isinstance(y, torch.Tensor) else np.asarray(y)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim not in (1, 2):
        raise InputError(f"{name}: y must be (N,) or (N, k), got shape {values.shape}.")
    return pd.Series(values) if values.ndim == 1 else values


def _is_list_of_words(cell: object) -> bool:
    """Whether a target is a list or a set of words, also an empty one."""
    if not isinstance(cell, list | tuple | set | frozenset):
        return False
    return all(isinstance(word, str) for word in cell)
