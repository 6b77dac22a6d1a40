"""Is a function an activation? Decided by what it does, not by what it is called."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from advisor.model.preserve import random_states

Function = Callable[[Tensor], Tensor]
# The smallest and the largest value of a function.
Range = tuple[float, float]

UNBOUNDED: Range = (-math.inf, math.inf)
"""The range of a function about which nothing is known."""

# An activation that stays within this can serve as a gate; a cap at 6 is no gate.
_SATURATED = 2.0
# Values that differ by no more than this, absolutely and relatively, are the same.
_TOLERANCE = 1e-4
# A function that is straight at both of these scales is straight.
_SCALES = (3.0, 100.0)
# Elements per dimension of a probe: what is elementwise takes any shape.
_SIDE = 4


def is_activation(function: Function, like: Tensor) -> bool:
    """Whether `function` is deterministic, elementwise and not affine on tensors with the
    dimensions of `like`.

    Deterministic: it draws no random numbers, even if they happen to change nothing, as a dropout's
        at a small rate do.
    Elementwise: it commutes with a permutation of all elements, and a change in one half of them
        shows nowhere else.
    A function that raises on the probe is no activation.
    """
    with _quiet():
        try:
            return _passes(function, like)
        except Exception:  # the user's code meets inputs it was not written for
            return False


def value_range(function: Function, like: Tensor) -> Range:
    """Smallest and largest value of `function` between -1000 and 1000; infinite where it cannot be
    evaluated.
    """
    grid = torch.linspace(-1000.0, 1000.0, 2001, device=like.device, dtype=like.dtype)
    with _quiet():
        try:
            values = function(grid)
        except Exception:  # a slope per channel, a shape it does not take
            return UNBOUNDED
    if not bool(torch.isfinite(values).all()):
        return UNBOUNDED
    return float(values.min()), float(values.max())


def saturates(values: Range) -> bool:
    """Whether values in this range are bounded enough to open and close a gate."""
    low, high = values
    return max(abs(low), abs(high)) <= _SATURATED


@contextmanager
def _quiet() -> Iterator[None]:
    """Without gradients, and without the warnings of the user's code."""
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _passes(function: Function, like: Tensor) -> bool:
    # A small tensor with as many dimensions as `like`.
    shape = [min(size, _SIDE) for size in like.shape] if like.dim() > 1 else [_SIDE * _SIDE]
    x = _SCALES[0] * torch.randn(shape, generator=torch.Generator().manual_seed(0))
    x = x.to(device=like.device, dtype=like.dtype)

    generators = random_states(x.device)
    y = function(x.clone())
    if random_states(x.device) != generators:
        return False
    if not isinstance(y, Tensor) or y.shape != x.shape or not y.is_floating_point():
        return False
    if not bool(torch.isfinite(y).all()) or not _same(function(x.clone()), y):
        return False
    return _permutes(function, x, y) and _is_local(function, x, y) and not _is_affine(function, x)


def _permutes(function: Function, x: Tensor, y: Tensor) -> bool:
    """Whether permuted elements come out permuted."""
    order = torch.randperm(x.numel(), generator=torch.Generator().manual_seed(1)).to(x.device)
    permuted = function(x.flatten()[order].view_as(x))
    return _same(permuted.flatten(), y.flatten()[order])


def _is_local(function: Function, x: Tensor, y: Tensor) -> bool:
    """Whether a change of one half of the elements leaves the other half as it was."""
    half = torch.arange(x.numel(), device=x.device).view_as(x) % 2 == 0
    changed = function(torch.where(half, x * 0.3 - 1.0, x))
    return _same(changed[~half], y[~half])


def _is_affine(function: Function, x: Tensor) -> bool:
    """Whether the function is straight: odd around its value at zero, and linear when doubled."""
    zero = function(torch.zeros_like(x))
    for scale in _SCALES:
        point = x * (scale / _SCALES[0])
        rise = function(point.clone()) - zero
        is_odd = _same(function(-point), zero - rise)
        if not is_odd or not _same(function(2 * point) - zero, 2 * rise):
            return False
    return True


def _same(a: Tensor, b: Tensor) -> bool:
    return bool(torch.allclose(a, b, rtol=_TOLERANCE, atol=_TOLERANCE))
