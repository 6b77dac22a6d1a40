"""Reads tables and array files."""

from __future__ import annotations

import csv
import io
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from advisor.data.datasets import LABELS
from advisor.data.raw import Raw, Told, plural
from advisor.errors import InputError, listing
from advisor.nested import elements

SEPARATORS = (",", ";", "\t", "|")


def read_csv(path: Path, told: Told) -> pd.DataFrame:
    """A CSV or TSV file as a table, whatever its separator and encoding and whether or not it has a
    header.

    Raises:
        InputError: the file is empty, has a header alone, or its lines have different numbers of
            cells.
    """
    text = _decode(path, told)
    first = next((line.rstrip("\r\n") for line in io.StringIO(text) if line.strip()), None)
    if first is None:
        raise InputError(f"{path} is empty. Give a file with a header and rows.")
    separator = "\t" if path.suffix == ".tsv" else max(SEPARATORS, key=first.count)
    table = _parse(text, separator, path, header=0)
    header = next(csv.reader([first], delimiter=separator, skipinitialspace=True))
    if _is_data(header, table):
        table = _parse(text, separator, path, header=None)
        table.columns = pd.Index([f"col{i}" for i in range(table.shape[1])])
        told.note(
            f"{path.name}: its first row looks like data, so the columns are called col0 to col{table.shape[1] - 1}"
        )
    return _checked(table, path, told)


def _decode(path: Path, told: Told) -> str:
    content = path.read_bytes()
    try:
        return content.decode(
            "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        )
    except UnicodeDecodeError:
        told.note(f"{path.name}: not UTF-8, read as Latin-1")
        return content.decode("latin-1")


def _parse(text: str, separator: str, path: Path, header: int | None) -> pd.DataFrame:
    decimal = (
        ","
        if separator == ";" and re.search(r"\d,\d", text) and not re.search(r"\d\.\d", text)
        else "."
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(
                io.StringIO(text), sep=separator, header=header, skipinitialspace=True, na_values=["?"], index_col=False,
                low_memory=False, decimal=decimal,
            )  # fmt: skip
    except (
        pd.errors.ParserError,
        pd.errors.ParserWarning,
        pd.errors.EmptyDataError,
        ValueError,
    ) as error:
        raise InputError(
            f"{path} cannot be read as a table: {str(error).strip()}. Check its separators and quotes."
        ) from error


def _is_data(header: list[str], table: pd.DataFrame) -> bool:
    """Whether the first row parses like the values below it: numbers over numbers, or else words
    that occur below.
    """
    cells = list(zip(header, (table.iloc[:, i] for i in range(table.shape[1])), strict=False))
    if header == [str(i) for i in range(len(header))] or len(table) == 0:
        return False
    numbers = [
        cell for cell, column in cells if is_numeric_dtype(column) and not is_bool_dtype(column)
    ]
    if numbers:
        return all(_is_number(cell) for cell in numbers)
    return all(cell.strip() in set(column.astype(str)) for cell, column in cells)


def _is_number(cell: str) -> bool:
    try:
        float(cell or "0")
    except ValueError:
        return cell.strip() == "?"
    return True


def _checked(table: pd.DataFrame, path: Path, told: Told) -> pd.DataFrame:
    """A table that has rows and no column that only counts them."""
    if len(table) == 0:
        raise InputError(f"{path} has a header and no rows. Give a file with rows.")
    first = table.columns[0]
    if str(first).startswith("Unnamed: 0") and np.array_equal(table[first], np.arange(len(table))):
        told.note(f"{path.name}: left out the first column, which numbers the rows")
        table = table.drop(columns=first)
    return table.reset_index(drop=True)


def read_parquet(path: Path, told: Told) -> pd.DataFrame:
    """A Parquet file as a table.

    Raises:
        InputError: the file is not Parquet or has no rows.
    """
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as Parquet: {error}") from error
    return _checked(table, path, told)


def read_npz(path: Path) -> dict[str, Raw]:
    """The arrays of an `.npz` file, by split.

    Raises:
        InputError: the file cannot be read, holds Python objects, or its names say nothing.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
    except (OSError, EOFError, ValueError, TypeError, zipfile.BadZipFile) as error:
        advice = (
            "; save arrays of numbers, not of objects" if "pickle" in str(error).lower() else ""
        )
        raise InputError(f"{path} cannot be read as .npz: {error}{advice}.") from error
    return by_name(arrays, path.name)


PAIRS = {
    "data": (("x", "y"), ("data", "target"), ("inputs", "targets"), ("images", "labels")),
    "train": (("x_train", "y_train"),),
    "valid": (("x_valid", "y_valid"), ("x_val", "y_val")),
    "test": (("x_test", "y_test"),),
    "unlabeled": (("x_unlabeled", ""), ("unlabeled", ""), ("x_unsup", "")),
}


def by_name(arrays: Mapping[str, Any], name: str) -> dict[str, Raw]:
    """Arrays called `x` and `y`, or `x_train`, `y_train`, `x_test`, …, by split (`data` for a plain
    pair).

    Several arrays beside one called `y` or `labels` are inputs by name.

    Raises:
        InputError: the names say nothing, or a `y` is missing.
    """
    lower = {key.lower(): value for key, value in arrays.items()}
    found: dict[str, Raw] = {}
    for split, pairs in PAIRS.items():
        for x, y in pairs:
            if x not in lower:
                continue
            if y and y not in lower:
                raise InputError(
                    f"{name} has {x!r} but no {y!r}; its arrays are {listing(arrays)}."
                )
            found[split] = from_arrays(
                lower[x], lower.get(y), name if split == "data" else f"{split} of {name}"
            )
            break
    label = [key for key in arrays if key.lower() in LABELS]
    if not found and len(label) == 1 and len(arrays) > 2:
        found["data"] = from_arrays(
            {key: x for key, x in arrays.items() if key != label[0]}, arrays[label[0]], name
        )
    if not found or ("data" in found and "train" in found):
        raise InputError(
            f"{name} has the arrays {listing(arrays)}; call them x and y, or x_train, y_train, x_valid, y_valid, …"
        )
    return found


def from_arrays(x: Any, y: Any, name: str) -> Raw:
    """A pair of inputs and targets: arrays, tensors, lists, a pandas table and column, or texts and
    labels.

    Raises:
        InputError: x and y have different lengths, or x does not hold numbers or texts.
    """
    labels = None if y is None else _labels(y, name)
    if isinstance(x, pd.DataFrame):
        raw = Raw(name, x.reset_index(drop=True), labels)
    elif (texts := _texts(x)) is not None:
        raw = Raw(name, pd.DataFrame({"text": texts}), labels, texts=True)
    else:
        many = tuple(x) if isinstance(x, tuple) else (x,)
        raw = Raw(name, tuple(_tensors(one, name) for one in many), labels)
        if len({len(one) for one in elements(raw.body)}) != 1:
            raise InputError(f"{name}: the inputs have different numbers of rows.")
    if labels is not None and len(labels) != len(raw):
        raise InputError(
            f"{name}: x has {plural(len(raw), 'row')} and y has {len(labels):,}; give one target per row."
        )
    return raw


def _texts(x: Any) -> list[str] | None:
    """The texts in a list, array or column of texts; None if x is something else."""
    one_column = isinstance(x, list) or (isinstance(x, pd.Series | np.ndarray) and x.ndim == 1)
    values = list(x) if one_column else []
    return (
        [str(value) for value in values]
        if values and all(isinstance(value, str) for value in values)
        else None
    )


def _tensors(x: Any, name: str) -> Any:
    """Inputs in dictionaries and tuples, each as a tensor with rows."""
    if isinstance(x, Mapping):
        return {key: _tensors(one, f"{name}, {key}") for key, one in x.items()}
    return tuple(_tensors(one, name) for one in x) if isinstance(x, tuple) else _tensor(x, name)


def _tensor(x: Any, name: str) -> torch.Tensor:
    """One input as a tensor with rows."""
    if not isinstance(x, torch.Tensor):
        array = np.asarray(x) if not isinstance(x, list) else _array(x, name)
        if array.dtype.kind not in "biuf":
            raise InputError(
                f"{name}: x holds {array.dtype} values; give numbers, texts, or a pandas DataFrame."
            )
        x = torch.from_numpy(
            np.require(
                array.astype(array.dtype.newbyteorder("="), copy=False), requirements=["C", "W"]
            )
        )
    tensor: torch.Tensor = x.detach().cpu()
    if tensor.ndim == 0 or tensor.is_complex():
        raise InputError(
            f"{name}: x needs one row of numbers per example, got {tensor.dtype} of shape {tuple(tensor.shape)}."
        )
    return tensor.to_dense() if tensor.is_sparse else tensor


def _array(values: list[Any], name: str) -> np.ndarray[Any, Any]:
    try:
        return np.asarray([np.asarray(value) for value in values])
    except ValueError as error:
        raise InputError(
            f"{name}: the rows of x have different shapes; pad them to one shape."
        ) from error


def _labels(y: Any, name: str) -> Any:
    """Targets as a pandas Series, or as an array (N, k)."""
    if isinstance(y, pd.Series):
        return y.reset_index(drop=True)
    values = y.detach().cpu().numpy() if isinstance(y, torch.Tensor) else np.asarray(y)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim not in (1, 2):
        raise InputError(f"{name}: y must be (N,) or (N, k), got shape {values.shape}.")
    return pd.Series(values) if values.ndim == 1 else values
