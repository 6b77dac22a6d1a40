"""The losses of several copies, each the mean over its own rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from advisor.training.losses import (
    Loss,
    binary_cross_entropy_with_logits,
    cross_entropy,
    labels_cross_entropy_with_logits,
    squared_error,
)
from advisor.training.objective import loss_of_prediction


def losses_of(losses: Sequence[Loss], output: Any, target: Tensor) -> Tensor:
    """The loss of each copy `(copies,)`.

    Arguments:
        losses: the loss function of each.
        output: what the models gave, with the copies in front.
        target: `(copies, rows, …)`.
    """
    inner = {loss_of_prediction(each) for each in losses}
    function = BATCHED.get(inner.pop()) if len(inner) == 1 else None
    if function is not None:
        return function(output, target)
    pairs = zip(losses, output.unbind(), target.unbind(), strict=True)
    return torch.stack([loss(*pair) for loss, *pair in pairs])


def _classes(output: Tensor, target: Tensor) -> Tensor:
    if target.is_floating_point() or output.ndim != 3:
        pairs = zip(output.unbind(), target.unbind(), strict=True)
        return torch.stack([F.cross_entropy(*pair) for pair in pairs])
    rows = F.cross_entropy(output.flatten(0, 1), target.flatten(), reduction="none")
    return rows.view(target.shape).mean(1)


def _logits(output: Tensor, target: Tensor) -> Tensor:
    truth = target.to(output.dtype)
    rows = F.binary_cross_entropy_with_logits(output.reshape(target.shape), truth, reduction="none")
    return rows.flatten(1).mean(1)


def _squares(output: Tensor, target: Tensor) -> Tensor:
    rows = F.mse_loss(output.reshape(target.shape), target, reduction="none")
    return rows.flatten(1).mean(1)


BATCHED: dict[Loss | None, Callable[[Tensor, Tensor], Tensor]] = {
    cross_entropy: _classes,
    binary_cross_entropy_with_logits: _logits,
    labels_cross_entropy_with_logits: _logits,
    squared_error: _squares,
}
"""Losses that are computed for all copies at once."""
