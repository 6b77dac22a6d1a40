"""Mini-batches of the rows of a split, on a device."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import torch
from torch import Tensor

from advisor.data import Part
from advisor.data.splits import TensorPart
from advisor.nested import elements, mapped
from advisor.training.objective import to_device

TOGETHER = 16
"""Mini-batches whose rows are taken from memory at once, at most."""
NUMBERS = 2**17
"""Numbers that are taken at once at most: half a megabyte, which a core's cache holds."""


@dataclass(frozen=True, slots=True)
class MiniBatch:
    """Rows that a model gets at once.

    Attributes:
        index: their numbers in the split.
        inputs: of the model.
        target: one for each row.
    """

    index: Tensor
    inputs: Any
    target: Tensor


def whole_batches(order: Tensor, size: int) -> Tensor:
    """Rows without a last mini-batch of a single one, where there are more, as batch normalization
    cannot train on it.
    """
    return order[:-1] if len(order) > 1 and len(order) % size == 1 else order


def steps_in(order: Tensor, size: int) -> int:
    """How many mini-batches rows make."""
    return math.ceil(len(order) / size)


def mini_batches(part: Part, order: Tensor, size: int, device: torch.device) -> Iterator[MiniBatch]:
    """The rows `order` of a split, `size` at a time."""
    together = batches_together(part, size)
    for block in order.split(size * together):
        inputs, target = to_device(part.take(block), device)
        if together == 1:
            yield MiniBatch(block, inputs, target)
            continue
        for start in range(0, len(block), size):
            rows = slice(start, start + size)
            yield MiniBatch(block[rows], mapped(itemgetter(rows), inputs), target[rows])


def batches_together(part: Part, size: int) -> int:
    """Mini-batches whose rows are taken at once, of which each is a view: several small ones of
    rows that are in memory.
    """
    if not isinstance(part, TensorPart):
        return 1
    numbers: int = sum(each[:1].numel() for each in elements(part.inputs))
    return max(1, min(TOGETHER, NUMBERS // max(1, size * numbers)))
