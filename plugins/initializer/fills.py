"""What blocks are filled with: each function draws from its generator only, and fills (out, in,
*kernel) in place.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

CUT = 2.0
"""Deviations at which `truncated` cuts a normal distribution, as Keras does."""
CUT_STD = 0.87962566103423978
"""Deviation of N(0, 1) cut at ±2."""


def normal(weight: Tensor, std: float, generator: torch.Generator) -> None:
    """N(0, std²)."""
    # Drawn on the CPU in single precision, so that a seed gives one draw on every device.
    drawn = torch.randn(weight.shape, generator=generator)
    weight.copy_(drawn.to(weight) * std)


def uniform(weight: Tensor, std: float, generator: torch.Generator) -> None:
    """U(-√3 std, √3 std), which has deviation `std`."""
    bound = math.sqrt(3) * std
    drawn = 2 * torch.rand(weight.shape, generator=generator) - 1
    weight.copy_(drawn.to(weight) * bound)


def truncated(weight: Tensor, std: float, generator: torch.Generator) -> None:
    """A normal distribution cut at two of its deviations, widened so that what is left has
    deviation `std`.
    """
    # The inverse of the distribution function maps uniform numbers to the cut normal; near the cut
    # it needs double precision.
    edge = math.erf(CUT / math.sqrt(2))
    drawn = 2 * torch.rand(weight.shape, generator=generator, dtype=torch.float64) - 1
    scale = math.sqrt(2) * std / CUT_STD
    weight.copy_((torch.erfinv(drawn * edge) * scale).to(weight))


DISTRIBUTIONS = {
    "normal": normal,
    "uniform": uniform,
    "truncated_normal": truncated,
    "untruncated_normal": normal,
}
"""Fills by the names that parameters use; Keras' two names for normal ones are among them."""


def plain_text(distribution: str, std: float) -> str:
    """The call of `torch.nn.init` that draws from one of these distributions."""
    if distribution == "uniform":
        bound = math.sqrt(3) * std
        return f"uniform_({{weight}}, {-bound:.6g}, {bound:.6g})"
    if distribution == "truncated_normal":
        wide = std / CUT_STD
        return f"trunc_normal_({{weight}}, std={wide:.6g}, a={-CUT * wide:.6g}, b={CUT * wide:.6g})"
    return f"normal_({{weight}}, std={std:.6g})"


def orthogonal(weight: Tensor, gain: float, generator: torch.Generator) -> None:
    """A (semi-)orthogonal matrix times `gain`, by QR of a Gaussian with the signs made uniform;
    kernels are flattened.
    """
    rows = weight.shape[0]
    gaussian = torch.randn(rows, weight[0].numel(), generator=generator)
    # QR gives orthogonal columns, so that a wide matrix is turned before and after.
    is_wide = rows < gaussian.shape[1]
    q, r = torch.linalg.qr(gaussian.T if is_wide else gaussian)
    # LAPACK fixes the signs of r; with those of a Gaussian, q is uniform (Mezzadri 2007).
    q = q * r.diagonal().sign()
    matrix = gain * (q.T if is_wide else q)
    weight.copy_(matrix.reshape(weight.shape).to(weight))


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
    units, inputs = len(weight), weight[0].numel()
    count = min(count, inputs)
    # The places of the largest of random numbers are places drawn without repeats.
    chosen = torch.rand(units, inputs, generator=generator).topk(count).indices
    values = torch.randn(units, count, generator=generator) * (gain / math.sqrt(count))
    matrix = torch.zeros(units, inputs).scatter_(1, chosen, values)
    weight.copy_(matrix.reshape(weight.shape).to(weight))


def identity(weight: Tensor, scale: float = 1.0) -> None:
    """Ones on the diagonal of the middle tap, times `scale`, zeros elsewhere."""
    weight.zero_()
    centre(weight).diagonal().fill_(scale)
