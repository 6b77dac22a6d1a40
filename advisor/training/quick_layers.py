"""Activations that are slow in torch, computed by the formulas of `formulas.py` while a model is
called in a training.

Only for the time of a call their layers have another class, of which they are the same instances
with all that they hold: hooks, attributes and references stay, and after the call nothing is left.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from advisor.training.formulas import FORMULAS, Formula, compute, formula_of, suits

LEAST = 2**12
"""Numbers below which calling so many kernels costs more than it brings."""
_HOOKS = getattr(torch._C._autograd, "_top_saved_tensors_default_hooks", None)


class Computed(torch.autograd.Function):
    """What a formula gives. Its derivative is computed with it, and kept in the place of the way
    back; who differentiates that again follows torch's own function.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, formula: Formula, usual: Any) -> Tensor:
        """The value."""
        value, slope = torch.empty_like(x), torch.empty_like(x)
        compute(formula, x, value, slope)
        ctx.usual = usual
        ctx.save_for_backward(x, slope)
        return value

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """The gradient of what was read."""
        x, slope = ctx.saved_tensors
        if not torch.is_grad_enabled():
            return gradient * slope, None, None
        (found,) = torch.autograd.grad(ctx.usual(x), x, gradient, create_graph=True)
        return found, None, None


class Quick(nn.Module):
    """A layer of torch that is computed by its formula; its class in torch comes behind.

    Attributes:
        kind: that class.
    """

    kind: ClassVar[type[nn.Module]]

    def forward(self, x: Tensor) -> Tensor:
        """As torch's own."""
        usual, formula = super().forward, FORMULAS[self.kind](self)
        if formula is None or not is_plain(x):
            return usual(x)  # type: ignore[no-any-return]
        if torch.is_grad_enabled() and x.requires_grad:
            found: Tensor = Computed.apply(x, formula, usual)  # type: ignore[no-untyped-call]
            return found
        value = torch.empty_like(x)
        compute(formula, x, value, None)
        return value

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy, or what is written to a file, is a layer of torch."""
        return object.__new__, (self.kind,), vars(self)

    def _get_name(self) -> str:
        return self.kind.__name__


QUICK: dict[type[nn.Module], Any] = {
    kind: type(f"Quick{kind.__name__}", (Quick, kind), {"kind": kind}) for kind in FORMULAS
}
"""The class that a layer has while its model is called."""


def is_plain(x: Any) -> bool:
    """Whether formulas are for a tensor, and nobody looks at what is called for it, or what is
    kept, as checkpoints do, which compute it again on the way back.
    """
    return (
        type(x) is Tensor
        and not torch._C._are_functorch_transforms_active()
        and not torch._C._is_tracing()
        and not torch.compiler.is_compiling()
        and keeps_as_it_is()
        and forward_ad.unpack_dual(x).tangent is None
        and suits(x, LEAST)
    )


def keeps_as_it_is() -> bool:
    """Whether autograd keeps tensors themselves; what torch before 2.8 does is not known."""
    return _HOOKS is not None and _HOOKS(True) is None


def quick_copy(layer: nn.Module) -> nn.Module:
    """A copy of a layer that is computed by its formula; the layer itself where there is none."""
    if formula_of(layer) is None:
        return layer
    other = copy.copy(layer)
    other.__class__ = QUICK[type(layer)]
    return other


class QuickLayers:
    """The layers of a model for which there are formulas.

    Arguments:
        model: whose layers they are; those with a class of somebody's own are left alone.
    """

    def __init__(self, model: nn.Module) -> None:
        every = [*nn.Module.modules(model)]
        self._layers = [each for each in every if formula_of(each) is not None]

    @contextmanager
    def called(self) -> Iterator[None]:
        """Around calls of the model, in which its layers are computed by formulas."""
        kinds = [type(each) for each in self._layers]
        try:
            for each, kind in zip(self._layers, kinds, strict=True):
                each.__class__ = QUICK[kind]
            yield
        finally:
            for each, kind in zip(self._layers, kinds, strict=True):
                each.__class__ = kind
