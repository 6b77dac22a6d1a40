"""Tables to one float32 tensor (N, F): numbers standardized, categories one-hot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from advisor.data.formats.columns import CATEGORY, TEXT, converted, kinds_of
from advisor.data.formats.texts import Texts
from advisor.data.inputs import Body
from advisor.data.layout import Rows
from advisor.data.raw import Raw, Told, plural
from advisor.data.splits import Part, TensorPart
from advisor.data.targets import RARE
from advisor.errors import InputError, listing

LEVELS = 50  # of a category that get a column of their own
MISSING = "(missing)"


def read_table(raws: Sequence[Raw], pool: Rows, told: Told) -> Body:
    """The columns of all rows: as texts if one of them holds texts, else as a table.

    Raises:
        InputError: a split lacks a column, or no column says anything.
    """
    table = _joined(raws, told)
    if raws[0].texts:
        return Texts(table[table.columns[0]].tolist(), pool, told)
    kinds = kinds_of(table.iloc[pool], told)
    texts = [name for name, kind in kinds.items() if kind == TEXT]
    if not texts:
        return Table(table, kinds, pool, told)
    others = [name for name in table.columns if name != texts[0]]
    if others:
        told.warn(
            f"column {texts[0]!r} holds texts and is the one input; not used: {listing(others)}"
        )
    return Texts(
        table[texts[0]].astype(object).where(table[texts[0]].notna(), "").map(str).tolist(),
        pool,
        told,
    )


def _joined(raws: Sequence[Raw], told: Told) -> pd.DataFrame:
    """The rows of all splits, with the columns of the first."""
    first = raws[0]
    tables: list[pd.DataFrame] = []
    for raw in raws:
        table: pd.DataFrame = raw.body.rename(columns=lambda name: str(name).strip())
        columns = tables[0].columns if tables else table.columns
        if len(columns) == 1 == table.shape[1]:
            table.columns = columns
        lacking = [name for name in columns if name not in table.columns]
        if lacking:
            raise InputError(f"{raw.name} lacks columns that {first.name} has: {listing(lacking)}.")
        extra = [name for name in table.columns if name not in columns]
        if extra:
            told.warn(
                f"{raw.name} has columns that {first.name} lacks, they are not used: {listing(extra)}"
            )
        tables.append(table[columns])
    return pd.concat(tables, ignore_index=True)


@dataclass
class Table(Body):
    """Numeric columns with their gaps, float64 (N, A), and one-hot columns, float32 (N, B)."""

    table: pd.DataFrame
    kinds: dict[str, str]
    pool: Rows
    told: Told
    numbers: np.ndarray[Any, Any] = field(init=False)
    hot: np.ndarray[Any, Any] = field(init=False)

    def __post_init__(self) -> None:
        columns = {name: converted(self.table[name], kind) for name, kind in self.kinds.items()}
        columns = {
            name: column for name, column in columns.items() if self._says_something(name, column)
        }
        numeric = [name for name in columns if self.kinds[name] != CATEGORY]
        named = [name for name in columns if self.kinds[name] == CATEGORY]
        if not columns:
            raise InputError(
                "no column of the table is left to learn from; give columns that differ between rows."
            )
        self.numbers = np.column_stack(
            [columns[name] for name in numeric] or [np.empty((len(self.table), 0))]
        )
        for name in numeric:
            self._tell_gaps(name, columns[name])
        self.hot = self._one_hot([columns[name] for name in named], named)

    def view(self, train: Rows) -> Part:
        """float32 (N, F): gaps filled with the median, mean 0 and deviation 1, both of the rows
        `train`.
        """
        if not self.numbers.shape[1]:
            return TensorPart((torch.from_numpy(self.hot),))
        fill = make_pipeline(
            SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()
        )
        numbers = fill.fit(self.numbers[train]).transform(self.numbers).astype(np.float32)
        return TensorPart((torch.from_numpy(np.concatenate([numbers, self.hot], axis=1)),))

    def keys(self) -> Any:
        """A hash of each row's numbers and categories, columns that say nothing left out."""
        cells = pd.DataFrame(np.concatenate([self.numbers, self.hot], axis=1))
        return pd.util.hash_pandas_object(cells, index=False).to_numpy()

    def _says_something(self, name: str, column: Any) -> bool:
        """Whether a column is neither constant nor an id; else it is dropped, and told."""
        known = column.iloc[self.pool]
        distinct = known.nunique()
        why = ""
        if distinct == 0 or (
            distinct == 1 and (self.kinds[name] != CATEGORY or known.notna().all())
        ):
            why = "it is the same in every row"
        elif self.kinds[name] == CATEGORY and distinct == len(known):
            why = "it is different in every row, like an id"
        if why:
            self.told.note(f"dropped column {name!r}: {why}")
        return not why

    def _tell_gaps(self, name: str, column: Any) -> None:
        missing = int(column.isna().sum())
        if missing:
            self.told.note(
                f"filled {plural(missing, 'missing value')} in {name} with the median of the training rows"
            )

    def _one_hot(self, columns: list[Any], names: list[str]) -> np.ndarray[Any, Any]:
        """One column per category of the pool; a category is missing only where the pool has gaps."""
        if not columns:
            return np.empty((len(self.table), 0), dtype=np.float32)
        table = pd.concat(
            [column.where(column.notna(), MISSING) for column in columns], axis=1, keys=names
        )
        for name in names:
            self._tell_levels(name, table[name])
        self._tell_rare(table)
        coder = OneHotEncoder(
            max_categories=LEVELS + 1,
            handle_unknown="infrequent_if_exist",
            sparse_output=False,
            dtype=np.float32,
        )
        cells = table.to_numpy(object)
        hot: np.ndarray[Any, Any] = coder.fit(cells[self.pool]).transform(cells)
        self.told.note(f"one-hot: {plural(len(names), 'column')} → {hot.shape[1]}")
        return hot

    def _tell_levels(self, name: str, column: Any) -> None:
        counts = column.iloc[self.pool].value_counts()
        if MISSING in counts.index:
            self.told.note(
                f"column {name!r}: {plural(int((column == MISSING).sum()), 'gap')} became a category of their own"
            )
        if len(counts) > LEVELS + 1:
            self.told.note(
                f"column {name!r} has {len(counts)} categories: kept the {LEVELS} most frequent, the rest is 'other'"
            )
        unseen = int((~column.isin(counts.index)).sum())
        if unseen:
            self.told.warn(
                f"column {name!r}: {plural(unseen, 'test row')} with a category that no other row has"
            )

    def _tell_rare(self, table: pd.DataFrame) -> None:
        """One sentence for all columns: many tables have such categories, and none is a reason to
        worry.
        """
        counts = {str(name): table[name].value_counts() for name in table.columns}
        few = {name: column for name, column in counts.items() if len(column) <= LEVELS + 1}
        rare = [
            f"{name} {level!r} ({count})"
            for name, column in few.items()
            for level, count in column.items()
            if count < RARE
        ]
        if rare:
            self.told.warn(f"categories with fewer than {RARE} rows: {listing(rare, 6)}")
