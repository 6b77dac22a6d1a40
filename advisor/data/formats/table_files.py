"""Reads tables from CSV, TSV and Parquet files."""

from __future__ import annotations

import csv
import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from advisor.data.formats.text_files import first_line, has_decimal_commas, read_utf8
from advisor.data.notes import Notes
from advisor.errors import InputError

# How pandas parses a file: the kind of a column depends on all its cells, and no column is an
# index.
PARSER_OPTIONS: dict[str, Any] = {
    "skipinitialspace": True,
    "na_values": ["?"],
    "index_col": False,
    "low_memory": False,
}

# What pandas raises when lines do not fit together.
PARSER_PROBLEMS = (
    pd.errors.ParserError,
    pd.errors.ParserWarning,
    pd.errors.EmptyDataError,
    ValueError,
)

# What may stand between the cells of a CSV file.
SEPARATORS = (",", ";", "\t", "|")


def read_csv(path: Path, notes: Notes) -> pd.DataFrame:
    """A CSV or TSV file as a table, whatever its separator and encoding and whether or not it has a
    header.

    Raises:
        InputError: the file is empty, has only a header, or its lines have different numbers of
            cells.
    """
    # The first line shows the separator, the values below it whether it is a header.
    content = read_utf8(path, notes)
    first = first_line(content)
    if not first:
        raise InputError(f"{path} is empty. Give a file with a header and rows.")
    separator = "\t" if path.suffix == ".tsv" else max(SEPARATORS, key=first.count)
    decimal = "," if separator == ";" and has_decimal_commas(content.decode()) else "."
    table = _parse(content, path, separator, decimal, header=0)
    if _is_data(first, separator, table):
        table = _parse(content, path, separator, decimal, header=None)
        table.columns = pd.Index([f"col{i}" for i in range(table.shape[1])])
        notes.note(
            f"{path.name}: its first row looks like data, so the columns are called col0 to "
            f"col{table.shape[1] - 1}"
        )
    return _checked(table, path, notes)


def _parse(
    content: bytes, path: Path, separator: str, decimal: str, header: int | None
) -> pd.DataFrame:
    """The table in a file's content. Raises `InputError` when its lines do not fit together."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            source = io.BytesIO(content)
            table: pd.DataFrame = pd.read_csv(
                source, sep=separator, decimal=decimal, header=header, **PARSER_OPTIONS
            )
            return table
    except PARSER_PROBLEMS as error:
        raise InputError(
            f"{path} cannot be read as a table: {str(error).strip()}. Check its separators and "
            "quotes."
        ) from error


def _is_data(first: str, separator: str, table: pd.DataFrame) -> bool:
    """Whether the first line parses like the rows below it: numbers over numbers, or else words
    that occur below.
    """
    header = next(csv.reader([first], delimiter=separator, skipinitialspace=True))
    is_numbered = header == [str(i) for i in range(len(header))]
    if is_numbered or len(table) == 0:
        return False
    # Where there are numbers below, only what stands over them counts.
    columns = [table.iloc[:, i] for i in range(table.shape[1])]
    cells = list(zip(header, columns, strict=False))
    over_numbers = []
    for cell, column in cells:
        if is_numeric_dtype(column) and not is_bool_dtype(column):
            over_numbers.append(cell)
    if over_numbers:
        return all(_is_number(cell) for cell in over_numbers)
    return all(cell.strip() in set(column.astype(str)) for cell, column in cells)


def _is_number(cell: str) -> bool:
    """Whether a cell is a number or a gap."""
    try:
        float(cell or "0")
    except ValueError:
        return cell.strip() == "?"
    return True


def _checked(table: pd.DataFrame, path: Path, notes: Notes) -> pd.DataFrame:
    """A table that has rows and no column that only counts them."""
    if len(table) == 0:
        raise InputError(f"{path} has a header and no rows. Give a file with rows.")
    first = table.columns[0]
    if str(first).startswith("Unnamed: 0") and np.array_equal(table[first], np.arange(len(table))):
        notes.note(f"{path.name}: left out the first column, which numbers the rows")
        table = table.drop(columns=first)
    return table.reset_index(drop=True)


def read_parquet(path: Path, notes: Notes) -> pd.DataFrame:
    """A Parquet file as a table. Raises `InputError` when it is not Parquet or has no rows."""
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as Parquet: {error}") from error
    return _checked(table, path, notes)
