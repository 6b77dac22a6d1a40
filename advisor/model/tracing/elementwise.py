"""Is a function an activation? Decided by what it does, not by what it is called."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from advisor.model.preserve import random_states

Function = Callable[[Tensor], Tensor]
Range = tuple[float, float]

UNBOUNDED: Range = (-math.inf, math.inf)
_SATURATED = 2.0  # an activation that stays within this can serve as a gate; a cap at 6 is no gate
_TOLERANCE = 1e-4
_SCALES = (3.0, 100.0)  # straight at both scales means straight
_SIDE = 4  # elements per dimension of a probe: what is elementwise takes any shape


def is_activation(function: Function, like: Tensor) -> bool:
    """Whether `function` is deterministic, elementwise and not affine on tensors with the
    dimensions of `like`.

    Deterministic: it draws no random numbers, even if they happen to change nothing, as a dropout's
        at a small rate do.
    Elementwise: it commutes with a permutation of all elements, and a change in one half of them
        shows nowhere else.
    A function that raises on the probe is no activation.
    """
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _probe(function, like)
        except Exception:  # the user's code meets inputs it was not written for
            return False


def _probe(function: Function, like: Tensor) -> bool:
    x = _sample(like)
    generators = random_states(x.device)
    y = function(x.clone())
    if random_states(x.device) != generators:
        return False
    if (
        not isinstance(y, Tensor)
        or y.shape != x.shape
        or not y.is_floating_point()
        or not bool(torch.isfinite(y).all())
    ):
        return False
    if not _same(function(x.clone()), y):
        return False
    return _permutes(function, x, y) and _is_local(function, x, y) and not _is_affine(function, x)


def _sample(like: Tensor) -> Tensor:
    shape = [min(size, _SIDE) for size in like.shape] if like.dim() > 1 else [_SIDE * _SIDE]
    generator = torch.Generator().manual_seed(0)
    return (_SCALES[0] * torch.randn(shape, generator=generator)).to(
        device=like.device, dtype=like.dtype
    )


def _permutes(function: Function, x: Tensor, y: Tensor) -> bool:
    order = torch.randperm(x.numel(), generator=torch.Generator().manual_seed(1)).to(x.device)
    return _same(function(x.flatten()[order].view_as(x)).flatten(), y.flatten()[order])


def _is_local(function: Function, x: Tensor, y: Tensor) -> bool:
    half = torch.arange(x.numel(), device=x.device).view_as(x) % 2 == 0
    return _same(function(torch.where(half, x * 0.3 - 1.0, x))[~half], y[~half])


def _is_affine(function: Function, x: Tensor) -> bool:
    zero = function(torch.zeros_like(x))
    for scale in _SCALES:
        point = x * (scale / _SCALES[0])
        up = function(point.clone()) - zero
        if not _same(function(-point), zero - up) or not _same(function(2 * point) - zero, 2 * up):
            return False
    return True


def _same(a: Tensor, b: Tensor) -> bool:
    return bool(torch.allclose(a, b, rtol=_TOLERANCE, atol=_TOLERANCE))


def value_range(function: Function, like: Tensor) -> Range:
    """Smallest and largest value of `function` between -1000 and 1000; infinite where it cannot be
    evaluated.
    """
    grid = torch.linspace(-1000.0, 1000.0, 2001, device=like.device, dtype=like.dtype)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            values = function(grid)
        except Exception:  # a slope per channel, a shape it does not take
            return UNBOUNDED
    if not bool(torch.isfinite(values).all()):
        return UNBOUNDED
    return float(values.min()), float(values.max())


def out_of_place(function: Function) -> Function:
    """The same function, which leaves its argument as it is."""
    return lambda x: function(x.clone())


def saturates(values: Range) -> bool:
    """Whether values in this range are bounded enough to open and close a gate."""
    return max(abs(values[0]), abs(values[1])) <= _SATURATED
