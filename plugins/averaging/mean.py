"""The mean of a model's weights over the steps of a training, and scoring with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from advisor import Run

AFTER_SCHEDULE = (
    "a rate that falls to zero settles the weights as their mean does: expect less of the two "
    "together than of each"
)
"""What is to be known of a mean beside a schedule (Izmailov et al. 2018, section 3.2)."""
HOOKS = ("steps", "each_step", "scored", "keep")
"""What of a training the mean needs."""


def numbers_of(model: nn.Module) -> list[Tensor]:
    """All parameters and buffers of a model, in its order, outside the graph."""
    # A user's model may have an attribute that is called `parameters`, so the class is asked.
    both = (*nn.Module.parameters(model), *nn.Module.buffers(model))
    return [each.detach() for each in both]


class Mean:
    """A mean of the numbers of a model; whole numbers are those of the last step.

    Attributes:
        values: of parameters and buffers, in the model's order; none before the first step.
        count: the steps that it has seen.
    """

    def __init__(self) -> None:
        self.values: list[Tensor] = []
        self.count = 0

    @torch.no_grad()
    def take(self, model: nn.Module, share: float) -> None:
        """Move each value by a share of the way to that of the model, at first all the way."""
        numbers = numbers_of(model)
        if not self.count:
            self.values = [each.clone() for each in numbers]
        self.count += 1
        for place, value in enumerate(numbers):
            mean = self.values[place].to(value)
            is_real = mean.is_floating_point() or mean.is_complex()
            self.values[place] = mean.lerp_(value, share) if is_real else value.clone()

    def state_dict(self) -> dict[str, Any]:
        """All that a training goes on from."""
        return {"values": self.values, "count": self.count}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self.count = int(state["count"])
        self.values = [each.clone() for each in state["values"]]


def score_with(
    run: Run, mean: Mean, made_ready: Callable[[nn.Module], object] = lambda model: None
) -> None:
    """Let the model of a run be scored with a mean of its numbers, once there is one.

    `made_ready` is called with the model that has them.
    """

    @contextmanager
    def averaged() -> Iterator[None]:
        """The mean in the place of the model's own numbers, which come back."""
        if not mean.count:
            yield
            return
        numbers = numbers_of(run.model)
        own = [each.clone() for each in numbers]
        put(numbers, mean.values)
        try:
            made_ready(run.model)
            yield
        finally:
            put(numbers, own)

    run.scored = averaged


@torch.no_grad()
def put(numbers: list[Tensor], values: list[Tensor]) -> None:
    """Write values into the numbers of a model."""
    for each, value in zip(numbers, values, strict=True):
        each.copy_(value)
