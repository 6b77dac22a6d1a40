"""Units of an activation that pass no gradient on a batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from advisor.model import Site

FLAT = 1e-7
"""A slope below this passes no gradient (SageMaker Debugger)."""
FLAT_SHARE = 0.05
"""A unit is on a flat end where its slope is below this share of the activation's largest."""
MOST_ROWS = 0.75
"""A unit that is on a flat end in so many rows is saturated."""
FAR = 8
"""A dead unit is lost where its mean input lies further below zero than so many times the lower
quartile of the units' inputs (by size); another one may sleep on this batch and wake later.
"""


@dataclass(frozen=True)
class Units:
    """The units of one activation over the batch, and how many of them pass no gradient.

    Attributes:
        site: the activation.
        count: number of units; those of a convolution are its channels.
        dead: units without a slope in any row.
        lost: dead units whose inputs lie far below those of the layer's other units.
        saturated: units on the flat ends of an activation that is flat at both.
    """

    site: Site
    count: int
    dead: int
    lost: int
    saturated: int


def units_of(
    site: Site, function: Callable[[Tensor], Tensor], x: Tensor, kind: str
) -> Units | None:
    """Dead and saturated units of an activation; None where its slope cannot be computed.

    Arguments:
        site: the activation.
        function: what it computes, elementwise.
        x: its inputs over the batch.
        kind: the kind of the layer before it, or the empty text where none is known.
    """
    # The units of a convolution are its channels, in dimension 1; other units lie in the last one.
    after_convolution = kind.startswith("conv") or (not kind and x.ndim > 3)
    axis = 1 if x.ndim > 2 and after_convolution else -1
    by_unit = x.movedim(axis, -1).reshape(-1, x.shape[axis])
    slopes = slope(function, by_unit)
    if slopes is None:
        return None

    # A saturated unit is not dead: its activation has a slope elsewhere.
    steepest = _largest_slope(function, x)
    is_flat = slopes < FLAT_SHARE * steepest
    saturated = is_flat.float().mean(0) >= MOST_ROWS
    dead = (slopes.amax(0) < FLAT) & ~saturated
    # Inputs far below the other units' will not come back by a small change of the weights.
    mean = by_unit.float().mean(0)
    lost = dead & (mean < -FAR * mean.abs().quantile(0.25))
    return Units(site, by_unit.shape[1], int(dead.sum()), int(lost.sum()), int(saturated.sum()))


def slope(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor | None:
    """|f'| at every element of `x`, or None where the function cannot be differentiated alone."""
    # Inside a checkpointed part of a model, the checkpoint must not see what autograd saves here.
    with torch.enable_grad(), saved_tensors_hooks(lambda tensor: tensor, lambda tensor: tensor):
        z = x.detach().clone().requires_grad_()
        try:
            y = function(z)
            (gradient,) = torch.autograd.grad(y.sum(), z)
        except Exception:  # an unknown function may raise anything; it is not measured then
            return None
    return gradient.abs() if y.shape == z.shape else None


def _largest_slope(function: Callable[[Tensor], Tensor], x: Tensor) -> float:
    """The largest slope of a function that is flat at both ends; 0 for others, which do not
    saturate.
    """
    ends = torch.tensor([-200.0, -100.0, 100.0, 200.0]).to(x)
    with torch.no_grad():
        try:
            y = function(ends)
        except Exception:  # an unknown function may raise anything
            return 0.0
    if y.shape != ends.shape or not bool(torch.isfinite(y).all()):
        return 0.0
    # A function is flat where it no longer changes far out on either side.
    if float((y[[0, 3]] - y[[1, 2]]).abs().max()) > 1e-3:
        return 0.0
    # Activations in use have their largest slope within 8 of zero.
    slopes = slope(function, torch.linspace(-8, 8, 1601).to(x))
    return 0.0 if slopes is None else float(slopes.max())
