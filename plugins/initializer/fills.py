"""What blocks are filled with: each function draws from its generator only, and fills (out, in,
*kernel) in place.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

CUT = 2.0
CUT_STD = 0.87962566103423978
"""Deviation of N(0, 1) cut at ±2."""


def normal(weight: Tensor, std: float, generator: torch.Generator) -> None:
    """N(0, std²)."""
    weight.copy_(torch.randn(weight.shape, generator=generator).to(weight) * std)


def uniform(weight: Tensor, std: float, generator: torch.Generator) -> None:
    """U(-√3 std, √3 std), which has deviation `std`."""
    weight.copy_(
        (2 * torch.rand(weight.shape, generator=generator) - 1).to(weight) * (math.sqrt(3) * std)
    )


def truncated(weight: Tensor, std: float, generator: torch.Generator) -> None:
    """A normal distribution cut at two of its deviations, widened so that what is left has
    deviation `std`.
    """
    edge = math.erf(CUT / math.sqrt(2))
    drawn = (2 * torch.rand(weight.shape, generator=generator, dtype=torch.float64) - 1) * edge
    weight.copy_((torch.erfinv(drawn) * (math.sqrt(2) * std / CUT_STD)).to(weight))


DISTRIBUTIONS = {
    "normal": normal,
    "uniform": uniform,
    "truncated_normal": truncated,
    "untruncated_normal": normal,
}


def orthogonal(weight: Tensor, gain: float, generator: torch.Generator) -> None:
    """A (semi-)orthogonal matrix times `gain`, by QR of a Gaussian with the signs made uniform;
    kernels are flattened.
    """
    rows = weight.shape[0]
    flat = torch.randn(rows, weight[0].numel(), generator=generator)
    q, r = torch.linalg.qr(flat if rows >= flat.shape[1] else flat.T)
    q = q * r.diagonal().sign()
    weight.copy_((gain * (q if rows >= flat.shape[1] else q.T)).reshape(weight.shape).to(weight))


def centre(weight: Tensor) -> Tensor:
    """The middle tap of a kernel, a view of shape (out, in); the weight itself where it has no
    kernel.
    """
    for size in weight.shape[2:]:
        weight = weight.select(2, size // 2)
    return weight


def sparse(weight: Tensor, count: int, gain: float, generator: torch.Generator) -> None:
    """In each unit `count` weights from N(0, gain²/count), the others zero; all where a unit has no
    more.
    """
    size = weight[0].numel()
    count = min(count, size)
    chosen = torch.rand(len(weight), size, generator=generator).topk(count).indices
    values = torch.randn(len(weight), count, generator=generator) * (gain / math.sqrt(count))
    weight.copy_(
        torch.zeros(len(weight), size).scatter_(1, chosen, values).reshape(weight.shape).to(weight)
    )


def identity(weight: Tensor, scale: float = 1.0) -> None:
    """Ones on the diagonal of the middle tap, times `scale`, zeros elsewhere."""
    weight.zero_()
    centre(weight).diagonal().fill_(scale)
