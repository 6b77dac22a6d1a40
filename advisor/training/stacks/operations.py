"""What models compute in a step that is written out: each operation, and its way back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, fx

from advisor.training.formulas import compute, suits
from advisor.training.stacks.curves import Call, Curve
from advisor.training.stacks.plan import StepPlan, parts
from advisor.training.stacks.traced import NotStackable

LEAST = 2**10
"""Numbers below which a formula takes longer than torch's own kernels."""


class StepOperation(Protocol):
    """Something that models compute, and its way back.

    Attributes:
        inputs: what it reads.
        trains: whether it has parameters.
    """

    inputs: tuple[fx.Node, ...]
    trains: bool

    def forward(self, plan: StepPlan) -> Tensor:
        """Plan what computes its value, and return where that will be."""

    def backward(self, plan: StepPlan, gradient: Tensor) -> None:
        """Plan what the gradient of its value, which is its own, gives what it has read."""


@dataclass
class LinearLayers:
    """The linear layers of the copies.

    Attributes:
        inputs: what they read, `(copies, rows, …, in)`.
        weight, bias: stacked; the gradients of these are there already.
    """

    inputs: tuple[fx.Node, ...]
    weight: Tensor
    bias: Tensor | None
    trains: bool = True

    def forward(self, plan: StepPlan) -> Tensor:
        """A batch of products of matrices."""
        given = plan.values[self.inputs[0]]
        if given.shape[-1] != self.weight.shape[2] or given.ndim < 3:
            raise NotStackable("a linear layer reads what it does not fit")
        outputs = plan.new((*given.shape[:-1], self.weight.shape[1]), given)
        flat, weight = given.view(len(given), -1, given.shape[-1]), self.weight.detach().mT
        into = outputs.view(len(given), -1, outputs.shape[-1])
        if self.bias is None:
            plan.forward.append(partial(torch.bmm, flat, weight, out=into))
        else:
            bias = self.bias.detach().unsqueeze(1)
            plan.forward.append(partial(torch.baddbmm, bias, flat, weight, out=into))
        return outputs

    def backward(self, plan: StepPlan, gradient: Tensor) -> None:
        """Products with what was read, and with the weights."""
        given = plan.values[self.inputs[0]]
        flat = given.view(len(given), -1, given.shape[-1])
        own = gradient.view(len(given), -1, gradient.shape[-1])
        if self.weight.grad is not None:
            plan.backward.append(partial(torch.bmm, own.mT, flat, out=self.weight.grad))
        if self.bias is not None and self.bias.grad is not None:
            plan.backward.append(partial(torch.sum, own, 1, out=self.bias.grad))
        plan.hand_product(self.inputs[0], own, self.weight.detach(), given.shape)
        plan.space.give_back(gradient)


@dataclass
class Curves:
    """What is done to single numbers: each way, for so many copies.

    Attributes:
        inputs: what is read.
        curves: with the numbers of the copies that have each.
        may_overwrite: whether what is read is nobody else's.
    """

    inputs: tuple[fx.Node, ...]
    curves: list[tuple[int, Curve]]
    may_overwrite: bool
    trains: bool = False

    def forward(self, plan: StepPlan) -> Tensor:
        """Each way on its copies, in the place of what is read where nobody needs that."""
        given = plan.values[self.inputs[0]]
        is_last = self.may_overwrite and plan.is_read_once(self.inputs[0])
        is_over = is_last and all(curve.by_output for _, curve in self.curves)
        outputs = given if is_over else plan.new(given.shape, given)
        self._way_back = [self._share(plan, *each) for each in self._shares(given, outputs)]
        return outputs

    def backward(self, plan: StepPlan, gradient: Tensor) -> None:
        """Each derivative on its copies, in the place of the gradient."""
        shares = self._shares(gradient, gradient)
        plan.backward += [way(own) for way, (_, own, _) in zip(self._way_back, shares, strict=True)]
        plan.hand_on(self.inputs[0], gradient)

    def _share(
        self, plan: StepPlan, curve: Curve, given: Tensor, output: Tensor
    ) -> Callable[[Tensor], Call]:
        """Plan the values of some copies; `(gradient) -> call` that takes it back."""
        if curve.formula is None or not suits(given, LEAST):
            plan.forward.append(curve.value(given, output))
            known = output if curve.by_output else given
            return lambda own: curve.slope(own, known, own)
        # Scoring has no way back.
        derivative: Any = None if plan.is_scoring else plan.new(given.shape, given)
        plan.forward.append(partial(compute, curve.formula, given, output, derivative))
        return lambda own: partial(own.mul_, derivative)

    def _shares(self, one: Tensor, other: Tensor) -> Iterator[tuple[Curve, Tensor, Tensor]]:
        sizes = [size for size, _ in self.curves]
        for (_, curve), *own in zip(
            self.curves, parts(one, sizes), parts(other, sizes), strict=True
        ):
            yield curve, own[0], own[1]


@dataclass
class Dropped:
    """Dropout; each copy draws from its own stream what it would draw alone.

    Attributes:
        inputs: what is read.
        share: of the numbers that are dropped.
        streams: of the copies, which are others in each epoch.
    """

    inputs: tuple[fx.Node, ...]
    share: float
    streams: Callable[[], Sequence[torch.Generator]]
    trains: bool = False

    def forward(self, plan: StepPlan) -> Tensor:
        """The numbers that are kept, so that their mean stays."""
        given = plan.values[self.inputs[0]]
        if plan.is_scoring:
            return given
        self._kept = kept = plan.new(given.shape, given)
        outputs = plan.new(given.shape, given)
        plan.forward += [partial(self._draw, kept), partial(torch.mul, given, kept, out=outputs)]
        return outputs

    def backward(self, plan: StepPlan, gradient: Tensor) -> None:
        """The gradient of what was kept."""
        plan.backward.append(partial(gradient.mul_, self._kept))
        plan.hand_on(self.inputs[0], gradient)

    def _draw(self, kept: Tensor) -> None:
        if self.share in (0.0, 1.0):
            kept.fill_(1 - self.share)
            return
        for own, stream in zip(kept.unbind(), self.streams(), strict=True):
            own.bernoulli_(1 - self.share, generator=stream)
        kept.div_(1 - self.share)


@dataclass
class Sum:
    """The sum of two values, as at the end of a residual branch."""

    inputs: tuple[fx.Node, ...]
    trains: bool = False

    def forward(self, plan: StepPlan) -> Tensor:
        """The sum of both."""
        one, other = (plan.values[each] for each in self.inputs)
        if one.shape != other.shape:
            raise NotStackable("values of other shapes are added")
        outputs = plan.new(one.shape, one)
        plan.forward.append(partial(torch.add, one, other, out=outputs))
        return outputs

    def backward(self, plan: StepPlan, gradient: Tensor) -> None:
        """The gradient for each of them."""
        one, other = self.inputs
        plan.hand_copy(other, gradient)
        plan.hand_on(one, gradient)


@dataclass
class Reshaped:
    """The same numbers in another shape: `(copies, rows, …)` from one dimension to another."""

    inputs: tuple[fx.Node, ...]
    start: int = 1
    end: int = -1
    trains: bool = False

    def forward(self, plan: StepPlan) -> Tensor:
        """A view of what is read."""
        given = plan.values[self.inputs[0]]
        last = self.end if self.end < 0 else self.end + 1
        return given.flatten(self.start + 1, last) if given.ndim > 2 else given

    def backward(self, plan: StepPlan, gradient: Tensor) -> None:
        """A copy of the gradient in the shape of what was read."""
        plan.hand_copy(self.inputs[0], gradient.view(plan.values[self.inputs[0]].shape))
        plan.space.give_back(gradient)
