"""Adam in two calls of torch, for many small steps: what an optimizer does besides takes longer
there than its arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from advisor.training.eager import Adam
from advisor.training.optimizers import FUSED_DEVICES

BETAS, EPS = (0.9, 0.999), 1e-8
"""Of Adam, as torch has them."""


class Moves(Protocol):
    """What moves parameters by their gradients, as torch's optimizers do."""

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients."""

    def step(self, closure: None = None) -> object:
        """Move the parameters that have a gradient."""


class FusedAdam:
    """Adam (Kingma & Ba 2015), which moves all parameters in one call.

    Arguments:
        parameters: real numbers on one of `FUSED_DEVICES`, without gaps in memory.
        lr: the learning rate.
    """

    def __init__(self, parameters: Sequence[Tensor], lr: float) -> None:
        self._parameters, self._lr = parameters, lr
        self._means = [torch.zeros_like(each.detach()) for each in parameters]
        self._squares = [torch.zeros_like(each.detach()) for each in parameters]
        self._counts = [torch.zeros((), device=each.device) for each in parameters]
        self._moved: list[int] = []
        self._averages: tuple[list[Tensor], list[Tensor], list[Tensor]] = ([], [], [])

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients."""
        for each in self._parameters:
            each.grad = None

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Move the parameters that have a gradient."""
        moved = [i for i, each in enumerate(self._parameters) if each.grad is not None]
        if not moved:
            return
        if moved != self._moved:
            self._gather(moved)
        means, squares, counts = self._averages
        for each in {id(count): count for count in counts}.values():
            each += 1
        own = [self._parameters[i] for i in moved]
        torch._fused_adam_(
            own,
            # Torch's call reads memory from one end to the other, whatever its order means.
            [lying_as(each, each.grad) for each in own if each.grad is not None],
            means,
            squares,
            [],
            counts,
            lr=self._lr,
            beta1=BETAS[0],
            beta2=BETAS[1],
            weight_decay=0.0,
            eps=EPS,
            amsgrad=False,
            maximize=False,
        )

    def _gather(self, moved: list[int]) -> None:
        """Note what is moved from now on; what was moved as often has one count."""
        shared: dict[float, Tensor] = {}
        for i in moved:
            count = self._counts[i]
            self._counts[i] = shared.setdefault(float(count), count.clone())
        every = (self._means, self._squares, self._counts)
        means, squares, counts = ([values[i] for i in moved] for values in every)
        self._moved, self._averages = moved, (means, squares, counts)


def is_fusable(parameter: Tensor) -> bool:
    """Whether torch can move a parameter beside others in one call."""
    is_real = parameter.device.type in FUSED_DEVICES and parameter.is_floating_point()
    return is_real and (is_in_order(parameter) or has_channels_last(parameter))


def is_in_order(tensor: Tensor) -> bool:
    """Whether each row of a tensor lies after the other in memory."""
    return tensor.is_contiguous()


def has_channels_last(tensor: Tensor) -> bool:
    """Whether the numbers of images or kernels lie in memory without gaps, with channels last."""
    return tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last)


def lying_as(parameter: Tensor, gradient: Tensor) -> Tensor:
    """A gradient whose numbers lie in memory as those of its parameter do."""
    if is_in_order(parameter):
        return gradient.contiguous()
    return gradient.contiguous(memory_format=torch.channels_last)


def adam(parameters: Sequence[Tensor], lr: float) -> Moves:
    """Adam, fused where torch can."""
    fused = all(is_fusable(each) for each in parameters)
    return FusedAdam(parameters, lr) if fused else Adam(parameters, lr=lr)
