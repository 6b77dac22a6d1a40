"""Activations that torch does not have."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def scaled_tanh(x: Tensor) -> Tensor:
    """1.7159 tanh(2x/3): about 1 at 1, with the largest curvature there (LeCun et al. 1998)."""
    # With 2/3 inside, 1.7159 = 1 / tanh(2/3) gives f(±1) = ±1.
    return 1.7159 * torch.tanh(2 / 3 * x)


def squared_relu(x: Tensor) -> Tensor:
    """max(0, x)² (So et al. 2021)."""
    return torch.relu(x).square()


class Swish(nn.Module):
    """x σ(βx) with a β that is trained (Ramachandran et al. 2017)."""

    def __init__(self, beta: float = 1.0) -> None:
        super().__init__()
        self.beta = nn.Parameter(torch.tensor(float(beta)))

    def forward(self, x: Tensor) -> Tensor:
        """Elementwise."""
        return x * torch.sigmoid(self.beta * x)


class FeaturePReLU(nn.PReLU):
    """A PReLU with a slope for each element of the last dimension (He et al. 2015); torch's has one
    for each of the second.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Elementwise."""
        return torch.where(x >= 0, x, self.weight * x)
