"""Gains: by how much weights must be scaled so that a signal keeps its size through an activation."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from advisor.errors import explain
from advisor.model import Site

_NODES = (
    torch.arange(-4000, 4000, dtype=torch.float64) + 0.5
) / 400  # midpoints, so that a kink at 0 lies between two
_WEIGHTS = torch.exp(-(_NODES**2) / 2) / math.sqrt(2 * math.pi) * (_NODES[1] - _NODES[0])


@dataclass(frozen=True)
class Moments:
    """Moments of an activation f on z ~ N(0, 1): E f, E f², E f'², its slope at 0, and E z f f'."""

    mean: float
    square: float
    slope_square: float
    slope_at_zero: float
    drift: float

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
        if self.growth < 0.5:
            return self.backward
        if self.growth > 1.1 and self.slope_at_zero > 0.5:
            return 1 / self.slope_at_zero
        return self.forward


LINEAR = Moments(0.0, 1.0, 1.0, 1.0, 1.0)


def moments(function: Callable[[Tensor], Tensor]) -> Moments | None:
    """Moments of an elementwise function by quadrature, f' by autograd; None if not finite or not
    elementwise.
    """
    found = examine(function)
    return found if isinstance(found, Moments) else None


def moments_at(site: Site) -> Moments | None:
    """Moments of what runs at a site; slopes that differ by channel count by their mean."""
    module = getattr(site.target, "module", None)
    found = moments(site.function) if site.function is not None else None
    return found if found or not isinstance(module, nn.Module) else moments(module)


def examine(function: Callable[[Tensor], Tensor]) -> Moments | str:
    """The moments of a function, or the sentence that says why it has none."""
    if isinstance(function, nn.Module):
        function = _pooled(function)
    z = _NODES.clone().requires_grad_()
    try:
        with torch.enable_grad():
            value = function(z.clone())  # a copy, because the function may work in place
            (slope,) = torch.autograd.grad(value.sum(), z)
        whole = value.shape == z.shape and _is_elementwise(function, value.detach())
    except Exception as problem:  # whatever an unknown function raises on a plain vector
        return f"it fails on a plain vector of numbers ({explain(problem).split('. ')[0]})"
    if not whole:
        return "it is not elementwise: a value of its output depends on more than the same value of its input"
    if not bool(torch.isfinite(value).all() and torch.isfinite(slope).all()):
        return "its values or its slopes are not finite everywhere between -10 and 10"
    found = _integrated(value.detach(), slope)
    return found if min(found.square, found.slope_square) > 1e-12 else "it is flat"


def _pooled(module: nn.Module) -> nn.Module:
    """A copy in double precision, as in evaluation; a slope per channel becomes their mean, which
    fits any shape.
    """
    twin = copy.deepcopy(module).double().eval()
    for parameter in twin.parameters():
        if parameter.numel() == max(
            parameter.shape, default=1
        ):  # (channels) or (1, channels, 1, 1)
            parameter.data = parameter.data.mean()
    return twin


def _is_elementwise(function: Callable[[Tensor], Tensor], value: Tensor) -> bool:
    """Whether values stay what they are when their order changes and half of them are gone."""
    with torch.no_grad():
        part = function(_NODES.flip(0)[::2].clone())
    return bool(torch.allclose(part, value.flip(0)[::2], rtol=1e-6, atol=1e-9, equal_nan=True))


def _integrated(value: Tensor, slope: Tensor) -> Moments:
    middle = len(_NODES) // 2
    return Moments(
        mean=float((value * _WEIGHTS).sum()),
        square=float((value**2 * _WEIGHTS).sum()),
        slope_square=float((slope**2 * _WEIGHTS).sum()),
        slope_at_zero=float(slope[middle - 1 : middle + 1].mean()),
        drift=float((_NODES * value * slope * _WEIGHTS).sum()),
    )
