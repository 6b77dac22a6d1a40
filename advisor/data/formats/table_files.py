"""Reads tables from CSV, TSV and Parquet files."""

from __future__ import annotations

import csv
import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_float_dtype, is_integer_dtype, is_numeric_dtype

from advisor.data.formats.columns import words_per_cell
from advisor.data.formats.headers import judge
from advisor.data.formats.number_cells import DecimalSign, written_numbers
from advisor.data.formats.quotes import mended
from advisor.data.formats.readings import THOUSANDS
from advisor.data.formats.separators import (
    ONE_COLUMN,
    SAMPLE_LINES,
    Separation,
    rows_of,
    separation_of,
)
from advisor.data.formats.text_files import first_lines, read_utf8
from advisor.data.notes import Notes, plural
from advisor.errors import InputError, listing, one_line, short

GAPS = (
    *("", "?", "NA", "N/A", "n/a", "#N/A", "#NA", "#N/A N/A", "<NA>"),
    *("NaN", "nan", "-NaN", "-nan", "NULL", "null"),
)
"""What stands for a gap in every column; `None` may be the name of a class."""

PARSER_OPTIONS: dict[str, Any] = {
    "skipinitialspace": True,
    "keep_default_na": False,
    "na_values": GAPS,
    "index_col": False,
    "low_memory": False,
}
"""How pandas parses a file: the kind of a column depends on all its cells, and no column is an
index.
"""

PARSER_PROBLEMS = (
    pd.errors.ParserError,
    pd.errors.ParserWarning,
    pd.errors.EmptyDataError,
    ValueError,
)
"""What pandas raises when lines do not fit together."""

SEPARATOR_NAMES = {
    ",": "commas",
    ";": "semicolons",
    "\t": "tabs",
    "|": "bars",
    r"\s+": "blanks",
    ONE_COLUMN: "nothing",
}
"""How a person calls separators."""

UNNAMED = "Unnamed: "
"""How pandas begins the name of a column whose header is empty."""

LABEL_WORDS = 1.5
"""Words per cell up to which a column beside texts holds their labels."""


def read_csv(path: Path, notes: Notes) -> pd.DataFrame:
    """A CSV or TSV file as a table, whatever its separator and encoding and whether or not it has a
    header.

    Raises:
        InputError: the file is empty, has only a header, or its lines have different numbers of
            cells.
    """
    return table_of(read_utf8(path, notes), path, notes)


def table_of(
    content: bytes, path: Path, notes: Notes, separation: Separation | None = None
) -> pd.DataFrame:
    """The table in the content of a file, as `read_csv`.

    Arguments:
        content: in UTF-8.
        path: names the file in sentences.
        notes: gets sentences on how it was read.
        separation: how lines are separated into cells, where that is known.
    """
    lines = first_lines(content, SAMPLE_LINES)
    if not lines:
        raise InputError(f"{path} is empty. Give a file with a header and rows.")
    if separation is None:
        separation = separation_of(lines)
    content = _without_titles(content, lines, separation, path, notes)
    content = _without_lone_quotes(content, separation, path, notes)
    content = _with_whole_header(content, separation)

    # The rows below the first one show whether it is a header.
    table = _parse(content, path, separation.separator, header=0)
    first = _first_row(content, separation.separator)
    header = judge(first, [table.iloc[:, place] for place in range(table.shape[1])])
    if not header.is_header:
        table = _parse(content, path, separation.separator, header=None)
        table.columns = pd.Index(_own_names(table))
    table = _with_points_of_thousands(table, content, separation.separator, header.is_header)
    table = _checked(table, path, notes)
    _tell(table, path, separation, header.is_header, notes)
    if header.is_header and not header.is_sure:
        notes.note(f"{path.name}: the first row is taken as the names of the columns")
    return table


def _without_titles(
    content: bytes, lines: list[str], separation: Separation, path: Path, notes: Notes
) -> bytes:
    """The content from the first line of the table on."""
    titles = lines[: separation.above]
    for title in titles:
        content = content[content.index(title.encode()) + len(title.encode()) :].lstrip(b"\n")
        if not title.startswith("sep="):
            notes.note(f"{path.name}: left out the line above the table, {short(title)!r}")
    return content


def _without_lone_quotes(content: bytes, separation: Separation, path: Path, notes: Notes) -> bytes:
    """The content in which a quote that is never closed is a letter."""
    content, lone = mended(content, separation.separator, separation.width)
    if lone:
        where = f"{plural(len(lone), 'line')} ({listing(lone, 4)})"
        notes.warn(
            f"{path.name}: {where} open a quote that is never closed; it is read as a letter"
        )
    return content


def _first_row(content: bytes, separator: str) -> list[str]:
    """The cells of the first row, which may stand on several lines."""
    lines = [f"{line}\n" for line in first_lines(content, SAMPLE_LINES)]
    if separator == r"\s+":
        return lines[0].split()
    return next(csv.reader(lines, delimiter=separator, skipinitialspace=True))


def _with_whole_header(content: bytes, separation: Separation) -> bytes:
    """The content with a header as wide as the rows, which may begin with row names or end with a
    separator.
    """
    lines = first_lines(content, SAMPLE_LINES)
    rows = rows_of(lines, separation.separator) if len(separation.separator) == 1 else []
    if len(rows) < 3 or len(rows[0]) != separation.width - 1:
        return content
    below = [row for row in rows[1:] if len(row) == separation.width]
    line, sign = lines[0].encode(), separation.separator.encode()
    if all(not row[-1] for row in below):
        return content.replace(line, line + sign, 1)
    # R writes the names of rows without a header above them.
    if len({row[0] for row in below}) == len(rows) - 1:
        return content.replace(line, sign + line, 1)
    return content


def _parse(
    content: bytes, path: Path, separator: str, header: int | None, **options: Any
) -> pd.DataFrame:
    """The table in a file's content. Raises `InputError` when its lines do not fit together."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            source = io.BytesIO(content)
            table: pd.DataFrame = pd.read_csv(
                source, sep=separator, header=header, **PARSER_OPTIONS, **options
            )
            return table
    except PARSER_PROBLEMS as error:
        between = SEPARATOR_NAMES.get(separator, repr(separator))
        raise InputError(
            f"{path} cannot be read as a table of cells between {between}: "
            f"{one_line(str(error)).rstrip('.')}. Check its separators and quotes."
        ) from error


def _own_names(table: pd.DataFrame) -> list[str]:
    """Names for columns that have none: `col0`, `col1`, …, or `text` and `label` for these two."""
    names = [f"col{place}" for place in range(table.shape[1])]
    if len(names) != 2 or any(is_float_dtype(table[place]) for place in table):
        return names
    words = [
        0.0 if is_numeric_dtype(table[place]) else words_per_cell(table[place]) for place in table
    ]
    text = int(np.argmax(words))
    labels = table.iloc[:, 1 - text]
    if words[text] <= LABEL_WORDS or labels.nunique() * 2 > len(labels):
        return names
    return ["text", "label"] if text == 0 else ["label", "text"]


def _with_points_of_thousands(
    table: pd.DataFrame, content: bytes, separator: str, has_header: bool
) -> pd.DataFrame:
    """A table with decimal commas, whose numbers like 1.234 are words, as they are thousands."""
    floats = [place for place in range(table.shape[1]) if _may_be_thousands(table.iloc[:, place])]
    if not floats or not any(_has_decimal_commas(table[name]) for name in table):
        return table
    options = {"dtype": str, "usecols": floats}
    header = 0 if has_header else None
    cells = pd.read_csv(
        io.BytesIO(content), sep=separator, header=header, **{**PARSER_OPTIONS, **options}
    )
    for place, name in zip(floats, cells.columns, strict=True):
        if cells[name].dropna().str.fullmatch(THOUSANDS).all():
            table[table.columns[place]] = cells[name]
    return table


def _may_be_thousands(column: Any) -> bool:
    """Whether numbers have three decimals at most and three digits before them."""
    if not is_float_dtype(column):
        return False
    values = column.dropna().to_numpy()
    return len(values) > 0 and bool(
        (np.abs(values) < 1000).all()
        and np.allclose(values * 1000, np.round(values * 1000), rtol=0, atol=1e-6)
        and (values % 1 != 0).any()
    )


def _has_decimal_commas(column: Any) -> bool:
    """Whether a column of words holds numbers with decimal commas."""
    if is_numeric_dtype(column):
        return False
    cells = pd.Series(column.dropna().astype(str).unique()[:SAMPLE_LINES], dtype=object)
    counts = {sign: reading.count for sign, reading in written_numbers(cells).items()}
    return counts[DecimalSign.COMMA] > counts[DecimalSign.POINT]


def _tell(
    table: pd.DataFrame, path: Path, separation: Separation, has_header: bool, notes: Notes
) -> None:
    """A sentence on what the file was taken for."""
    size = f"{plural(len(table), 'row')} and {plural(table.shape[1], 'column')}"
    if table.shape[1] > 1:
        size += f" between {SEPARATOR_NAMES.get(separation.separator, repr(separation.separator))}"
    if has_header:
        notes.note(f"{path.name}: {size}, named by the first row")
        return
    columns = [str(name) for name in table.columns]
    called = f"{columns[0]} to {columns[-1]}" if len(columns) > 2 else " and ".join(columns)
    notes.note(f"{path.name}: {size}; its first row looks like data, so they are called {called}")


def _checked(table: pd.DataFrame, path: Path, notes: Notes) -> pd.DataFrame:
    """A table that has rows and no column that only counts them."""
    is_blank = table.isna().all(axis=1)
    if is_blank.any() and table.shape[1] > 1:
        notes.note(f"{path.name}: left out {plural(int(is_blank.sum()), 'empty row')}")
        table = table[~is_blank]
    if len(table) == 0:
        raise InputError(f"{path} has a header and no rows. Give a file with rows.")
    return _without_unnamed(table, path, notes).reset_index(drop=True)


def _without_unnamed(table: pd.DataFrame, path: Path, notes: Notes) -> pd.DataFrame:
    """A table without columns of row numbers, and of separators at the ends of lines."""
    for name in table.columns:
        if not str(name).startswith(UNNAMED):
            continue
        column = table[name]
        if column.isna().all():
            notes.note(f"{path.name}: left out a column without a name and cells")
            table = table.drop(columns=name)
        elif name == table.columns[0] and is_integer_dtype(column) and column.is_unique:
            notes.note(f"{path.name}: left out the first column, which numbers the rows")
            table = table.drop(columns=name)
    return table


def read_parquet(path: Path, notes: Notes) -> pd.DataFrame:
    """A Parquet file as a table. Raises `InputError` when it is not Parquet or has no rows."""
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as Parquet: {one_line(str(error))}") from error
    return _checked(with_index(table, path.name, notes), path, notes)


def with_index(table: pd.DataFrame, name: str, notes: Notes) -> pd.DataFrame:
    """A table whose index is a column, or columns, if it says more than row numbers do."""
    table = table.copy(deep=False)
    index = table.index
    if table.columns.nlevels > 1:
        table.columns = ["_".join(filter(None, map(str, levels))) for levels in table.columns]
        notes.note(f"{name}: the levels of its columns are read as {listing(table.columns)}")
    has_names = any(level is not None for level in index.names)
    if not has_names and (index.nlevels == 1 and is_integer_dtype(index.dtype)):
        return table.reset_index(drop=True)
    repeated = [level for level in index.names if level in table.columns]
    if repeated:
        table.index = index.set_names([f"{level} (index)" for level in index.names])
    moved = table.reset_index()
    columns = [str(column) for column in moved.columns[: index.nlevels]]
    notes.note(f"{name}: its index is read as {listing(map(repr, columns))}")
    return moved
