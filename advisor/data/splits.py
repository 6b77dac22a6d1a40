"""One split of the data, and the four of them together."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch

from advisor.data.dataset_rows import Rows
from advisor.nested import elements, mapped

Batch = tuple[tuple[Any, ...], torch.Tensor | None]


class Part(ABC):
    """One split. `target` holds all targets: int64 class numbers (N,), float32 (N,) or (N, k), or
    None without labels.
    """

    target: torch.Tensor | None

    @abstractmethod
    def __len__(self) -> int:
        """How many rows there are."""

    @abstractmethod
    def take(self, index: torch.Tensor) -> Batch:
        """The rows at `index` (int64, (B,)) as `(inputs, target)`, for `advisor.model.call`; their
        order may have changed.
        """

    @abstractmethod
    def subset(self, index: Any) -> Part:
        """The rows at `index` as a Part of their own; inputs are shared, not copied."""

    @abstractmethod
    def labelled(self, target: torch.Tensor | None) -> Part:
        """The same rows with other targets, one per row."""


class TensorPart(Part):
    """Rows of tensors, or of structures of them, in memory; `rows` says which rows of `inputs`
    belong here, None for all.
    """

    def __init__(
        self,
        inputs: tuple[Any, ...],
        target: torch.Tensor | None = None,
        rows: torch.Tensor | None = None,
    ) -> None:
        self.inputs, self.target, self.rows = inputs, target, rows

    def __len__(self) -> int:
        return len(elements(self.inputs)[0] if self.rows is None else self.rows)

    def take(self, index: torch.Tensor) -> Batch:
        """The rows at `index` as `(inputs, target)`, by indexing."""
        at = index if self.rows is None else self.rows[index]
        return mapped(
            lambda tensor: tensor[at], self.inputs
        ), None if self.target is None else self.target[index]

    def subset(self, index: Any) -> TensorPart:
        """The rows at `index`."""
        at = torch.as_tensor(index)
        rows = at if self.rows is None else self.rows[at]
        return TensorPart(self.inputs, None if self.target is None else self.target[at], rows)

    def labelled(self, target: torch.Tensor | None) -> TensorPart:
        """The same rows with other targets."""
        return TensorPart(self.inputs, target, self.rows)


class DatasetPart(Part):
    """Rows that come from one or several Datasets, one after the other; a batch comes from one of
    them.
    """

    def __init__(
        self,
        sources: Sequence[Rows],
        target: torch.Tensor | None = None,
        rows: torch.Tensor | None = None,
    ) -> None:
        self.sources, self.target = sources, target
        self.ends = list(accumulate(map(len, sources)))
        self.rows = torch.arange(self.ends[-1]) if rows is None else rows

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, index: torch.Tensor) -> Batch:
        """The rows at `index` as `(inputs, target)`, each item read from its Dataset."""
        at = self.rows[index].tolist()
        place = bisect_right(self.ends, at[0])
        start = self.ends[place] - len(self.sources[place])
        inputs, order = self.sources[place].take([row - start for row in at])
        chosen = index if order is None else index[torch.tensor(order)]
        return inputs, None if self.target is None else self.target[chosen]

    def subset(self, index: Any) -> DatasetPart:
        """The rows at `index`."""
        at = torch.as_tensor(index)
        return DatasetPart(
            self.sources, None if self.target is None else self.target[at], self.rows[at]
        )

    def labelled(self, target: torch.Tensor | None) -> DatasetPart:
        """The same rows with other targets."""
        return DatasetPart(self.sources, target, self.rows)


@dataclass(frozen=True)
class Splits:
    """The rows to train on, to choose by, to report on, and those without a target."""

    train: Part
    valid: Part
    test: Part
    unlabeled: Part | None
