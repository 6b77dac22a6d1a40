"""What models of other people's packages do, small: each of these once misled the tracer or the
swap.
"""

import random

import torch
import torch.nn.functional as F
from torch import nn


def drop_path(x, rate, training):
    """Stochastic depth, as everybody writes it."""
    if not training:
        return x
    keep = torch.rand(len(x), *[1] * (x.dim() - 1)) >= rate
    return x * keep / (1 - rate)


def skip(x, rate, training):
    return x * 0 if training and random.random() < rate else x


class Dropped(nn.Module):
    """Blocks that are dropped at random, with a rate so small that most batches pass whole."""

    def __init__(self, drop=drop_path):
        super().__init__()
        self.a, self.b, self.c = (nn.Linear(8, 8) for _ in range(3))
        self.drop = drop

    def forward(self, x):
        x = x + self.drop(self.b(F.relu(self.a(x))), 0.04, self.training)
        return self.c(x)


class Poly(nn.Module):
    """A polynomial of one block; the last turn's activation leads nowhere."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.act = nn.Linear(8, 8), nn.Linear(8, 2), nn.ReLU()

    def forward(self, x):
        total = x
        for _ in range(3):
            x = self.a(x)
            total = total + x
            x = self.act(x)
        return self.b(self.act(total))


class Unused(nn.Module):
    """A pooled vector that only other heads would read."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.pool = nn.Linear(8, 8), nn.Linear(8, 2), nn.Linear(8, 8)

    def forward(self, x):
        x = F.gelu(self.a(x))
        torch.tanh(self.pool(x))
        return self.b(x)


class Adn(nn.Sequential):
    """Normalization and activation as one block, which has no parameters once its activation has
    none.
    """

    def __init__(self, channels, act):
        super().__init__(nn.InstanceNorm2d(channels), act)


class Blocks(nn.Module):
    def __init__(self, act=nn.PReLU):
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 3), nn.Conv2d(6, 2, 1)
        self.one, self.two = Adn(6, act()), Adn(6, act())

    def forward(self, x):
        return self.c(self.two(self.b(self.one(self.a(x))))).mean((2, 3))


class PerChannel(nn.Module):
    """An activation with a slope per channel takes only tensors of so many channels."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.act, self.gate = (
            nn.Conv2d(3, 6, 3),
            nn.Conv2d(6, 2, 1),
            nn.PReLU(6),
            nn.Conv2d(6, 6, 1),
        )

    def forward(self, x):
        x = self.act(self.a(x))
        return self.b(x * torch.sigmoid(self.gate(x))).mean((2, 3))


class Shared(nn.Module):
    """One table that encoder, decoder and head use; the module that owns it is never called."""

    def __init__(self):
        super().__init__()
        self.shared, self.encoder, self.decoder = (nn.Embedding(20, 8) for _ in range(3))
        self.head = nn.Linear(8, 20, bias=False)
        self.spare = nn.Linear(8, 8)
        self.encoder.weight = self.decoder.weight = self.head.weight = self.shared.weight

    def forward(self, x):
        return self.head(self.encoder(x).mean(1, keepdim=True) + self.decoder(x))


class Selective(nn.Module):
    """A state space: its signal makes its own parameters, and is multiplied with them and with a
    gate.
    """

    def __init__(self):
        super().__init__()
        self.signal, self.gate, self.step, self.mix, self.out = (nn.Linear(8, 8) for _ in range(5))

    def forward(self, x):
        signal, gate = F.silu(self.signal(x)), self.gate(x)
        step = F.softplus(self.step(x))
        state = step * signal * self.mix(signal)
        return self.out(state * F.silu(gate))
