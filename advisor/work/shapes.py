"""What the sizes of a model's results say about how it is best computed: how many rows it is scored
on at a time, and how the numbers of images lie in memory.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from advisor.data.splits import Part, TensorPart
from advisor.errors import InputError
from advisor.model.call import call, rows_of
from advisor.model.nested_values import named_tensors
from advisor.nested import mapped
from advisor.randomness import isolated
from advisor.work.task_facts import output_of

NUMBERS = 2**20
"""Numbers of a layer's result that a core computes fastest with: a few megabytes, near its cache.

Of eight nets (linear, convolutional, LSTM, transformer) the fastest number of rows was within a
tenth of what follows from this.
"""
MOST = 512
"""Rows above which no net became faster."""
FLATTENED = 0.25
"""With a larger share of their numbers flattened for a linear layer, convolutions gain nothing from
channels that lie last: of twelve nets two were above it, .84 and .91 times as fast with it, and ten
below, 1.0 to 1.6 times.
"""
PROBED = 2
"""Rows on which a model is tried with the channels last."""
CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)
"""Layers whose results have channels and places."""


@dataclass
class Sizes:
    """Sizes of what a model computes for a batch, noted while the batch passes through it.

    Attributes:
        widest: numbers of the largest result.
        convolved: numbers of all results of convolutions.
        flattened: numbers of the largest vectors that a linear layer reads.
    """

    widest: int
    convolved: int = 0
    flattened: int = 0

    def note(self, module: nn.Module, inputs: Any, result: Any) -> None:
        """Add a call of a module; with the object set, this is a forward hook."""
        self.widest = max(self.widest, numbers_in(result))
        if isinstance(module, CONVOLUTIONS):
            self.convolved += numbers_in(result)
        elif isinstance(module, nn.Linear) and inputs and inputs[0].dim() == 2:
            self.flattened = max(self.flattened, inputs[0].numel())


@dataclass(frozen=True)
class Shapes:
    """How a model is best computed.

    Attributes:
        scored_together: rows that it is scored on at a time, however few a mini-batch has; 0 for no
            more than a mini-batch.
        channels_last: whether the channels of its images lie last in memory.
    """

    scored_together: int = 0
    channels_last: bool = False


def shapes_of(model: nn.Module, inputs: tuple[Any, ...], part: Part) -> Shapes:
    """How a model is best computed.

    Arguments:
        model: in the state in which it begins.
        inputs: an example batch, on the device of the model.
        part: rows of the data.
    """
    rows = rows_of(inputs)
    if rows is None or rows < 2 or not isinstance(part, TensorPart):
        return Shapes()
    sizes = Sizes(widest=numbers_in(inputs))
    handles = [each.register_forward_hook(sizes.note) for each in nn.Module.modules(model)]
    try:
        whole = output_of(model, inputs)
    finally:
        for handle in handles:
            handle.remove()
    together = min(MOST, NUMBERS * rows // sizes.widest)
    return Shapes(
        scored_together=together if keeps_rows_apart(model, inputs, whole, rows // 2) else 0,
        channels_last=sizes.flattened < FLATTENED * sizes.convolved
        and works_with_channels_last(model, inputs),
    )


def keeps_rows_apart(model: nn.Module, inputs: Any, whole: Any, rows: int) -> bool:
    """Whether a model gives for the first `rows` rows alone what it gave for them in the batch."""
    try:
        first = output_of(model, first_rows(inputs, rows))
    except InputError:  # a model may take batches of one size alone
        return False
    return are_close(first_rows(tensors_of(whole), rows), tensors_of(first))


def works_with_channels_last(model: nn.Module, inputs: Any) -> bool:
    """Whether a model computes the same, and can be trained, with the channels of its images last;
    one that flattens by `view` cannot. On other devices than a CPU it was not measured.
    """
    few = first_rows(inputs, PROBED)
    try:
        device = next(iter(nn.Module.parameters(model))).device
        if device.type != "cpu":
            return False
        other = copy.deepcopy(model).eval()
        other.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        with isolated(0):
            given = tensors_of(call(other, few))
            torch.stack(
                [each.float().mean() for each in given if each.requires_grad]
            ).sum().backward()
        return are_close(tensors_of(output_of(model, few)), given)
    except Exception:  # the user's model may raise anything
        return False


def numbers_in(value: Any) -> int:
    """Numbers in the largest tensor of a value; 1 where there is none."""
    return max((each.numel() for _, each in named_tensors(value, "")), default=1) or 1


def tensors_of(value: Any) -> list[Tensor]:
    """The tensors in what a model gives."""
    return [each for _, each in named_tensors(value, "")]


def first_rows(value: Any, rows: int) -> Any:
    """The first rows of a batch."""
    return mapped(lambda each: each[:rows] if each.dim() else each, value)


def are_close(ones: list[Tensor], others: list[Tensor]) -> bool:
    """Whether tensors are the same up to rounding, one by one."""
    if [each.shape for each in ones] != [each.shape for each in others]:
        return False
    pairs = zip(ones, others, strict=True)
    return all(torch.allclose(a, b, 1e-4, 1e-5, equal_nan=True) for a, b in pairs)
