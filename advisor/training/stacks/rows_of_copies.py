"""Rows of several runs, stacked."""

from __future__ import annotations

import operator
from collections.abc import Sequence

import torch
from torch import Tensor

from advisor.data import Part, TensorPart
from advisor.nested import elements


def rows_of_all(parts: Sequence[Part], orders: Sequence[Tensor]) -> tuple[Sequence[Tensor], Tensor]:
    """The rows of several parts, by their numbers in each: inputs and target, stacked."""
    first = parts[0]
    if isinstance(first, TensorPart) and all(is_of_one(each, first) for each in parts):
        # All are rows of the same tensors, and taken from these at once.
        places = [
            own if each.rows is None else each.rows[own]
            for each, own in zip(parts, orders, strict=True)
        ]
        found, _ = TensorPart(first.inputs, finish=first.finish).take(torch.cat(places))
        inputs = [each.reshape(len(parts), -1, *each.shape[1:]) for each in elements(found)]
        targets = [
            each.target[own]
            for each, own in zip(parts, orders, strict=True)
            if each.target is not None
        ]
        return inputs, torch.stack(targets)
    taken = [each.take(own) for each, own in zip(parts, orders, strict=True)]
    inputs = [torch.stack(list(part)) for part in zip(*(own for own, _ in taken), strict=True)]
    return inputs, torch.stack([each for _, each in taken if each is not None])


def is_of_one(part: Part, first: TensorPart) -> bool:
    """Whether the rows of two parts are of the same tensors, and become inputs in the same way."""
    if not isinstance(part, TensorPart) or part.finish is not first.finish:
        return False
    return all(map(operator.is_, elements(part.inputs), elements(first.inputs)))
