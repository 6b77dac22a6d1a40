"""The rows of a split as torch's own datasets and loaders give them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset

from advisor.data import Part
from advisor.nested import mapped
from advisor.training.batches import mini_batches, steps_in, whole_batches
from advisor.training.loop import changed_batch
from advisor.training.run import Run

Row = tuple[Any, Tensor]
"""What a model is called with, and what it should say."""


class SplitRows(Dataset[Row]):
    """The rows of a split, `(x, y)` each.

    `x` is a tensor, or a tuple or dictionary of them where the model takes several; `y` is a class
    number, or a number or a vector of them. They are on the CPU.

    Attributes:
        part: the split.
        is_training: whether these are rows to train on.
    """

    def __init__(self, part: Part, is_training: bool) -> None:
        self.part, self.is_training = part, is_training

    def __len__(self) -> int:
        return len(self.part)

    def __getitem__(self, index: int) -> Row:
        # A loop over the rows ends by this error.
        if not -len(self) <= index < len(self):
            raise IndexError(f"row {index} of {len(self)}")
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Row]:
        """Several rows at once, which torch's loaders ask for."""
        x, y = self.batch(torch.as_tensor(indices) % len(self))
        return [(mapped(itemgetter(at), x), y[at]) for at in range(len(indices))]

    def batch(self, index: Tensor) -> Row:
        """The rows at `index`, stacked `(B, …)`."""
        inputs, target = self.part.take(index)
        assert target is not None, "rows to train on and to score have a target"
        return as_given(inputs), target


def as_given(inputs: Any) -> Any:
    """What a model is called with: a single input stands alone."""
    return inputs[0] if isinstance(inputs, tuple) and len(inputs) == 1 else inputs


class Loader:
    """Mini-batches `(x, y)` of some rows, on the device of a run.

    Training rows are changed by the study's augmentation and by the techniques, which draw the same
    for all arms of a seed.

    Attributes:
        rows: where they are from.
        batch_size: rows in a mini-batch.
    """

    def __init__(
        self,
        run: Run,
        rows: SplitRows,
        index: Tensor,
        batch_size: int,
        order: torch.Generator | None,
        epoch: Any,
    ) -> None:
        self.rows, self.batch_size = rows, batch_size
        self._run, self._index, self._order, self._epoch = run, index, order, epoch

    def __len__(self) -> int:
        return steps_in(self._taken(self._index), self.batch_size)

    def _taken(self, order: Tensor) -> Tensor:
        """The rows of an order that are given, in it."""
        return whole_batches(order, self.batch_size) if self.rows.is_training else order

    def __iter__(self) -> Iterator[Row]:
        run, index = self._run, self._index
        if self._order is not None:
            index = index[torch.randperm(len(index), generator=self._order)]
        index = self._taken(index)
        batches = mini_batches(self.rows.part, index, self.batch_size, run.device)
        for step, batch in enumerate(batches):
            inputs, target = batch.inputs, batch.target
            if self.rows.is_training and self._is_changed():
                inputs, target = changed_batch(run, inputs, target, self._epoch(), step)
            yield as_given(inputs), target

    def _is_changed(self) -> bool:
        return self._run.recipe.augment is not None or self._run.batch is not None


def rows_of(dataset: Any) -> tuple[SplitRows, Tensor] | None:
    """The rows of a study that a dataset, or a subset of one, has; None of any other one."""
    if isinstance(dataset, SplitRows):
        return dataset, torch.arange(len(dataset))
    if isinstance(dataset, Subset):
        inner = rows_of(dataset.dataset)
        if inner is not None:
            return inner[0], inner[1][torch.as_tensor(dataset.indices)]
    return None


def other_loader(dataset: Any, batch: int, order: torch.Generator | None) -> DataLoader[Any]:
    """Torch's own loader of a dataset that is not the study's."""
    return DataLoader(dataset, batch, shuffle=order is not None, generator=order)
