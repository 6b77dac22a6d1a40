"""Activations and their derivatives at once, by those of torch's kernels that are fast.

Torch's own kernel of Mish takes eight times as long as a product of its numbers: it computes an
exponential, a logarithm and a hyperbolic tangent of each, and on the way back again. The formulas
here give the same numbers, but for what rounding does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import repeat
from typing import Any

import torch
from torch import Tensor, nn

Formula = Callable[[Tensor, Tensor, Tensor | None], None]
"""`(input, value, derivative)`: writes the value, and the derivative where there is a tensor for
it. All are of one shape, and none is another one.
"""
BLOCK = 2**16
"""Numbers that are computed together: what is needed on the way stays in the processor's cache."""
TYPES = (torch.float32, torch.float64)
"""Of the numbers that formulas are for: others would be rounded on the way."""
_ONE = torch.ones((), device="cpu")


def mish(x: Tensor, value: Tensor, slope: Tensor | None) -> None:
    """`x tanh log(1 + exp x)` (Misra 2019).

    With s = 1 / (1 + exp -x) and k = s - s²/2, the hyperbolic tangent is k / (1 - k), and its
    derivative s ((1 - s) / (1 - k))². No difference in it loses digits where these matter.
    """
    s = torch.sigmoid(x)
    torch.addcmul(s, s, s, value=-0.5, out=value)
    rest = torch.sub(_ONE, value)
    value.div_(rest)
    if slope is not None:
        torch.sub(_ONE, s, out=slope)
        rest = slope.div_(rest).square_().mul_(s)
        torch.addcmul(value, x, rest, out=slope)
    value.mul_(x)


def softsign(x: Tensor, value: Tensor, slope: Tensor | None) -> None:
    """`x / (1 + |x|)`, whose derivative is `1 / (1 + |x|)²` (Glorot & Bengio 2010)."""
    share = torch.abs(x).add_(1).reciprocal_()
    torch.mul(x, share, out=value)
    if slope is not None:
        torch.mul(share, share, out=slope)


FORMULAS: dict[type[nn.Module], Callable[[Any], Formula | None]] = {
    nn.Mish: lambda layer: None if layer.inplace else mish,
    nn.Softsign: lambda _: softsign,
}
"""What each kind of layer computes; None of one that has another formula, or writes over what it
reads.
"""


def formula_of(layer: nn.Module) -> Formula | None:
    """What a layer computes, where that is faster here than in torch, else None."""
    known = FORMULAS.get(type(layer))
    return None if known is None else known(layer)


def suits(x: Tensor, least: int) -> bool:
    """Whether formulas are for a tensor, and save time where it has so many numbers at least."""
    return x.numel() >= least and x.is_cpu and x.dtype in TYPES and x.layout is torch.strided


def compute(formula: Formula, x: Tensor, value: Tensor, slope: Tensor | None) -> None:
    """Write what a formula gives for all numbers of a tensor, a block of them at a time."""
    count = x.numel()
    # In whatever order their dimensions lie, the numbers of dense tensors are one row in memory.
    if count <= BLOCK or x.stride() != value.stride():
        formula(x, value, slope)
        return
    slopes: Iterable[Tensor | None] = repeat(None) if slope is None else blocks(slope)
    for each in zip(blocks(x), blocks(value), slopes, strict=False):
        formula(*each)


def blocks(tensor: Tensor) -> tuple[Tensor, ...]:
    """The numbers of a dense tensor as they lie in memory."""
    row = tensor.as_strided((tensor.numel(),), (1,))
    return torch.split(row, BLOCK)
