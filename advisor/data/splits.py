"""One split of the data, and the four of them together."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch

from advisor.data.dataset_rows import BatchInputs, CollatedRows, RowReader
from advisor.data.weights import Weights
from advisor.nested import elements, gathered, mapped

Batch = tuple[BatchInputs, torch.Tensor | None]


class Part(ABC):
    """One split. `target` holds all targets: int64 class numbers (N,), float32 (N,) or (N, k), or
    None without labels. `rows` are the numbers of its rows among all (int64), None for all.
    """

    target: torch.Tensor | None
    rows: torch.Tensor | None

    @abstractmethod
    def __len__(self) -> int:
        """How many rows there are."""

    @abstractmethod
    def take(self, index: torch.Tensor) -> Batch:
        """The rows at `index` (int64, (B,)) as `(inputs, target)`, for `advisor.model.call`; their
        order may have changed.
        """

    def order(self, index: torch.Tensor) -> torch.Tensor:
        """`index` in the order in which `take` gives the rows."""
        return index

    @abstractmethod
    def subset(self, index: Any) -> Part:
        """The rows at `index` as a Part of their own; inputs are shared, not copied."""

    @abstractmethod
    def labelled(self, target: torch.Tensor | None) -> Part:
        """These rows with other targets, one per row."""


class TensorPart(Part):
    """Rows of tensors, or of structures of them, in memory, which all parts of the data share.

    Arguments:
        inputs: one tensor, or structure of tensors, per input of the model, (N, …) each.
        target: one target per row of this part, or None.
        rows: which rows of `inputs` belong to this part (int64), None for all.
        finish: turns the rows that were taken from `inputs` into what the model gets, such as
            standardized numbers, without writing to them; None if they are that already.
    """

    def __init__(
        self,
        inputs: BatchInputs,
        target: torch.Tensor | None = None,
        rows: torch.Tensor | None = None,
        finish: Callable[[BatchInputs], BatchInputs] | None = None,
    ) -> None:
        self.inputs, self.target, self.rows, self.finish = inputs, target, rows, finish

    def __len__(self) -> int:
        return len(elements(self.inputs)[0] if self.rows is None else self.rows)

    def take(self, index: torch.Tensor) -> Batch:
        """The rows at `index` as `(inputs, target)`, by indexing."""
        at = index if self.rows is None else self.rows[index]
        inputs = mapped(lambda tensor: tensor[at], self.inputs)
        if self.finish is not None:
            inputs = self.finish(inputs)
        return inputs, None if self.target is None else self.target[index]

    def subset(self, index: Any) -> TensorPart:
        """The rows at `index`."""
        at = torch.as_tensor(index)
        rows = at if self.rows is None else self.rows[at]
        target = None if self.target is None else self.target[at]
        return TensorPart(self.inputs, target, rows, self.finish)

    def labelled(self, target: torch.Tensor | None) -> TensorPart:
        """These rows with other targets."""
        return TensorPart(self.inputs, target, self.rows, self.finish)


class DatasetPart(Part):
    """Rows that come from one or several Datasets, one after the other."""

    rows: torch.Tensor

    def __init__(
        self,
        sources: Sequence[RowReader],
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
        inputs, in_order = self._read(index)
        return inputs, None if self.target is None else self.target[in_order]

    def order(self, index: torch.Tensor) -> torch.Tensor:
        """`index` as a `collate_fn` orders the rows, which are read for that."""
        may_move = any(isinstance(source, CollatedRows) for source in self.sources)
        return self._read(index)[1] if may_move or len(self.sources) > 1 else index

    def _read(self, index: torch.Tensor) -> tuple[BatchInputs, torch.Tensor]:
        """The inputs of the rows at `index`, and `index` in their order."""
        rows = self.rows[index]
        places = torch.bucketize(rows, torch.tensor(self.ends), right=True)
        if len(places.unique()) > 1:
            # Rows of several Datasets stand one Dataset after the other.
            taken = [self._read(index[places == place]) for place in places.unique()]
            inputs = gathered(torch.cat, [inputs for inputs, _ in taken])
            return inputs, torch.cat([order for _, order in taken])
        source = self.sources[int(places[0])]
        start = self.ends[int(places[0])] - len(source)
        inputs, order = source.take((rows - start).tolist())
        return inputs, index if order is None else index[torch.tensor(order)]

    def subset(self, index: Any) -> DatasetPart:
        """The rows at `index`."""
        at = torch.as_tensor(index)
        target = None if self.target is None else self.target[at]
        return DatasetPart(self.sources, target, self.rows[at])

    def labelled(self, target: torch.Tensor | None) -> DatasetPart:
        """These rows with other targets."""
        return DatasetPart(self.sources, target, self.rows)


@dataclass(frozen=True)
class Splits:
    """The rows to train on, to choose by, to report on, and those without a target; `weights` are
    those of the rows to train on, None where all count alike.
    """

    train: Part
    valid: Part
    test: Part
    unlabeled: Part | None
    weights: Weights | None = None
