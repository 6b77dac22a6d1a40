"""Gains: how weights must be scaled so that a signal keeps its size through an activation."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn

from advisor.errors import explain
from advisor.model import Site
from advisor.model.tracing.formula import Formula, formula_of

# Midpoints of 8,000 equal intervals between -10 and 10, so that a kink at 0 lies between two nodes.
_NODES = (torch.arange(-4000, 4000, dtype=torch.float64) + 0.5) / 400
# The density of N(0, 1) at each node, times the width of an interval.
_WEIGHTS = torch.exp(-(_NODES**2) / 2) / math.sqrt(2 * math.pi) * (_NODES[1] - _NODES[0])
# An activation whose second moment is smaller carries no signal: it is flat.
_FLAT = 1e-12


@dataclass(frozen=True)
class Moments:
    """Moments of an activation f on z ~ N(0, 1): E f, E f², E f'², its slope at 0, and E z f f'."""

    mean: float
    square: float
    slope_square: float
    slope_at_zero: float
    drift: float

    @classmethod
    def of(cls, value: Tensor, slope: Tensor) -> Moments:
        """The moments of a function that has these values and slopes at the nodes."""
        # The two nodes beside zero stand for the slope at zero, where a kink may lie.
        middle = len(_NODES) // 2
        return cls(
            mean=float((value * _WEIGHTS).sum()),
            square=float((value**2 * _WEIGHTS).sum()),
            slope_square=float((slope**2 * _WEIGHTS).sum()),
            slope_at_zero=float(slope[middle - 1 : middle + 1].mean()),
            drift=float((_NODES * value * slope * _WEIGHTS).sum()),
        )

    @property
    def forward(self) -> float:
        """Gain that keeps the second moment of the signal: 1/√E f² (He et al. 2015, for any
        activation).
        """
        return 1 / math.sqrt(self.square)

    @property
    def backward(self) -> float:
        """Gain that keeps the second moment of the gradient: 1/√E f'²."""
        return 1 / math.sqrt(self.slope_square)

    @property
    def growth(self) -> float:
        """Growth of the gradient's variance per layer when weights have the forward gain (χ of
        mean-field theory).
        """
        return self.slope_square / self.square

    @property
    def stability(self) -> float:
        """By how much a layer with the forward gain multiplies a small error in its input's
        variance.

        Above 1 the variance runs away from 1 in a deep net, whatever the gain: start such a net
        from data, or normalize.
        """
        return self.drift / self.square

    @property
    def variance(self) -> float:
        """Var f."""
        return self.square - self.mean**2

    @property
    def centred(self) -> float:
        """Gain that keeps the variance where every unit's mean is taken away, as a start from data
        or a batch norm does.
        """
        return 1 / math.sqrt(self.variance)

    @property
    def centred_growth(self) -> float:
        """Growth of the gradient's variance per layer with the centred gain."""
        return self.slope_square / self.variance

    @property
    def gain(self) -> float:
        """The gain to use in a deep net.

        The forward gain, where the gradient keeps its size with it. Where the gradient would grow
        (saturating functions, χ > 1.1), the edge of chaos 1/f'(0) (Schoenholz et al. 2017); where
        it would die (χ < 0.5, as for a sigmoid), the backward gain.
        """
        dies = self.growth < 0.5
        explodes = self.growth > 1.1
        if dies:
            return self.backward
        # A function that is nearly flat at zero has no useful edge of chaos.
        if explodes and self.slope_at_zero > 0.5:
            return 1 / self.slope_at_zero
        return self.forward


LINEAR = Moments(0.0, 1.0, 1.0, 1.0, 1.0)
"""Moments of the identity."""


def moments(function: Callable[[Tensor], Tensor]) -> Moments | None:
    """Moments of an elementwise function by quadrature, f' by autograd; None if not finite or not
    elementwise.
    """
    result = examine(function)
    return result if isinstance(result, Moments) else None


def moments_at(site: Site) -> Moments | None:
    """Moments of what runs at a site; slopes that differ by channel count by their mean."""
    formula = formula_of(site.function)
    if formula is not None:
        return _moments_of(formula)
    at_site = moments(site.function) if site.function is not None else None
    if at_site is not None:
        return at_site
    # A slope per channel does not fit a plain vector; in a module it can be averaged.
    module = getattr(site.target, "module", None)
    return moments(module) if isinstance(module, nn.Module) else None


@lru_cache(maxsize=32)
def _moments_of(formula: Formula) -> Moments | None:
    return moments(formula.built())


def examine(function: Callable[[Tensor], Tensor]) -> Moments | str:
    """The moments of a function, or the sentence that says why it has none."""
    if isinstance(function, nn.Module):
        function = _in_double_precision(function)

    # Both outputs come from copies of the nodes, because the function may work in place.
    nodes = _NODES.clone().requires_grad_()
    try:
        with torch.enable_grad():
            value = function(nodes.clone())
            (slope,) = torch.autograd.grad(value.sum(), nodes)
        same_shape = value.shape == nodes.shape
        elementwise = same_shape and is_elementwise(function, value.detach())
    except Exception as problem:  # whatever an unknown function raises on a plain vector
        reason = explain(problem).split(". ")[0]
        return f"it fails on a plain vector of numbers ({reason})"

    if not elementwise:
        return (
            "it is not elementwise: a value of its output depends on more than the same value of "
            "its input"
        )
    if not bool(torch.isfinite(value).all() and torch.isfinite(slope).all()):
        return "its values or its slopes are not finite everywhere between -10 and 10"
    result = Moments.of(value.detach(), slope)
    is_flat = min(result.square, result.slope_square) <= _FLAT
    return "it is flat" if is_flat else result


def _in_double_precision(module: nn.Module) -> nn.Module:
    """A copy in evaluation mode; a slope per channel becomes their mean, which fits any shape."""
    copied = copy.deepcopy(module).double().eval()
    for parameter in copied.parameters():
        # One number per channel lies as (channels) or as (1, channels, 1, 1).
        if parameter.numel() == max(parameter.shape, default=1):
            parameter.data = parameter.data.mean()
    return copied


def is_elementwise(function: Callable[[Tensor], Tensor], value: Tensor) -> bool:
    """Whether values stay what they are when their order changes and half of them are gone."""
    with torch.no_grad():
        part = function(_NODES.flip(0)[::2].clone())
    expected = value.flip(0)[::2]
    return bool(torch.allclose(part, expected, rtol=1e-6, atol=1e-9, equal_nan=True))
