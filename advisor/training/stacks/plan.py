"""The calls that make one step of several models, and the tensors that they write into."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import partial
from itertools import accumulate, pairwise

import torch
from torch import Tensor, fx

from advisor.training.stacks.curves import Call


class Space:
    """Memory that is used again, so that it stays in the processor's cache."""

    def __init__(self) -> None:
        self._free: list[Tensor] = []
        self._taken: dict[int, Tensor] = {}

    def take(self, shape: Sequence[int], like: Tensor) -> Tensor:
        """A tensor of a shape, with the type of another one; its numbers are what was left there.

        The smallest piece that holds it, or else a new one.
        """
        size = math.prod(shape)
        fitting = [each for each in self._free if each.dtype == like.dtype and len(each) >= size]
        if fitting:
            whole = min(fitting, key=len)
            self._free = [each for each in self._free if each is not whole]
        else:
            whole = torch.empty(size, dtype=like.dtype, device=like.device)
        found = whole[:size].view(*shape)
        self._taken[id(found)] = whole
        return found

    def give_back(self, tensor: Tensor) -> None:
        """Let others have what this tensor had, where it came from here."""
        whole = self._taken.pop(id(tensor), None)
        if whole is not None:
            self._free.append(whole)


class StepPlan:
    """The calls of a step for mini-batches of one size, in their order.

    Arguments:
        space: for what the step computes.
        users: how many operations read what each one computes.
        trained: operations that a parameter stands before, so that they need a gradient.
        is_scoring: whether there is no way back, and nothing is dropped.

    Attributes:
        values: what operations compute.
        gradients: of what is still on the way back.
        forward, backward: the calls.
    """

    def __init__(
        self, space: Space, users: Counter[fx.Node], trained: set[fx.Node], is_scoring: bool
    ) -> None:
        self.space, self.trained, self.is_scoring = space, trained, is_scoring
        self._users = users
        self.values: dict[fx.Node, Tensor] = {}
        self.gradients: dict[fx.Node, Tensor] = {}
        self.forward: list[Call] = []
        self.backward: list[Call] = []
        self._taken: list[Tensor] = []

    def new(self, shape: Sequence[int], like: Tensor) -> Tensor:
        """A tensor that is kept to the end of the step."""
        found = self.space.take(shape, like)
        self._taken.append(found)
        return found

    def is_read_once(self, node: fx.Node) -> bool:
        """Whether one operation alone reads what another one computes."""
        return self._users[node] == 1

    def hand_on(self, node: fx.Node, gradient: Tensor) -> None:
        """Give an operation a gradient, with the memory that it is in."""
        if node not in self.trained:
            self.space.give_back(gradient)
        elif node in self.gradients:
            self.backward.append(partial(self.gradients[node].add_, gradient))
            self.space.give_back(gradient)
        else:
            self.gradients[node] = gradient

    def hand_copy(self, node: fx.Node, gradient: Tensor) -> None:
        """Give an operation a gradient that another one has, too."""
        if node not in self.trained:
            return
        if node in self.gradients:
            self.backward.append(partial(self.gradients[node].add_, gradient))
        else:
            self.gradients[node] = own = self.space.take(gradient.shape, gradient)
            self.backward.append(partial(own.copy_, gradient))

    def hand_product(self, node: fx.Node, one: Tensor, other: Tensor, shape: torch.Size) -> None:
        """Give an operation a gradient of some shape: the products of matrices `(copies, rows, …)`
        with others `(copies, …, in)`.
        """
        if node not in self.trained:
            return
        flat = (len(one), one.shape[1], other.shape[2])
        if node in self.gradients:
            total = self.gradients[node].view(flat)
            self.backward.append(partial(torch.baddbmm, total, one, other, out=total))
        else:
            self.gradients[node] = own = self.space.take(shape, one)
            self.backward.append(partial(torch.bmm, one, other, out=own.view(flat)))

    def end(self) -> None:
        """Let other plans, which are for other steps, have the memory of this one."""
        for each in (*self._taken, *self.gradients.values()):
            self.space.give_back(each)


def parts(tensor: Tensor, sizes: Sequence[int]) -> list[Tensor]:
    """Views of so many copies each."""
    ends = accumulate(sizes, initial=0)
    return [tensor[start:end] for start, end in pairwise(ends)]
