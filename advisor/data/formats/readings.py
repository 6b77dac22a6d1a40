"""Decides how each column of words is read: as numbers, as dates, or as the words they are."""

from __future__ import annotations

import datetime
import decimal
import numbers
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_object_dtype, is_string_dtype

from advisor.data.formats.date_cells import WrittenDates, written_dates
from advisor.data.formats.number_cells import DecimalSign, WrittenNumbers, written_numbers
from advisor.data.notes import Notes
from advisor.data.raw import Raw
from advisor.errors import InputError, listing, short

GAP_WORDS = {
    *("-", "--", "---", "—", "–", ".", "..", "*"),
    *("n/a", "n.a.", "na", "nan", "nil", "none", "null", "missing", "unknown", "unk", "tbd"),
    *("#n/a", "#value!", "#div/0!", "#ref!"),
}
"""Words that stand for a gap among numbers or dates, in small letters."""

THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}\.\d{3}")
"""A number that is one of thousands, where decimals follow a comma."""

SAMPLE = 200
"""Distinct cells that show of most columns that they hold words."""

MANY = 20
"""Distinct numbers or dates above which a column may hold other cells, too, which become gaps."""

SHARE = 0.9
"""The share of a column's distinct cells that are numbers or dates, where the others are gaps."""

PLAIN_CELLS = (str, numbers.Real, decimal.Decimal, datetime.date)
"""Types of cells in a column of Python objects that are read by what they look like."""


@dataclass(frozen=True)
class Column:
    """A column of words that holds numbers or dates.

    Attributes:
        name: its name without blanks around it.
        cells: its distinct cells in all splits, without gaps.
        known: which of them stand in another split than test.
        readings: what the cells may mean, the usual reading first.
    """

    name: str
    cells: Any
    known: Any
    readings: tuple[WrittenNumbers | WrittenDates, ...]

    def read_as(self) -> WrittenNumbers | WrittenDates:
        """The reading that was chosen."""
        return self.readings[0]


def read_columns(raws: Mapping[str, Raw], notes: Notes) -> dict[str, Raw]:
    """Tables whose written numbers are float64 and whose written dates are datetime64; the rest as
    it is.

    Each column is decided by its own cells in all splits but test. Only where they allow two
    readings, the other columns say which one it is.

    Raises:
        InputError: a column holds complex numbers.
    """
    decided = decided_columns(raws, notes)
    if not decided:
        return dict(raws)
    _tell(decided, notes)
    changed = dict(raws)
    for split, raw in raws.items():
        if _is_table(raw):
            changed[split] = replace(raw, inputs=_converted(raw.inputs, decided))
    return changed


def decided_columns(raws: Mapping[str, Raw], notes: Notes) -> list[Column]:
    """The columns of words that hold numbers or dates, each with the one reading that was chosen.

    Raises `InputError` as `read_columns`.
    """
    tables = {split: raw.inputs for split, raw in raws.items() if _is_table(raw)}
    _check_cells(raws, tables)
    columns = []
    for name in _names(tables):
        column = _look_at(name, {split: _column(table, name) for split, table in tables.items()})
        if column is not None:
            columns.append(column)
    return _decided(columns, notes) if columns else []


def _check_cells(raws: Mapping[str, Raw], tables: Mapping[str, Any]) -> None:
    """Raises `InputError` when a column holds complex numbers."""
    for split, table in tables.items():
        wrong = [name for name in table.columns if table[name].dtype.kind == "c"]
        if wrong:
            raise InputError(
                f"{raws[split].name} has complex numbers in {listing(map(repr, wrong))}; give "
                "their parts as columns."
            )


def _is_table(raw: Raw) -> bool:
    """Whether rows are a table, whose columns may be anything."""
    return isinstance(raw.inputs, pd.DataFrame) and not raw.texts


def _names(tables: Mapping[str, Any]) -> list[str]:
    """The names of all columns, without blanks around them, in order."""
    names = [str(name).strip() for table in tables.values() for name in table.columns]
    return list(dict.fromkeys(names))


def _column(table: Any, name: str) -> Any:
    """The column of a table, None where it has none."""
    for place, other in enumerate(table.columns):
        if str(other).strip() == name:
            return table.iloc[:, place]
    return None


def _look_at(name: str, by_split: Mapping[str, Any]) -> Column | None:
    """What a column of words may hold beside words; None for any other column."""
    words = {split: _words(column) for split, column in by_split.items()}
    present = {split: cells for split, cells in words.items() if cells is not None}
    if not present:
        return None
    pool = [cells for split, cells in present.items() if split != "test"]
    known = pd.Series(pd.concat(pool or [*present.values()]).unique(), dtype=object)
    if not len(known) or _are_plain(known):
        return None

    # A sample shows of most columns that they hold words.
    if not _readings(known.iloc[:: max(1, len(known) // SAMPLE)], known, share=0.5):
        return None
    cells = pd.Series(pd.concat([known, *present.values()]).unique(), dtype=object)
    readings = _readings(cells, known, SHARE)
    return Column(name, cells, known, readings) if readings else None


def _are_plain(cells: Any) -> bool:
    """Whether cells are numbers to everybody, and none of them may be one of thousands."""
    if not pd.to_numeric(cells, errors="coerce").notna().all():
        return False
    return not cells.str.fullmatch(THOUSANDS).all()


def _words(column: Any) -> Any:
    """The distinct cells of a column of words, stripped and without gaps; None for another one."""
    if column is None or not (is_string_dtype(column) or is_object_dtype(column)):
        return None
    cells = column.dropna()
    if is_object_dtype(column):
        is_plain = cells.map(
            lambda cell: isinstance(cell, PLAIN_CELLS) and not isinstance(cell, bool)
        )
        if not is_plain.all():
            return None
    distinct = pd.Series(cells.unique()).astype(object)
    stripped = pd.Series(distinct.map(lambda cell: str(cell).strip()).unique(), dtype=object)
    return stripped[~stripped.isin(["", "?"])]


def _readings(cells: Any, known: Any, share: float) -> tuple[WrittenNumbers | WrittenDates, ...]:
    """The readings that fit to the cells, by those of them that are `known`."""
    written = written_numbers(cells)
    fitting = [reading for reading in written.values() if _fits(reading, known, share)]
    if len(fitting) > 1:
        point, comma = fitting
        # The reading of more cells is the right one, and equal readings are one.
        if point.count != comma.count:
            return (max(fitting, key=lambda reading: reading.count),)
        is_same = np.array_equal(point.values, comma.values, equal_nan=True)
        return (point,) if is_same else (point, comma)
    if fitting:
        return tuple(fitting)
    dates = written_dates(cells)
    return (dates,) if _fits(dates, known, share) else ()


def _fits(reading: WrittenNumbers | WrittenDates, known: Any, share: float) -> bool:
    """Whether a reading takes all known cells, or so many that the others are gaps."""
    is_read = reading.values.reindex(known).dropna()
    sampled = reading.values.index.intersection(pd.Index(known))
    count, whole = len(is_read), len(sampled)
    if count == whole:
        return count > 0
    are_gaps = sampled.str.lower().isin(GAP_WORDS)
    enough = share < SHARE or count > MANY
    return bool(enough and count >= share * (whole - are_gaps.sum()))


def _evidence(columns: list[Column]) -> tuple[set[str], set[DecimalSign]]:
    """The orders of day and month, and the decimal signs, that columns show beyond doubt."""
    orders: set[str] = set()
    signs: set[DecimalSign] = set()
    for column in columns:
        reading = column.read_as()
        if isinstance(reading, WrittenDates):
            orders |= {reading.order} if reading.order and not reading.is_ambiguous else set()
        elif len(column.readings) == 1 and _depends_on_sign(column, reading):
            signs.add(reading.sign)
    return orders, signs


def _decided(columns: list[Column], notes: Notes) -> list[Column]:
    """The columns, of which each has one reading."""
    orders, signs = _evidence(columns)
    decided = []
    for column in columns:
        reading = column.read_as()
        if isinstance(reading, WrittenDates) and reading.is_ambiguous:
            reading = _date_order(column, orders, notes)
        elif len(column.readings) > 1:
            reading = _decimal_sign(column, signs, notes)
        decided.append(replace(column, readings=(reading,)))
    return decided


def _depends_on_sign(column: Column, reading: WrittenNumbers) -> bool:
    """Whether numbers mean something else, or nothing, with the other decimal sign."""
    for other in written_numbers(column.cells).values():
        if not np.array_equal(other.values, reading.values, equal_nan=True):
            return True
    return False


def _date_order(column: Column, orders: set[str], notes: Notes) -> WrittenDates:
    """The dates of a column whose cells do not show whether the day comes first."""
    if len(orders) == 1:
        return written_dates(column.cells, is_day_first=orders == {"day first"})
    example = column.cells.iloc[0]
    notes.warn(
        f"column {column.name!r}: nothing shows whether {short(example)!r} has the month or the "
        "day first; it is read month first. Write 2024-12-31 to be sure"
    )
    return written_dates(column.cells, is_day_first=False)


def _decimal_sign(column: Column, signs: set[DecimalSign], notes: Notes) -> WrittenNumbers:
    """The numbers of a column whose cells do not show which sign is the decimal one."""
    point, comma = [reading for reading in column.readings if isinstance(reading, WrittenNumbers)]
    if len(signs) == 1:
        return comma if DecimalSign.COMMA in signs else point
    differ = (point.values - comma.values).abs() > 0
    example = str(point.values.index[differ.to_numpy()][0])
    if "," not in example:
        read, other = point.values[example], comma.values[example]
        notes.warn(
            f"column {column.name!r}: {short(example)!r} is read as {read:.10g}, and might be "
            f"{other:.10g}"
        )
    return point


def _tell(columns: list[Column], notes: Notes) -> None:
    """Sentences on all columns of numbers, on each column of dates, and on cells that are none."""
    told = []
    for column in columns:
        reading = column.read_as()
        values = reading.values.reindex(column.known).dropna()
        example = _example(values)
        if isinstance(reading, WrittenNumbers):
            told.append(f"{column.name!r} ({short(example)!r} → {values[example]:.10g})")
        elif reading.formats:
            day = ", ".join(filter(None, (f"{values[example]:%Y-%m-%d}", reading.order)))
            notes.note(f"column {column.name!r}: dates, {short(example)!r} is {day}")
        else:
            notes.note(f"column {column.name!r}: times of day, such as {short(example)!r}")
        _tell_gaps(column, notes)
    if told:
        notes.note(f"read as numbers: {listing(told, 30)}")


def _example(values: Any) -> str:
    """The first cell that is not written plainly."""
    is_odd = pd.to_numeric(pd.Series(values.index), errors="coerce").isna().to_numpy()
    return str(values.index[int(is_odd.argmax())])


def _tell_gaps(column: Column, notes: Notes) -> None:
    """A warning of cells that the reading does not take."""
    reading = column.read_as()
    wrong = reading.values.index[reading.values.isna()]
    if len(wrong):
        what = "numbers" if isinstance(reading, WrittenNumbers) else "dates"
        cells = listing((repr(short(cell)) for cell in wrong), 4)
        notes.warn(f"column {column.name!r}: cells that are no {what} count as gaps ({cells})")


def _converted(table: Any, columns: list[Column]) -> Any:
    """A table whose decided columns of words have their values."""
    changes = {}
    by_name = {str(name).strip(): name for name in table.columns}
    for column in columns:
        cells = table[by_name[column.name]] if column.name in by_name else None
        if cells is None or _words(cells) is None:
            continue
        # Equal cells are looked up once.
        codes, distinct = pd.factorize(cells)
        keys = pd.Series(distinct, dtype=object).map(lambda cell: str(cell).strip())
        values = column.read_as().values.reindex(keys).to_numpy()
        missing = np.array([np.nan if values.dtype.kind == "f" else "NaT"], values.dtype)
        changes[by_name[column.name]] = pd.Series(np.append(values, missing)[codes], table.index)
    return pd.DataFrame({name: changes.get(name, table[name]) for name in table.columns})
