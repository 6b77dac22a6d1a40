"""Tables to one float32 tensor (N, F): numbers standardized, categories one-hot."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from advisor.data.dataset_rows import BatchInputs
from advisor.data.digests import digest_of_rows
from advisor.data.formats.categories import Category, one_hot_columns
from advisor.data.formats.columns import ColumnKind, is_constant, kinds_of, to_numbers
from advisor.data.formats.texts import TextInputs
from advisor.data.inputs import Inputs
from advisor.data.known_columns import KnownColumns
from advisor.data.layout import RowNumbers
from advisor.data.notes import Notes, plural
from advisor.data.raw import Raw
from advisor.data.splits import Part, TensorPart
from advisor.errors import InputError, listing

# Columns that are measured at once, so that no copy of a whole table is made.
BLOCK = 16

# An odd number with which the hashes of a row's cells are put together.
HASH_FACTOR = np.uint64(0x9E3779B97F4A7C15)

# The error of a table whose columns are all constant or ids.
NOTHING_TO_LEARN_FROM = (
    "no column of the table is left to learn from; give columns that differ between rows."
)


def read_table(raws: Sequence[Raw], pool: RowNumbers, notes: Notes) -> Inputs:
    """The columns of all rows: as texts if one of them holds texts, else as a table.

    Raises:
        InputError: a split lacks a column, or no column says anything.
    """
    table = _joined(raws, notes)
    if raws[0].texts:
        return TextInputs(table[table.columns[0]].tolist(), pool, notes)
    kinds = kinds_of(table, pool, notes)
    texts = [name for name, kind in kinds.items() if kind is ColumnKind.TEXT]
    if not texts:
        return TableInputs(table, kinds, pool, notes)

    # A model that takes texts takes nothing beside them.
    name = texts[0]
    others = [other for other in table.columns if other != name]
    if others:
        notes.warn(f"column {name!r} holds texts and is the one input; not used: {listing(others)}")
    words = table[name].astype(object).where(table[name].notna(), "")
    dates = tuple(other for other in others if kinds[other] is ColumnKind.DATE)
    return TextInputs(words.map(str).tolist(), pool, notes, dates)


def _joined(raws: Sequence[Raw], notes: Notes) -> pd.DataFrame:
    """The rows of all splits, with the columns of the first."""
    name = raws[0].name
    tables: list[pd.DataFrame] = []
    for raw in raws:
        table: pd.DataFrame = raw.inputs.rename(columns=lambda column: str(column).strip())
        # Two tables of one column each mean the same column, whatever its names.
        columns = tables[0].columns if tables else table.columns
        if len(columns) == 1 == table.shape[1]:
            table.columns = columns
        lacking = [column for column in columns if column not in table.columns]
        if lacking:
            raise InputError(f"{raw.name} lacks columns that {name} has: {listing(lacking)}.")
        extra = [column for column in table.columns if column not in columns]
        if extra:
            notes.warn(
                f"{raw.name} has columns that {name} lacks, they are not used: {listing(extra)}"
            )
        tables.append(table[columns] if tables else table)
    return tables[0] if len(tables) == 1 else pd.concat(tables, ignore_index=True)


class UsefulColumns:
    """The columns of a table that differ between the rows `pool`; the others are noted.

    Attributes:
        numbers: the columns of numbers and dates, float64 (N, A), NaN for a gap.
        names: their names.
        categories: the other columns by name.
    """

    def __init__(
        self,
        table: pd.DataFrame,
        kinds: Mapping[str, ColumnKind],
        pool: RowNumbers,
        notes: Notes,
    ) -> None:
        self.names: list[str] = []
        self.categories: dict[str, Category] = {}
        # One column after the other, so that no second table is made on the way.
        width = sum(kind is not ColumnKind.CATEGORY for kind in kinds.values())
        numbers = np.empty((len(table), width))
        for name, kind in kinds.items():
            if kind is ColumnKind.CATEGORY:
                category = Category.of(table[name])
                why = category.why_useless(pool)
                if not why:
                    self.categories[name] = category
            else:
                column = to_numbers(table[name], kind).to_numpy()
                why = "it is the same in every row" if is_constant(column, pool) else ""
                if not why:
                    numbers[:, len(self.names)] = column
                    self.names.append(name)
            if why:
                notes.note(f"dropped column {name!r}: {why}")
        self.numbers = np.ascontiguousarray(numbers[:, : len(self.names)])


class TableInputs(Inputs):
    """The cells of all rows as they were read, which every part shares: numbers with their gaps
    (N, A), and the one-hot column of each category, int32 (N, B).

    Numbers are kept in float64, or in float32 where that loses nothing, and are standardized as
    they are taken, so that no seed needs a table of its own.
    """

    def __init__(
        self,
        table: pd.DataFrame,
        kinds: Mapping[str, ColumnKind],
        pool: RowNumbers,
        notes: Notes,
    ) -> None:
        cells = UsefulColumns(table, kinds, pool, notes)
        if not cells.names and not cells.categories:
            raise InputError(NOTHING_TO_LEARN_FROM)
        self.columns = (*cells.names, *cells.categories)
        self._names = (tuple(cells.names), tuple(cells.categories))
        self._dates = tuple(name for name in cells.names if kinds[name] is ColumnKind.DATE)

        # Each column with gaps is filled anew for each seed, so only its number is kept.
        self._numbers = _as_narrow(cells.numbers)
        self._gaps: list[int] = []
        for column, name in enumerate(cells.names):
            missing = int(self._numbers[:, column].isnan().sum())
            if missing:
                self._gaps.append(column)
                count = plural(missing, "missing value")
                notes.note(f"filled {count} in {name} with the median of the training rows")
        hot, self._width = one_hot_columns(cells.categories, len(table), pool, notes)
        self._hot = torch.from_numpy(hot)

    def part(self, train: RowNumbers) -> Part:
        """float32 (N, F): gaps filled with the median, mean 0 and deviation 1, both of the rows
        `train`.
        """
        # The median of a column that has only gaps is 0.
        medians = torch.zeros(self._numbers.shape[1], dtype=torch.float64)
        for column in self._gaps:
            cells = self._numbers[:, column].numpy()[train]
            cells = cells[~np.isnan(cells)].astype(np.float64)
            medians[column] = float(np.median(cells)) if len(cells) else 0.0
        means, deviations = self._moments(train, medians)
        finish = TableBatch(means, deviations, medians if self._gaps else None, self._width)
        return TensorPart((self._numbers, self._hot), finish=finish)

    def _moments(
        self, train: RowNumbers, medians: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and deviation of each column of numbers over the rows `train`, float64 (A,)."""
        numbers = self._numbers.numpy()
        width = numbers.shape[1]
        means, deviations = np.zeros(width), np.ones(width)
        # Equal blocks: a block of one column would be summed in another order than a table is.
        blocks = np.array_split(np.arange(width), math.ceil(width / BLOCK)) if width else []
        for columns in blocks:
            cells = np.take(numbers[:, columns[0] : columns[-1] + 1], train, axis=0)
            cells = cells.astype(np.float64, copy=False)
            if self._gaps:
                cells = np.where(np.isnan(cells), medians[columns].numpy(), cells)
            means[columns], deviations[columns] = moments_of(cells)
        return torch.from_numpy(means), torch.from_numpy(deviations)

    def keys(self) -> np.ndarray[Any, Any]:
        """A hash of each row's numbers and categories, without the columns that say nothing."""
        # Unsigned numbers overflow silently, which is what hashing wants.
        keys = np.zeros(len(self._numbers), np.uint64)
        for columns in (self._numbers.numpy(), self._hot.numpy()):
            for column in columns.T:
                cells = np.ascontiguousarray(column)
                keys = keys * HASH_FACTOR + pd.util.hash_array(cells)
        return keys

    @property
    def known_columns(self) -> KnownColumns:
        """The columns that differ between rows; rare levels of a category are one."""
        names, categories = self._names
        return KnownColumns(
            dict(zip(names, self._numbers.numpy().T, strict=True)),
            dict(zip(categories, self._hot.numpy().T, strict=True)),
            self._dates,
        )

    def digest(self, rows: slice) -> str:
        """A digest of the cells of some neighbouring rows."""
        return digest_of_rows((self._numbers, self._hot), rows)


@dataclass(frozen=True)
class TableBatch:
    """Turns the cells of some rows into one float32 tensor (B, F).

    Attributes:
        means: of each column of numbers, float64 (A,).
        deviations: of each column of numbers, float64 (A,); 1 for a constant column.
        medians: what fills the gaps of each column, float64 (A,); None without gaps.
        width: how many one-hot columns there are.
    """

    means: torch.Tensor
    deviations: torch.Tensor
    medians: torch.Tensor | None
    width: int

    def __call__(self, inputs: BatchInputs) -> BatchInputs:
        """`(numbers, one-hot columns)` of some rows as `(table,)`."""
        numbers, hot = inputs
        numbers = numbers.double()
        if self.medians is not None:
            numbers = torch.where(numbers.isnan(), self.medians, numbers)
        numbers = (numbers - self.means).div_(self.deviations).float()
        if not self.width:
            return (numbers,)
        # A cell without a column adds 0 to the first.
        table = torch.cat([numbers, numbers.new_zeros(len(numbers), self.width)], 1)
        places = hot.clamp(min=0).long() + numbers.shape[1]
        table.scatter_add_(1, places, (hot >= 0).float())
        return (table,)


def moments_of(cells: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Mean and deviation of each column of `cells`, float64 (n, A), which are written to.

    The corrected two-pass algorithm of Chan, Golub and LeVeque (1983), step by step as in
    scikit-learn's `StandardScaler`, so that the numbers are the same. The deviation of a column
    that is constant up to rounding is 1.
    """
    # The second sum corrects what the first one lost by rounding.
    rows = len(cells)
    means = cells.sum(axis=0) / rows
    cells -= means
    rounding = cells.sum(axis=0) ** 2 / rows
    cells **= 2
    variances = (cells.sum(axis=0) - rounding) / rows

    # Dividing by a deviation that is all rounding would blow up noise.
    epsilon = np.finfo(np.float64).eps
    largest_error = rows * epsilon * variances + (rows * means * epsilon) ** 2
    return means, np.where(variances <= largest_error, 1.0, np.sqrt(variances))


def _as_narrow(numbers: np.ndarray[Any, Any]) -> torch.Tensor:
    """The numbers as float32 where that is exact for all of them, else as float64."""
    # A number above the largest float32 becomes infinite, and is not equal.
    with np.errstate(over="ignore"):
        for column in numbers.T:
            if not np.array_equal(column.astype(np.float32), column, equal_nan=True):
                return torch.from_numpy(numbers)
        return torch.from_numpy(numbers.astype(np.float32))
