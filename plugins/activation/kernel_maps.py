"""The maps by which activations move the lengths of signals and the angles between them, and the
shapes of activations that give these maps what a deep net needs.

For a layer with weights of variance 1 / fan_in and z ~ N(0, 1), Q(q) = E f(√q z)² is the mean
square that leaves an activation f where q enters; where Q(1) = 1, C(c) = E f(z) f(z'), for z and z'
with correlation c, is the correlation that leaves it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

Function = Callable[[Tensor], Tensor]

FUNCTIONS: dict[str, Function] = {
    "tanh": torch.tanh,
    "softplus": F.softplus,
    "silu": F.silu,
    "gelu": F.gelu,
}
"""Smooth functions that can be shaped."""

# Midpoints of equal intervals, and the density of N(0, 1) there.
_NODES = (torch.arange(-2000, 2000, dtype=torch.float64) + 0.5) / 200
_WEIGHTS = torch.exp(-(_NODES**2) / 2) / math.sqrt(2 * math.pi) / 200
_CLOSE = 1e-6
"""How far a map may be from what is asked for."""
_STARTS = ((0.3, 1.0, 0.1), (0.5, -0.5, 1.0))
"""Scales and shifts of the input from which the equations are solved."""


@dataclass(frozen=True)
class Shape:
    """f becomes output_scale · (f(input_scale · x + input_shift) + output_shift)."""

    input_scale: float
    input_shift: float
    output_scale: float
    output_shift: float

    def at(self, function: Function, x: Tensor) -> Tensor:
        """The function in this shape."""
        inside = function(self.input_scale * x + self.input_shift)
        return self.output_scale * (inside + self.output_shift)


@dataclass(frozen=True)
class KernelMaps:
    """Q and C maps of an activation at their fixed points.

    Attributes:
        q: Q(1).
        q_slope: Q'(1); at 1 the lengths of signals neither run away nor die.
        c_zero: C(0), the correlation of what were orthogonal rows.
        c_slope: C'(1), by which small angles grow.
        c_curve: C''(1).
    """

    q: float
    q_slope: float
    c_zero: float
    c_slope: float
    c_curve: float

    @classmethod
    def of(cls, function: Function) -> KernelMaps:
        """The maps of an elementwise function, by quadrature."""
        value, slope, curve = _derivatives(function, _NODES)
        square = max(_mean(value**2), 1e-30)
        return cls(
            q=square,
            q_slope=_mean(_NODES * value * slope),
            c_zero=_mean(value) ** 2 / square,
            c_slope=_mean(slope**2) / square,
            c_curve=_mean(curve**2) / square,
        )


def dks_shape(function: Function, slope: float) -> Shape:
    """Q(1) = 1, Q'(1) = 1, C(0) = 0 and C'(1) = `slope` > 1 (Martens et al. 2021).

    Raises ValueError where no shape of the function has these maps.
    """

    def shape(scale: float, shift: float) -> Shape:
        """With an output of mean 0 and variance 1."""
        value = function(scale * _NODES + shift)
        mean = _mean(value)
        variance = _mean((value - mean) ** 2)
        return Shape(scale, shift, 1 / math.sqrt(max(variance, 1e-30)), -mean)

    def wrong(maps: KernelMaps) -> tuple[float, float]:
        return maps.q_slope - 1, maps.c_slope / slope - 1

    return _solved(function, shape, wrong, f"C'(1) = {slope:.4g}")


def tat_shape(function: Function, curve: float) -> Shape:
    """Q(1) = 1, Q'(1) = 1, C'(1) = 1 and C''(1) = `curve` > 0 (Zhang et al. 2022).

    Raises ValueError where no shape of the function has these maps.
    """

    def with_sign(sign: float) -> Callable[[float, float], Shape]:
        def shape(scale: float, shift: float) -> Shape:
            """With E f'² = 1, and then the one of two shifts of the output that gives Q(1) = 1."""
            value, slope, _ = _derivatives(function, scale * _NODES + shift)
            mean = _mean(value)
            square = scale**2 * _mean(slope**2)
            # E f'² is at least Var f (Poincaré), so what is left for the mean is not negative.
            rest = math.sqrt(max(0.0, square - _mean((value - mean) ** 2)))
            return Shape(scale, shift, 1 / math.sqrt(max(square, 1e-30)), sign * rest - mean)

        return shape

    def wrong(maps: KernelMaps) -> tuple[float, float]:
        return maps.q_slope - 1, maps.c_curve / curve - 1

    what = f"C''(1) = {curve:.4g}"
    try:
        return _solved(function, with_sign(1.0), wrong, what)
    except ValueError:
        return _solved(function, with_sign(-1.0), wrong, what)


def leaky_c_map(correlation: float, slope: float) -> float:
    """C of a leaky rectifier: c + (1 - a)² (√(1 - c²) - c arccos c) / (π (1 + a²))."""
    c = min(1.0, max(-1.0, correlation))
    bend = (math.sqrt(1 - c**2) - c * math.acos(c)) / math.pi
    return c + (1 - slope) ** 2 / (1 + slope**2) * bend


def leaky_slope(depth: int, eta: float) -> float:
    """The slope a of a leaky rectifier with which rows that were orthogonal have correlation `eta`
    after `depth` layers; 0 where a rectifier does not reach it.
    """

    def reached(slope: float) -> float:
        correlation = 0.0
        for _ in range(depth):
            correlation = leaky_c_map(correlation, slope)
        return correlation

    low, high = 0.0, 1.0
    if reached(low) <= eta:
        return low
    # The nearer the rectifier is to a straight line, the less it brings rows together.
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if reached(middle) > eta else (low, middle)
    return (low + high) / 2


def _solved(
    function: Function,
    shape: Callable[[float, float], Shape],
    wrong: Callable[[KernelMaps], tuple[float, float]],
    what: str,
) -> Shape:
    """The shape whose maps are not wrong. Raises ValueError where none is found."""
    from scipy.optimize import root  # here, because it takes a tenth of a second to load

    def at(point: Any) -> Shape:
        """The solver may step far out, where a function is flat."""
        scale, shift = (float(each) for each in point)
        return shape(math.exp(min(2.0, max(-8.0, scale))), min(8.0, max(-8.0, shift)))

    def error(point: Any) -> list[float]:
        found = at(point)
        return list(wrong(KernelMaps.of(lambda x: found.at(function, x))))

    for scale, shift in product(*_STARTS):
        result = root(error, [math.log(scale), shift], method="hybr")
        if max(map(abs, error(result.x))) < _CLOSE:
            return at(result.x)
    raise ValueError(f"no shape of the function has Q'(1) = 1 and {what}")


def _mean(values: Tensor) -> float:
    """E over z ~ N(0, 1) of what has these values at the nodes."""
    return float((values * _WEIGHTS).sum())


def _derivatives(function: Function, at: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Values, slopes and curvatures of an elementwise function."""
    x = at.clone().requires_grad_()
    with torch.enable_grad():
        value = function(x)
        (slope,) = torch.autograd.grad(value.sum(), x, create_graph=True)
        curve = torch.zeros_like(x)
        if slope.requires_grad:
            (curve,) = torch.autograd.grad(slope.sum(), x)
    return value.detach(), slope.detach(), curve.detach()
