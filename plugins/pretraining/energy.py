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
    # The series converges for a negative argument only, and fast away from zero; at zero the 40th
    # term is 6e-4, with alternating signs. Its powers are multiplied from the last one on.
    base = (-signal.abs()).exp()
    below = torch.zeros_like(base)
    for k in range(terms, 0, -1):
        below.add_(-((-1.0) ** k) / k**2).mul_(base)
    above = math.pi**2 / 6 + signal.square() / 2 - below
    return torch.where(signal <= 0, below, above)


def noisy(signal: Tensor, generator: torch.Generator) -> Tensor:
    """max(0, z + N(0, sigmoid(z))): a sample of a stepped sigmoid unit."""
    # The variance of the unit's sum of copies is sigmoid(z) (Nair & Hinton 2010).
    noise = torch.randn(signal.shape, generator=generator).to(signal)
    return noise.mul_(signal.sigmoid().sqrt_()).add_(signal).relu_()


def coin(signal: Tensor, generator: torch.Generator) -> Tensor:
    """1 with probability sigmoid(z), else 0."""
    drawn = torch.rand(signal.shape, generator=generator).to(signal)
    return (drawn < signal.sigmoid()).to(signal)


@dataclass(frozen=True)
class Hidden:
    """A kind of hidden unit: its mean and a sample of it, given its input z, and by how much it
    lowers the free energy.
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
    # A unit that is always on or off would get an infinite bias.
    least = 0.5 / len(rows)
    return rows.mean(0).clamp(least, 1 - least).logit()


HIDDEN = {
    "Bernoulli": Hidden(torch.sigmoid, coin, F.softplus),
    "rectified": Hidden(torch.relu, noisy, stepped),
}
"""The kinds of hidden units by name."""
VISIBLE = {
    "Bernoulli": Visible(
        mean=torch.sigmoid,
        energy=lambda value, bias: -value @ bias,
        bias=log_odds,
    ),
    "Gaussian": Visible(
        mean=lambda z: z,
        energy=lambda value, bias: 0.5 * (value - bias).square().sum(-1),
        bias=lambda rows: rows.mean(0),
    ),
}
"""The kinds of visible units by name."""


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
        freed = self.hidden.freed(self.up(visible)).sum(-1)
        return self.visible.energy(visible, self.visible_bias) - freed

    def chain(self, visible: Tensor, steps: int, generator: torch.Generator) -> Tensor:
        """`steps` of Gibbs sampling: hidden units are drawn, visible ones take their means."""
        # Hinton's guide: means in place of samples give less noise, and a layer learns faster.
        for _ in range(steps):
            visible = self.down(self.hidden.sample(self.up(visible), generator))
        return visible

    def gradient(self, data: Tensor, model: Tensor) -> list[Tensor]:
        """Of the log-likelihood by weight, visible and hidden bias: statistics of the data minus
        those of the model's rows.
        """
        hidden = self.hidden.mean(self.up(data))
        model_hidden = self.hidden.mean(self.up(model))
        share, model_share = 1 / len(data), -1 / len(model)
        products = hidden.T @ data
        weight = torch.addmm(products, model_hidden.T, model, beta=share, alpha=model_share)
        visible_bias = data.mean(0) - model.mean(0)
        hidden_bias = hidden.mean(0) - model_hidden.mean(0)
        return [weight, visible_bias, hidden_bias]
