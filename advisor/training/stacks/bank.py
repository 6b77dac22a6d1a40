"""The tensors of several models, stacked; each model has a view of its own share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from advisor.training.stacks.traced import NotStackable


class Bank:
    """Parameters `(copies, …)` whose slices are the parameters of the models themselves.

    An optimizer of one model, its evaluation and its saved state see nothing of the others.
    """

    def __init__(self) -> None:
        self._stacked: dict[int, Tensor] = {}
        self._shares: dict[int, list[nn.Parameter]] = {}
        self._inside: set[int] = set()

    def of(self, tensors: Sequence[nn.Parameter]) -> Tensor:
        """One parameter of each model, stacked; from here on the models' are views of it.

        Raises `NotStackable` where their shapes differ.
        """
        key = id(tensors[0])
        if key not in self._stacked:
            if len({each.shape for each in tensors}) > 1:
                raise NotStackable("their parameters differ in shape")
            whole = torch.stack([each.detach() for each in tensors])
            for share, each in zip(whole, tensors, strict=True):
                each.data = share
            self._stacked[key] = whole.requires_grad_(tensors[0].requires_grad)
            self._shares[key] = list(tensors)
            self._inside |= set(map(id, tensors))
        return self._stacked[key]

    def has(self, parameter: nn.Parameter) -> bool:
        """Whether a parameter is a view of a stacked one."""
        return id(parameter) in self._inside

    def begin_step(self) -> None:
        """Drop the gradients of the last step."""
        for whole in self._stacked.values():
            whole.grad = None

    def hand_out(self) -> None:
        """Give each model the gradients of its own parameters."""
        for key, whole in self._stacked.items():
            if whole.grad is None:
                continue
            for each, gradient in zip(self._shares[key], whole.grad.unbind(), strict=True):
                each.grad = gradient

    def release(self) -> None:
        """Give the models tensors of their own again."""
        for shares in self._shares.values():
            for each in shares:
                each.data = each.data.clone()
                each.grad = None
