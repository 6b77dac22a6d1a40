"""Functions in TorchScript that a model calls as functions."""

import warnings

import torch
from torch import nn

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # torch.jit is deprecated, and used

    @torch.jit.script
    def swish(x):
        return x * x.sigmoid()

    @torch.jit.script
    def leaky(x, slope: float):
        return torch.where(x > 0, x, x * slope)

    @torch.jit.script
    def bias_gelu(bias, x):
        return torch.nn.functional.gelu(x + bias)

    @torch.jit.script
    def gated(a, b):
        return torch.tanh(a) * torch.sigmoid(b)

    @torch.jit.script
    def halve(x):
        return x / 2


class Fused(nn.Module):
    """Activations that are scripted, alone and together with other operations."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c, self.d, self.e = (nn.Linear(8, 8) for _ in range(5))
        self.bias = nn.Parameter(torch.zeros(8))

    def forward(self, x):
        x = swish(self.a(x))
        x = leaky(halve(self.b(x)), 0.1)
        x = bias_gelu(self.bias, self.c(x))
        return self.e(gated(x, self.d(x)))


class Ended(nn.Module):
    """A scripted activation at the end."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, x):
        return swish(self.b(swish(self.a(x))))
