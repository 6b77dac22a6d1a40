"""Where the rows of a batch come from when they are not all one set of tensors: items of a Dataset,
put together.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch
from torch.utils.data import Dataset

from advisor.data.datasets import as_inputs, collate, split_item
from advisor.errors import InputError
from advisor.nested import ids_in, mapped

Inputs = tuple[Any, ...]


class Rows(Protocol):
    """Rows that can be read by number."""

    def __len__(self) -> int:
        """How many there are."""

    def take(self, rows: list[int]) -> tuple[Inputs, list[int] | None]:
        """The inputs of some rows, and the order that they have now, where it is not that of
        `rows`.
        """


@dataclass(frozen=True)
class Stored:
    """Rows of tensors in memory."""

    inputs: Inputs
    length: int

    def __len__(self) -> int:
        return self.length

    def take(self, rows: list[int]) -> tuple[Inputs, None]:
        """The rows, by indexing."""
        at = torch.tensor(rows)
        return mapped(lambda tensor: tensor[at], self.inputs), None


@dataclass(frozen=True)
class Read:
    """Items of a map-style Dataset, read anew each time: they are random, or too many for memory."""

    name: str
    dataset: Dataset[Any]
    inputs: int
    target: str | None = None

    def __len__(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]  # map-style: sized

    def take(self, rows: list[int]) -> tuple[Inputs, None]:
        """The rows, stacked. Raises `InputError` where items have different shapes."""
        items = [split_item(self.dataset[row], self.inputs, self.target)[0] for row in rows]
        return as_inputs(collate(items, self.name)), None


@dataclass(frozen=True)
class Collated:
    """Items of a Dataset that the user's `collate_fn` makes into a batch.

    `labels` holds each row's label as `collate_fn` gives it, by which rows are known again where it
    changes their order.
    """

    name: str
    dataset: Dataset[Any]
    collate: Callable[[list[Any]], Any]
    inputs: int | None = None
    target: str | None = None
    labels: tuple[Hashable, ...] | None = field(default=None, repr=False)
    ids: int | None = None

    def __len__(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]  # map-style: sized

    def take(self, rows: list[int]) -> tuple[Inputs, list[int] | None]:
        """The rows as `collate_fn` puts them together.

        Raises:
            InputError: `collate_fn` fails, or gives other labels for a batch than for its rows.
        """
        inputs, label = self.batch(rows)
        if self.labels is None or label is None:
            return inputs, None
        return inputs, self._order(label_rows(label), [self.labels[row] for row in rows])

    def batch(self, rows: list[int]) -> tuple[Inputs, Any]:
        """Inputs and labels of some rows."""
        try:
            made = self.collate([self.dataset[row] for row in rows])
        except Exception as error:  # the user's function may raise anything
            what = f"{self.name}: collate_fn failed on {len(rows)} items of the Dataset"
            raise InputError(f"{what} with {type(error).__name__}: {error}.") from error
        return split_item(made, self.inputs, self.target)

    def _order(self, now: Sequence[Hashable], before: list[Hashable]) -> list[int] | None:
        if list(now) == before:
            return None
        places: dict[Hashable, list[int]] = {}
        for place, label in reversed(list(enumerate(before))):
            places.setdefault(label, []).append(place)
        order = [places[label].pop() for label in now if places.get(label)]
        if len(order) != len(before):
            raise InputError(
                f"{self.name}: collate_fn gives {len(now)} labels for {len(before)} items, and not those that it gives for each "
                "item alone. It must return one label per item, as the last element of a tuple or under a key such as labels; "
                "say where with target=… (--target)."
            )
        return order


def read_labels(rows: Collated) -> tuple[Collated, Any]:
    """The same rows knowing their labels, and the labels as a pandas Series or an array (N, k).

    Raises:
        InputError: `collate_fn` gives no labels, or not one for each item.
    """
    labels, ids = [], []
    for row in range(len(rows)):
        inputs, label = rows.batch([row])
        if label is None or not inputs:
            raise InputError(f"{rows.name}: collate_fn gives inputs without labels; {WHERE}.")
        labels.append(label)
        ids.append(ids_in(inputs) or 0)
    known = tuple(value for label in labels for value in label_rows(label))
    if len(known) != len(rows):
        raise InputError(
            f"{rows.name}: collate_fn gives {len(known)} labels for {len(rows)} items, one at a time; {WHERE}."
        )
    found = replace(rows, labels=known, ids=max(ids) or None)
    found.take(list(range(min(8, len(rows)))))
    array = np.array(known)
    return found, pd.Series(array.tolist()) if array.ndim == 1 else array


WHERE = (
    "it must return (x, y), or a dictionary with the labels under labels, label, target or y; say which element or key with "
    "target=… (--target)"
)


def label_rows(labels: Any) -> list[Hashable]:
    """Each row's label: a number, a word, or a tuple of numbers."""
    if not isinstance(labels, (torch.Tensor, np.ndarray)):
        return list(labels) if isinstance(labels, (list, tuple)) else [labels]
    values = torch.as_tensor(labels).detach().cpu()
    values = (
        values.reshape(-1)
        if values.numel() == (len(values) if values.ndim else 1)
        else values.flatten(1)
    )
    return [tuple(row) if isinstance(row, list) else row for row in values.tolist()]
