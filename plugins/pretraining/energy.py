"""Restricted Boltzmann machines: two kinds of visible units, two of hidden ones, their means,
samples and free energies.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


def stepped(signal: Tensor, terms: int = 40) -> Tensor:
    """Integral of softplus up to `signal`: what a stepped sigmoid unit, Σᵢ softplus(z - i + ½),
    takes off the free energy.

    It is -Li₂(-eᶻ): its series for z ≤ 0, and π²/6 + z²/2 minus that of -z above.
    """
    k = torch.arange(1, terms + 1, device=signal.device, dtype=signal.dtype)
    below = (-((-1.0) ** k) * (-signal.abs()[..., None] * k).exp() / k.square()).sum(-1)
    return torch.where(signal <= 0, below, math.pi**2 / 6 + signal.square() / 2 - below)


def noisy(signal: Tensor, generator: torch.Generator) -> Tensor:
    """max(0, z + N(0, sigmoid(z))): a sample of a stepped sigmoid unit."""
    noise = torch.randn(signal.shape, generator=generator).to(signal)
    return (signal + noise * signal.sigmoid().sqrt()).relu()


def coin(signal: Tensor, generator: torch.Generator) -> Tensor:
    """1 with probability sigmoid(z), else 0."""
    return (torch.rand(signal.shape, generator=generator).to(signal) < signal.sigmoid()).to(signal)


@dataclass(frozen=True)
class Hidden:
    """A kind of hidden unit: its mean and a sample of it, given its input z, and the free energy
    that it takes off.
    """

    mean: Callable[[Tensor], Tensor]
    sample: Callable[[Tensor, torch.Generator], Tensor]
    freed: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Visible:
    """A kind of visible unit: its mean given its input, its energy given value and bias, its bias
    given data (rows, units).
    """

    mean: Callable[[Tensor], Tensor]
    energy: Callable[[Tensor, Tensor], Tensor]
    bias: Callable[[Tensor], Tensor]


def log_odds(rows: Tensor) -> Tensor:
    """log(p / (1 - p)) of each unit's mean p, kept half a row away from 0 and 1."""
    least = 0.5 / len(rows)
    return rows.mean(0).clamp(least, 1 - least).logit()


HIDDEN = {
    "Bernoulli": Hidden(torch.sigmoid, coin, F.softplus),
    "rectified": Hidden(torch.relu, noisy, stepped),
}
VISIBLE = {
    "Bernoulli": Visible(torch.sigmoid, lambda value, bias: -value @ bias, log_odds),
    "Gaussian": Visible(
        lambda z: z,
        lambda value, bias: 0.5 * (value - bias).square().sum(-1),
        lambda rows: rows.mean(0),
    ),
}


@dataclass
class Machine:
    """An RBM: weight (hidden, visible), two biases, two kinds of units. Gaussian units have
    variance 1.
    """

    weight: Tensor
    visible_bias: Tensor
    hidden_bias: Tensor
    visible: Visible
    hidden: Hidden

    def up(self, visible: Tensor) -> Tensor:
        """Input of the hidden units."""
        return F.linear(visible, self.weight, self.hidden_bias)

    def down(self, hidden: Tensor) -> Tensor:
        """Means of the visible units: probabilities, where they are Bernoulli."""
        return self.visible.mean(F.linear(hidden, self.weight.T, self.visible_bias))

    def rebuilt(self, visible: Tensor) -> Tensor:
        """Visible means given the hidden means given `visible`; nothing is drawn."""
        return self.down(self.hidden.mean(self.up(visible)))

    def free_energy(self, visible: Tensor) -> Tensor:
        """-log Σ_h exp(-E(v, h)) of each row, up to the constant log Z."""
        return self.visible.energy(visible, self.visible_bias) - self.hidden.freed(
            self.up(visible)
        ).sum(-1)

    def chain(self, visible: Tensor, steps: int, generator: torch.Generator) -> Tensor:
        """`steps` of Gibbs sampling: hidden units are drawn, visible ones take their means."""
        for _ in range(steps):
            visible = self.down(self.hidden.sample(self.up(visible), generator))
        return visible

    def gradient(self, data: Tensor, model: Tensor) -> list[Tensor]:
        """Of the log-likelihood by weight, visible and hidden bias: statistics of the data minus
        those of the model's rows.
        """
        moments = [(rows, self.hidden.mean(self.up(rows))) for rows in (data, model)]
        (v, h), (w, g) = moments
        return [h.T @ v / len(v) - g.T @ w / len(w), v.mean(0) - w.mean(0), h.mean(0) - g.mean(0)]
