"""One split of the data, and the four of them together."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import Dataset, default_collate

from advisor.data.items import as_input, split_item
from advisor.errors import InputError

Batch = tuple[tuple[Any, ...], torch.Tensor | None]


class Part(ABC):
    """One split. `target` holds all targets: int64 class numbers (N,), float32 (N,) or (N, k), or None without labels."""

    target: torch.Tensor | None

    @abstractmethod
    def __len__(self) -> int:
        """How many rows there are."""

    @abstractmethod
    def take(self, index: torch.Tensor) -> Batch:
        """The rows at `index` (int64, (B,)) as `(inputs, target)`; the model is called as `model(*inputs)`."""

    @abstractmethod
    def subset(self, index: Any) -> Part:
        """The rows at `index` as a Part of their own; inputs are shared, not copied."""

    @abstractmethod
    def labelled(self, target: torch.Tensor | None) -> Part:
        """The same rows with other targets, one per row."""


class TensorPart(Part):
    """Rows of tensors that are in memory; `rows` says which rows of `inputs` belong here, None for all."""

    def __init__(
        self, inputs: tuple[torch.Tensor, ...], target: torch.Tensor | None = None, rows: torch.Tensor | None = None
    ) -> None:
        self.inputs, self.target, self.rows = inputs, target, rows

    def __len__(self) -> int:
        return len(self.inputs[0] if self.rows is None else self.rows)

    def take(self, index: torch.Tensor) -> Batch:
        """The rows at `index` as `(inputs, target)`, by indexing."""
        at = index if self.rows is None else self.rows[index]
        return tuple(tensor[at] for tensor in self.inputs), None if self.target is None else self.target[index]

    def subset(self, index: Any) -> TensorPart:
        """The rows at `index`."""
        at = torch.as_tensor(index)
        rows = at if self.rows is None else self.rows[at]
        return TensorPart(self.inputs, None if self.target is None else self.target[at], rows)

    def labelled(self, target: torch.Tensor | None) -> TensorPart:
        """The same rows with other targets."""
        return TensorPart(self.inputs, target, self.rows)


class DatasetPart(Part):
    """Rows of a map-style Dataset that is read anew each time: its items are random, or too many for memory."""

    def __init__(
        self, dataset: Dataset[Any], inputs: int, target: torch.Tensor | None = None, rows: torch.Tensor | None = None
    ) -> None:
        self.dataset, self.inputs, self.target = dataset, inputs, target
        self.rows = torch.arange(len(dataset)) if rows is None else rows  # type: ignore[arg-type]  # map-style: sized

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, index: torch.Tensor) -> Batch:
        """The rows at `index` as `(inputs, target)`, each item read from the Dataset.

        Raises:
            InputError: the items have different shapes.
        """
        items = [split_item(self.dataset[row], self.inputs)[0] for row in self.rows[index].tolist()]
        try:
            batch = default_collate(items)
        except (RuntimeError, TypeError) as error:
            raise InputError(f"the Dataset's items do not fit into one batch: {error}; pad or resize them.") from error
        return tuple(as_input(column) for column in batch), None if self.target is None else self.target[index]

    def subset(self, index: Any) -> DatasetPart:
        """The rows at `index`."""
        at = torch.as_tensor(index)
        return DatasetPart(self.dataset, self.inputs, None if self.target is None else self.target[at], self.rows[at])

    def labelled(self, target: torch.Tensor | None) -> DatasetPart:
        """The same rows with other targets."""
        return DatasetPart(self.dataset, self.inputs, target, self.rows)


@dataclass(frozen=True)
class Splits:
    """The rows to train on, to choose by, to report on, and those without a target."""

    train: Part
    valid: Part
    test: Part
    unlabeled: Part | None
