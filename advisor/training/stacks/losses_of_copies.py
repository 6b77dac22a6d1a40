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


class LossOfCopies:
    """The losses of several models on mini-batches, `(copies,)`, each the mean over its own rows.

    Arguments:
        losses: the loss function of each.
    """

    def __init__(self, losses: Sequence[Loss]) -> None:
        self._losses = losses
        inner = {loss_of_prediction(each) for each in losses}
        self._kind = inner.pop() if len(inner) == 1 else None

    def __call__(self, output: Any, target: Tensor) -> Tensor:
        """The losses for what the models gave, with the copies in front, and `target`
        `(copies, rows, …)`.
        """
        function = BATCHED.get(self._kind)
        if function is not None:
            return function(output, target)
        pairs = zip(self._losses, output.unbind(), target.unbind(), strict=True)
        return torch.stack([loss(*pair) for loss, *pair in pairs])

    def into(self, output: Tensor, target: Tensor, gradient: Tensor) -> Tensor:
        """The same, with its gradient of the output written to a tensor."""
        if self._kind is cross_entropy and has_one_class(output, target):
            return _classes_into(output, target, gradient)
        leaf = output.detach().requires_grad_()
        with torch.enable_grad():
            losses = self(leaf, target)
            losses.sum().backward()
        if leaf.grad is None:
            gradient.zero_()
        else:
            gradient.copy_(leaf.grad)
        return losses.detach()


def has_one_class(output: Tensor, target: Tensor) -> bool:
    """Whether each row has the number of a class, and one logit for each class."""
    return output.ndim == 3 and not target.is_floating_point()


def _classes(output: Tensor, target: Tensor) -> Tensor:
    if not has_one_class(output, target):
        pairs = zip(output.unbind(), target.unbind(), strict=True)
        return torch.stack([F.cross_entropy(*pair) for pair in pairs])
    rows = F.cross_entropy(output.flatten(0, 1), target.flatten(), reduction="none")
    return rows.view(target.shape).mean(1)


def _classes_into(output: Tensor, target: Tensor, gradient: Tensor) -> Tensor:
    """Cross-entropy; its gradient is the share of each class, less one for the true one."""
    logs, places = torch.log_softmax(output, 2), target.unsqueeze(2)
    losses = logs.gather(2, places).squeeze(2).mean(1).neg_()
    torch.exp(logs, out=gradient)
    gradient.scatter_add_(2, places, gradient.new_full((), -1.0).expand(places.shape))
    gradient.div_(target.shape[1])
    return losses


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
