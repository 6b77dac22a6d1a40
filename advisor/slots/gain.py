"""Gains: by how much weights must be scaled so that a signal keeps its size through an activation."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

_NODES = (torch.arange(-4000, 4000, dtype=torch.float64) + 0.5) / 400  # midpoints, so that a kink at 0 lies between two
_WEIGHTS = torch.exp(-(_NODES**2) / 2) / math.sqrt(2 * math.pi) * (_NODES[1] - _NODES[0])


@dataclass(frozen=True)
class Moments:
    """Moments of an activation f on z ~ N(0, 1): E f, E f², E f'², and its slope at 0."""

    mean: float
    square: float
    slope_square: float
    slope_at_zero: float

    @property
    def forward(self) -> float:
        """Gain that keeps the second moment of the signal: 1/√E f² (He et al. 2015, for any activation)."""
        return 1 / math.sqrt(self.square)

    @property
    def backward(self) -> float:
        """Gain that keeps the second moment of the gradient: 1/√E f'²."""
        return 1 / math.sqrt(self.slope_square)

    @property
    def growth(self) -> float:
        """Growth of the gradient's variance per layer when weights have the forward gain (χ of mean-field theory)."""
        return self.slope_square / self.square

    @property
    def gain(self) -> float:
        """The gain to use in a deep net.

        The forward gain, where the gradient keeps its size with it. Where the gradient would grow (saturating functions,
        χ > 1.1), the edge of chaos 1/f'(0) (Schoenholz et al. 2017); where it would die (χ < 0.5, as for a sigmoid), the
        backward gain.
        """
        if self.growth < 0.5:
            return self.backward
        if self.growth > 1.1 and self.slope_at_zero > 0.5:
            return 1 / self.slope_at_zero
        return self.forward


LINEAR = Moments(0.0, 1.0, 1.0, 1.0)


def moments(function: Callable[[Tensor], Tensor]) -> Moments | None:
    """Moments of an elementwise function by quadrature, f' by autograd; None if not finite or not elementwise."""
    if isinstance(function, nn.Module):
        function = copy.deepcopy(function).double().eval()
    z = _NODES.clone().requires_grad_()
    try:
        with torch.enable_grad():
            value = function(z.clone())  # a copy, because the function may work in place
            (slope,) = torch.autograd.grad(value.sum(), z)
    except Exception:  # whatever an unknown function raises on a plain vector: it is not elementwise
        return None
    if value.shape != z.shape or not bool(torch.isfinite(value).all() and torch.isfinite(slope).all()):
        return None
    value, middle = value.detach(), len(_NODES) // 2
    found = Moments(
        mean=float((value * _WEIGHTS).sum()),
        square=float((value**2 * _WEIGHTS).sum()),
        slope_square=float((slope**2 * _WEIGHTS).sum()),
        slope_at_zero=float(slope[middle - 1 : middle + 1].mean()),
    )
    return found if found.square > 1e-12 and found.slope_square > 1e-12 else None
