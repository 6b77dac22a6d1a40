"""Functions of single numbers and their derivatives, as calls that write into tensors which are
there already.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from advisor.training.formulas import Formula, formula_of

ATEN = torch.ops.aten
Call = Callable[[], object]
"""One step of a computation, on tensors that are chosen already."""


class Curve(NamedTuple):
    """A function of single numbers.

    Attributes:
        value: `(input, output) -> call` that computes the output; both may be one tensor where
            `by_output`.
        slope: `(gradient of the output, known, gradient of the input) -> call` that computes the
            latter; both gradients may be one tensor. `known` is the output where `by_output`, else
            the input.
        by_output: whether the derivative is computed from the output.
        formula: computes the output and the derivative at once in less time, or None.
    """

    value: Callable[[Tensor, Tensor], Call]
    slope: Callable[[Tensor, Tensor, Tensor], Call]
    by_output: bool
    formula: Formula | None = None


def by_tape(function: Callable[[Tensor], Tensor], parameters: Sequence[Tensor] = ()) -> Curve:
    """Any function of single numbers; autograd computes its derivative, and the gradients of its
    parameters, which are written over those that these have.
    """
    noted: list[tuple[Tensor, Tensor]] = []

    def compute(inputs: Tensor, output: Tensor) -> None:
        """The value, of which autograd takes note."""
        leaf = inputs.detach().requires_grad_()
        with torch.enable_grad():
            found = function(leaf)
        output.copy_(found.detach())
        noted[:] = [(leaf, found)]

    def differentiate(gradient: Tensor, _: Tensor, before: Tensor) -> None:
        """The derivative of the value that was computed last."""
        leaf, found = noted.pop()
        trained = [(each, each.grad) for each in parameters if each.grad is not None]
        asked = (leaf, *(each for each, _ in trained))
        gradients = torch.autograd.grad(found, asked, gradient, materialize_grads=True)
        for own, other in zip((before, *(own for _, own in trained)), gradients, strict=True):
            own.copy_(other)

    return Curve(
        lambda inputs, output: partial(compute, inputs, output),
        lambda gradient, known, before: partial(differentiate, gradient, known, before),
        by_output=False,
    )


def rectifier() -> Curve:
    """`max(x, 0)`."""
    return Curve(
        lambda x, y: partial(torch.clamp_min, x, 0.0, out=y),
        lambda g, y, d: partial(ATEN.threshold_backward.grad_input, g, y, 0.0, grad_input=d),
        by_output=True,
    )


def hyperbolic_tangent() -> Curve:
    """`tanh x`."""
    return Curve(
        lambda x, y: partial(torch.tanh, x, out=y),
        lambda g, y, d: partial(ATEN.tanh_backward.grad_input, g, y, grad_input=d),
        by_output=True,
    )


def logistic() -> Curve:
    """`1 / (1 + exp -x)`."""
    return Curve(
        lambda x, y: partial(torch.sigmoid, x, out=y),
        lambda g, y, d: partial(ATEN.sigmoid_backward.grad_input, g, y, grad_input=d),
        by_output=True,
    )


def exponential(alpha: float, scale: float, rate: float) -> Curve:
    """`scale x` above zero, `scale alpha (exp(rate x) - 1)` below."""
    by_output = alpha >= 0

    def slope(gradient: Tensor, known: Tensor, before: Tensor) -> Call:
        """Below zero the output tells the derivative, where it falls nowhere."""
        backward = ATEN.elu_backward.grad_input
        return partial(backward, gradient, alpha, scale, rate, by_output, known, grad_input=before)

    return Curve(lambda x, y: partial(ATEN.elu.out, x, alpha, scale, rate, out=y), slope, by_output)


def leaky(layer: nn.LeakyReLU) -> Curve:
    """`x` above zero, `slope x` below."""
    slope, by_output = layer.negative_slope, layer.negative_slope >= 0
    backward = ATEN.leaky_relu_backward.grad_input
    return Curve(
        lambda x, y: partial(ATEN.leaky_relu.out, x, slope, out=y),
        lambda g, known, d: partial(backward, g, known, slope, by_output, grad_input=d),
        by_output,
    )


def gaussian(layer: nn.GELU) -> Curve:
    """GELU, exact or by the hyperbolic tangent."""
    how = layer.approximate
    backward = ATEN.gelu_backward.grad_input
    return Curve(
        lambda x, y: partial(ATEN.gelu.out, x, approximate=how, out=y),
        lambda g, x, d: partial(backward, g, x, approximate=how, grad_input=d),
        by_output=False,
    )


def sigmoid_weighted() -> Curve:
    """`x / (1 + exp -x)`."""
    return Curve(
        lambda x, y: partial(ATEN.silu.out, x, out=y),
        lambda g, x, d: partial(ATEN.silu_backward.grad_input, g, x, grad_input=d),
        by_output=False,
    )


def mish() -> Curve:
    """`x tanh log(1 + exp x)`."""
    return Curve(
        lambda x, y: partial(ATEN.mish.out, x, out=y),
        lambda g, x, d: lambda: d.copy_(ATEN.mish_backward(g, x)),
        by_output=False,
    )


def clipped(layer: nn.Hardtanh) -> Curve:
    """`x` between two numbers, and these beyond them."""
    ends = (layer.min_val, layer.max_val)
    backward = ATEN.hardtanh_backward.grad_input
    return Curve(
        lambda x, y: partial(ATEN.hardtanh.out, x, *ends, out=y),
        lambda g, y, d: partial(backward, g, y, *ends, grad_input=d),
        by_output=True,
    )


def piecewise_logistic() -> Curve:
    """`min(max(0, x + 3), 6) / 6`."""
    return Curve(
        lambda x, y: partial(ATEN.hardsigmoid.out, x, out=y),
        lambda g, x, d: partial(ATEN.hardsigmoid_backward.grad_input, g, x, grad_input=d),
        by_output=False,
    )


def piecewise_sigmoid_weighted() -> Curve:
    """`x min(max(0, x + 3), 6) / 6`."""
    return Curve(
        lambda x, y: partial(ATEN.hardswish.out, x, out=y),
        lambda g, x, d: lambda: d.copy_(ATEN.hardswish_backward(g, x)),
        by_output=False,
    )


def soft_rectifier(layer: nn.Softplus) -> Curve:
    """`log(1 + exp(beta x)) / beta`."""
    settings = (layer.beta, layer.threshold)
    backward = ATEN.softplus_backward.grad_input
    return Curve(
        lambda x, y: partial(ATEN.softplus.out, x, *settings, out=y),
        lambda g, x, d: partial(backward, g, x, *settings, grad_input=d),
        by_output=False,
    )


CURVES: dict[type[nn.Module], Callable[[Any], Curve]] = {
    nn.ReLU: lambda _: rectifier(),
    nn.Tanh: lambda _: hyperbolic_tangent(),
    nn.Sigmoid: lambda _: logistic(),
    nn.ELU: lambda layer: exponential(layer.alpha, 1.0, 1.0),
    nn.SELU: lambda layer: exponential(1.6732632423543772, 1.0507009873554805, 1.0),
    nn.CELU: lambda layer: exponential(layer.alpha, 1.0, 1.0 / layer.alpha),
    nn.LeakyReLU: leaky,
    nn.GELU: gaussian,
    nn.SiLU: lambda _: sigmoid_weighted(),
    nn.Mish: lambda _: mish(),
    nn.Softplus: soft_rectifier,
    nn.Hardtanh: clipped,
    nn.ReLU6: clipped,
    nn.Hardsigmoid: lambda _: piecewise_logistic(),
    nn.Hardswish: lambda _: piecewise_sigmoid_weighted(),
}
"""Layers whose derivatives are known here; that of any other one is computed by autograd."""
LAYERS: dict[Any, nn.Module] = {
    **{each: nn.ReLU() for each in (F.relu, torch.relu, torch.relu.__name__)},
    **{each: nn.Tanh() for each in (F.tanh, torch.tanh, torch.tanh.__name__)},
    **{each: nn.Sigmoid() for each in (F.sigmoid, torch.sigmoid, torch.sigmoid.__name__)},
    F.gelu: nn.GELU(),
    F.silu: nn.SiLU(),
    F.mish: nn.Mish(),
    F.elu: nn.ELU(),
    F.selu: nn.SELU(),
    F.leaky_relu: nn.LeakyReLU(),
    F.softsign: nn.Softsign(),
    F.hardtanh: nn.Hardtanh(),
    F.relu6: nn.ReLU6(),
    F.hardsigmoid: nn.Hardsigmoid(),
    F.hardswish: nn.Hardswish(),
}
"""Layers that do what functions and methods do that are called with one argument."""


def curve_of(layer: nn.Module) -> Curve:
    """What a layer does to single numbers."""
    known = CURVES.get(type(layer))
    curve = by_tape(layer) if known is None else known(layer)
    return curve._replace(formula=formula_of(layer))
