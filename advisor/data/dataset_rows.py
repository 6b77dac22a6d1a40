"""Where the rows of a batch come from when they are not all one set of tensors: items of a Dataset,
put together.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch
from torch.utils.data import Dataset

from advisor.data.dataset_digests import code_of_dataset, digest_of_dataset
from advisor.data.datasets import collate
from advisor.data.digests import digest_of_rows
from advisor.data.items import as_inputs, split_item
from advisor.data.raw import Raw, RawKind
from advisor.errors import DataError, InputError, explain
from advisor.nested import ids_in, mapped

BatchInputs = tuple[Any, ...]  # one tensor, or structure of tensors, per input of the model

# What a `collate_fn` must give, for error messages.
LABEL_ADVICE = (
    "it must return (x, y), or a dictionary with the labels under labels, label, target or y; say "
    "which element or key with target=… (--target)"
)

# Rows in the first batch, which shows whether `collate_fn` gives one label per row.
TRIAL_ROWS = 8


class RowReader(Protocol):
    """Rows that can be read by number."""

    def __len__(self) -> int:
        """How many there are."""

    def take(self, rows: list[int]) -> tuple[BatchInputs, list[int] | None]:
        """The inputs of some rows, and the order that they have now, where it is not that of
        `rows`.
        """

    def digest(self) -> str:
        """A digest of all rows, the same in every process."""

    @property
    def readers(self) -> Mapping[str, Sequence[object]]:
        """The user's code that reads the rows anew, by what it is."""


@dataclass(frozen=True)
class StoredRows:
    """Rows of tensors in memory."""

    inputs: BatchInputs
    length: int

    def __len__(self) -> int:
        return self.length

    def take(self, rows: list[int]) -> tuple[BatchInputs, None]:
        """The rows, by indexing."""
        at = torch.tensor(rows)
        return mapped(lambda tensor: tensor[at], self.inputs), None

    def digest(self) -> str:
        """A digest of the tensors' values."""
        return digest_of_rows(self.inputs)

    @property
    def readers(self) -> Mapping[str, Sequence[object]]:
        """None: the rows are in memory."""
        return {}


@dataclass(frozen=True)
class RereadRows:
    """Items of a map-style Dataset, read anew each time: they are random, or too large to keep."""

    name: str
    dataset: Dataset[Any]
    inputs: int
    target: str | None = None

    def __len__(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]  # a map-style Dataset has a length

    def take(self, rows: list[int]) -> tuple[BatchInputs, None]:
        """The rows, stacked.

        Raises:
            DataError: the files of the items cannot be read.
            InputError: an item cannot be read, or items have different shapes.
        """
        try:
            items = [split_item(self.dataset[row], self.inputs, self.target)[0] for row in rows]
        except OSError as problem:
            raise unreadable_rows(self.name, problem) from problem
        except InputError:
            raise
        except Exception as problem:  # the user's Dataset may raise anything
            what = f"{self.name}: an item of the Dataset cannot be read"
            raise InputError(f"{what}: {explain(problem)}.") from problem
        return as_inputs(collate(items, self.name)), None

    def digest(self) -> str:
        """A digest of what the Dataset holds, and of some items."""
        return digest_of_dataset(self.dataset, lambda row: self.take([row])[0])

    @property
    def readers(self) -> Mapping[str, Sequence[object]]:
        """The code of the Dataset."""
        return {"Dataset": code_of_dataset(self.dataset)}


@dataclass(frozen=True)
class CollatedRows:
    """Items of a Dataset that the user's `collate_fn` makes into a batch.

    `labels` holds each row's label as `collate_fn` gives it, by which rows are recognised where it
    changes their order; `ids` is how many ids their integers may be.
    """

    name: str
    dataset: Dataset[Any]
    collate: Callable[[list[Any]], Any]
    inputs: int | None = None
    target: str | None = None
    labels: tuple[Hashable, ...] | None = field(default=None, repr=False)
    ids: int | None = None

    def __len__(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]  # a map-style Dataset has a length

    def take(self, rows: list[int]) -> tuple[BatchInputs, list[int] | None]:
        """The rows as `collate_fn` puts them together.

        Raises:
            InputError: `collate_fn` fails, or gives other labels for a batch than for its rows.
        """
        inputs, label = self.batch(rows)
        if self.labels is None or label is None:
            return inputs, None
        return inputs, self._order(label_rows(label), [self.labels[row] for row in rows])

    def digest(self) -> str:
        """A digest of what the Dataset holds, and of some batches of one item."""
        return digest_of_dataset(self.dataset, lambda row: self.batch([row])[0])

    @property
    def readers(self) -> Mapping[str, Sequence[object]]:
        """The code of the Dataset, and `collate_fn`."""
        return {"Dataset": code_of_dataset(self.dataset), "collate_fn": (self.collate,)}

    def batch(self, rows: list[int]) -> tuple[BatchInputs, Any]:
        """Inputs and labels of some rows.

        Raises:
            DataError: the files of the items cannot be read.
            InputError: `collate_fn` fails.
        """
        try:
            batch = self.collate([self.dataset[row] for row in rows])
        except OSError as problem:
            raise unreadable_rows(self.name, problem) from problem
        except Exception as error:  # the user's function may raise anything
            what = f"{self.name}: collate_fn failed on {len(rows)} items of the Dataset"
            raise InputError(f"{what} with {type(error).__name__}: {error}.") from error
        return split_item(batch, self.inputs, self.target)

    def _order(self, after: Sequence[Hashable], before: list[Hashable]) -> list[int] | None:
        """At which place of `before` each label of `after` stood, None where nothing moved."""
        if list(after) == before:
            return None
        # The places of each label, last first, so that equal labels keep their order.
        places: dict[Hashable, list[int]] = {}
        for place, label in reversed(list(enumerate(before))):
            places.setdefault(label, []).append(place)
        order = [places[label].pop() for label in after if places.get(label)]
        if len(order) != len(before):
            raise InputError(
                f"{self.name}: collate_fn gives {len(after)} labels for {len(before)} items, and "
                "not those that it gives for each item alone. It must return one label per item, "
                "as the last element of a tuple or under a key such as labels; say where with "
                "target=… (--target)."
            )
        return order


def unreadable_rows(name: str, problem: OSError) -> DataError:
    """The error about items of a Dataset whose files are gone or damaged."""
    return DataError(
        f"{name}: rows of the data cannot be read: {explain(problem)}. Bring their files back."
    )


def row_reader(raw: Raw, inputs: int) -> RowReader:
    """What reads the rows of one split, of `inputs` inputs each."""
    if raw.kind is RawKind.ARRAYS:
        return StoredRows(as_inputs(raw.inputs), len(raw))
    if isinstance(raw.inputs, CollatedRows):
        return raw.inputs
    return RereadRows(raw.name, raw.inputs, inputs, raw.target)


def read_labels(rows: CollatedRows) -> tuple[CollatedRows, Any]:
    """The rows with their labels, and the labels as a pandas Series or an array (N, k).

    Raises:
        InputError: `collate_fn` gives no labels, or not one for each item.
    """
    # Each item by itself, because only then is it known whose label it is.
    labels: list[Hashable] = []
    ids = 0
    for row in range(len(rows)):
        inputs, label = rows.batch([row])
        if label is None or not inputs:
            raise InputError(
                f"{rows.name}: collate_fn gives inputs without labels; {LABEL_ADVICE}."
            )
        labels += label_rows(label)
        ids = max(ids, ids_in(inputs) or 0)
    if len(labels) != len(rows):
        raise InputError(
            f"{rows.name}: collate_fn gives {len(labels)} labels for {len(rows)} items, one at a "
            f"time; {LABEL_ADVICE}."
        )

    # The first batch shows at once whether labels can be followed.
    labelled = replace(rows, labels=tuple(labels), ids=ids or None)
    labelled.take(list(range(min(TRIAL_ROWS, len(rows)))))
    array = np.array(labelled.labels)
    return labelled, pd.Series(array.tolist()) if array.ndim == 1 else array


def label_rows(labels: Any) -> list[Hashable]:
    """Each row's label: a number, a word, or a tuple of numbers."""
    if isinstance(labels, (list, tuple)):
        return list(labels)
    if not isinstance(labels, (torch.Tensor, np.ndarray)):
        return [labels]
    values = torch.as_tensor(labels).detach().cpu()
    rows = len(values) if values.ndim else 1
    has_one_number_a_row = values.numel() == rows
    values = values.reshape(-1) if has_one_number_a_row else values.flatten(1)
    return [tuple(row) if isinstance(row, list) else row for row in values.tolist()]
