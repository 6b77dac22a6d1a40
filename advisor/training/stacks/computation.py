"""What computes the outputs and the gradients of several models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from advisor.training.stacks.losses_of_copies import LossOfCopies


class Computation(Protocol):
    """Several models, computed as one.

    Attributes:
        models: one of each copy.
    """

    models: Sequence[nn.Module]

    def begin(self, streams: Sequence[torch.Generator]) -> None:
        """Go into training mode; each copy draws from its stream."""

    def begin_scoring(self) -> None:
        """Go into evaluation mode."""

    def step(
        self, inputs: Sequence[Any], target: Tensor, loss: LossOfCopies, parts: int = 1
    ) -> Tensor:
        """The loss of each copy `(copies,)` in training mode, whose gradients its parameters get.

        Arguments:
            inputs: of the models, with the copies in front.
            target: `(copies, rows, …)`.
            loss: what the outputs cost.
            parts: how many mini-batches an optimizer step is made of, of which this is one.
        """

    def outputs(self, inputs: Sequence[Any]) -> Any:
        """What the models return in evaluation mode; the next call may write over it."""
