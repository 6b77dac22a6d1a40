"""How many rows a model is best scored on at a time, found from the sizes of what it computes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from advisor.data.splits import Part, TensorPart
from advisor.errors import InputError
from advisor.model.call import rows_of
from advisor.model.nested_values import named_tensors
from advisor.nested import mapped
from advisor.work.task_facts import output_of

NUMBERS = 2**20
"""Numbers of a layer's result that a core computes fastest with: a few megabytes, near its cache.

Of eight nets (linear, convolutional, LSTM, transformer) the fastest number of rows was within a
tenth of what follows from this.
"""
MOST = 512
"""Rows above which no net became faster."""


def rows_scored_together(model: nn.Module, inputs: tuple[Any, ...], part: Part) -> int:
    """Rows of `part` that a model is best scored on at a time, however few a mini-batch has.

    It is 0, for no more than a mini-batch, where rows are not in memory, or a model's answer for a
    row depends on the others of its batch.

    Arguments:
        model: in the state in which it begins.
        inputs: an example batch.
        part: rows of the data.
    """
    rows = rows_of(inputs)
    if rows is None or rows < 2 or not isinstance(part, TensorPart):
        return 0
    widest = _numbers(inputs)

    def note(_module: nn.Module, _inputs: Any, result: Any) -> None:
        nonlocal widest
        widest = max(widest, _numbers(result))

    handles = [each.register_forward_hook(note) for each in nn.Module.modules(model)]
    try:
        whole = output_of(model, inputs)
    finally:
        for handle in handles:
            handle.remove()
    try:
        half = output_of(model, mapped(lambda each: each[: rows // 2], inputs))
    except InputError:  # a model may take batches of one size alone
        return 0
    if not _begins_with(whole, half):
        return 0
    return min(MOST, NUMBERS * rows // widest)


def _numbers(value: Any) -> int:
    """Numbers in the largest tensor of a value; 1 where there is none."""
    return max((each.numel() for _, each in named_tensors(value, "")), default=1) or 1


def _begins_with(whole: Any, half: Any) -> bool:
    """Whether a model gave for the first rows of a batch what it gives for them alone."""
    pairs = zip(_tensors(whole), _tensors(half), strict=False)
    return all(_is_beginning(one, other) for one, other in pairs)


def _tensors(value: Any) -> list[Tensor]:
    return [each for _, each in named_tensors(value, "")]


def _is_beginning(one: Tensor, other: Tensor) -> bool:
    if one.dim() != other.dim() or one.shape[1:] != other.shape[1:] or not one.dim():
        return False
    start = one[: len(other)]
    return torch.allclose(start, other, rtol=1e-4, atol=1e-5, equal_nan=True)
