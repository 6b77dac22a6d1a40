"""The tensors of several models, stacked; each model has a view of its own share."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import torch
from torch import Tensor, nn

from advisor.training.stacks.traced import NotStackable


class Bank:
    """Parameters `(copies, …)` whose slices are the parameters of the models themselves.

    An optimizer of one model, its evaluation and its saved state see nothing of the others.

    Attributes:
        holds_gradients: whether there are gradients that every step writes anew.
    """

    def __init__(self) -> None:
        self._wholes: dict[int, Tensor] = {}
        self._shares: dict[int, list[nn.Parameter]] = {}
        self._inside: set[int] = set()
        self.holds_gradients = False

    @property
    def keys(self) -> Collection[int]:
        """Names of the stacked parameters."""
        return self._wholes.keys()

    def of(self, tensors: Sequence[nn.Parameter]) -> Tensor:
        """One parameter of each model, stacked; from here on the models' are views of it.

        Raises `NotStackable` where their shapes differ.
        """
        key = id(tensors[0])
        if key not in self._wholes:
            if len({each.shape for each in tensors}) > 1:
                raise NotStackable("their parameters differ in shape")
            whole = torch.stack([each.detach() for each in tensors])
            for share, each in zip(whole, tensors, strict=True):
                each.data = share
            self._wholes[key] = whole.requires_grad_(tensors[0].requires_grad)
            self._shares[key] = list(tensors)
            self._inside |= set(map(id, tensors))
        return self._wholes[key]

    def whole(self, key: int) -> Tensor:
        """A stacked parameter by its name."""
        return self._wholes[key]

    def shares(self) -> Iterator[tuple[int, list[nn.Parameter]]]:
        """The parameters of the models, one for each, by the names of the stacked ones."""
        yield from self._shares.items()

    def has(self, parameter: nn.Parameter) -> bool:
        """Whether a parameter is a view of a stacked one."""
        return id(parameter) in self._inside

    def hold_gradients(self) -> None:
        """Make gradients that every step writes anew, for the models as well."""
        for whole in self._wholes.values():
            whole.grad = torch.zeros_like(whole) if whole.requires_grad else None
        self.hand_out()
        self.holds_gradients = True

    def begin_step(self) -> None:
        """Drop the gradients of the last step."""
        if self.holds_gradients:
            return
        for whole in self._wholes.values():
            whole.grad = None

    def hand_out(self, keys: Collection[int] | None = None) -> None:
        """Give each model the gradients of its own parameters, of all or those with some names."""
        for key in self.keys if keys is None else keys:
            gradient = self._wholes[key].grad
            if gradient is None:
                continue
            for each, own in zip(self._shares[key], gradient.unbind(), strict=True):
                each.grad = own

    def release(self) -> None:
        """Give the models tensors of their own again."""
        for shares in self._shares.values():
            for each in shares:
                each.data = each.data.clone()
                each.grad = None
