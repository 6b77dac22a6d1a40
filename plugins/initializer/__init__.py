"""Initializers. Gains come from the activation that follows each layer, by quadrature."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

import advisor
from advisor import Fans, Initializer


def normal(weight: Tensor, std: float, generator: torch.Generator) -> None:
    """N(0, std²)."""
    weight.copy_(torch.randn(weight.shape, generator=generator).to(weight) * std)


def orthogonal(weight: Tensor, gain: float, generator: torch.Generator) -> None:
    """A (semi-)orthogonal matrix times `gain`, by QR of a Gaussian with the signs made uniform; kernels are flattened."""
    rows = weight.shape[0]
    flat = torch.randn(rows, weight[0].numel(), generator=generator)
    q, r = torch.linalg.qr(flat if rows >= flat.shape[1] else flat.T)
    q = q * r.diagonal().sign()
    weight.copy_((gain * (q if rows >= flat.shape[1] else q.T)).reshape(weight.shape).to(weight))


class Xavier(Initializer):
    """Variance between what keeps the signal and what keeps the gradient.

    std = gain · √(2 / (fan_in + fan_out)). Helps tanh-like nets of moderate depth.

    Reference: Glorot & Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks".
    """

    name = "xavier"
    cite = "Glorot & Bengio 2010"

    def fill(self, weight: Tensor, fans: Fans, generator: torch.Generator, **params: Any) -> None:
        """Gaussian with the Glorot variance; the gain is 1, as published."""
        normal(weight, math.sqrt(2 / (fans.fan_in + fans.fan_out)), generator)


class He(Initializer):
    """Variance that keeps the signal through the activation that follows.

    std = gain / √fan_in; for a rectifier the gain is √2. Helps deep rectifier nets.

    Reference: He et al. 2015, "Delving deep into rectifiers".
    """

    name = "he"
    cite = "He et al. 2015"

    def fill(self, weight: Tensor, fans: Fans, generator: torch.Generator, **params: Any) -> None:
        """Gaussian with the He variance."""
        normal(weight, fans.gain / math.sqrt(fans.fan_in), generator)


class Orthogonal(Initializer):
    """Orthogonal rows or columns, times the gain: no direction grows or shrinks.

    Helps very deep nets, most of all with tanh-like units.

    Reference: Saxe et al. 2013, "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks".
    """

    name = "orthogonal"
    cite = "Saxe et al. 2013"

    def fill(self, weight: Tensor, fans: Fans, generator: torch.Generator, **params: Any) -> None:
        """An orthogonal block; each gate of a recurrent layer is one."""
        orthogonal(weight, fans.gain, generator)


class LSUV(Initializer):
    """Layer-sequential unit variance: orthogonal, then one scale per layer so that its output has variance 1 on real data.

    Helps deep nets of any activation, most of all those whose gain is an unstable fixed point (GELU, SiLU). One pass, on at
    most 256 training rows; the output layer is scaled too.

    Reference: Mishkin & Matas 2015, "All you need is a good init".
    """

    name = "lsuv"
    cite = "Mishkin & Matas 2015"
    rows = 256

    def fill(self, weight: Tensor, fans: Fans, generator: torch.Generator, **params: Any) -> None:
        """The orthogonal start."""
        orthogonal(weight, 1.0, generator)

    def apply(self, run: advisor.Run, **params: Any) -> str:
        """Orthogonal start, then one pass in which each layer is divided by the deviation of its output."""
        super().apply(run, **params)
        scaled: list[float] = []

        def visit(layer: Any, output: Tensor) -> Tensor | None:
            std = float(output.std())
            if layer.kind == "rnn" or not math.isfinite(std) or std < 1e-8:
                return None  # a dead or constant output has no scale to correct
            layer.module.weight.div_(std)
            scaled.append(std)
            return output / std

        with torch.no_grad(), self.visiting(run, visit) as forward:
            forward(run.sample(self.rows))
        if not scaled:
            return "orthogonal start; no layer could be scaled"
        return (
            f"orthogonal start, then {len(scaled)} layers scaled to output deviation 1 (from {min(scaled):.2g}–{max(scaled):.2g})"
        )


@advisor.hookimpl
def slots() -> list[advisor.Slot]:
    """The slot for how weights start; it comes after the activation, whose gain it uses."""
    return [advisor.Slot("initializer", "how the weights start", after=("activation",))]


@advisor.hookimpl
def techniques() -> list[advisor.Technique]:
    """The rules of this package."""
    return [Xavier(), He(), Orthogonal(), LSUV()]
