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
    most 256 training rows; the output layer is scaled too, and a layer that is used several times by its first output that
    varies.

    Reference: Mishkin & Matas 2015, "All you need is a good init".
    """

    name = "lsuv"
    cite = "Mishkin & Matas 2015"

    def fill(self, weight: Tensor, fans: Fans, generator: torch.Generator, **params: Any) -> None:
        """The orthogonal start."""
        orthogonal(weight, 1.0, generator)

    def apply(self, run: advisor.Run, **params: Any) -> str:
        """Orthogonal start, then one pass in which each layer is divided by the deviation of its output."""
        started = super().apply(run, **params)
        found = self.scaled(run)
        done = [std for std in found.values() if isinstance(std, float)]
        range_of = f" (from {min(done):.2g}–{max(done):.2g})" if done else ""
        rest = self.tell((name, why) for name, why in found.items() if isinstance(why, str))
        layers = f"{len(done)} layer{'' if len(done) == 1 else 's'}"
        return f"orthogonal start, then {layers} scaled to output deviation 1{range_of}; {started}" + (
            f"; not scaled: {rest}" if rest else ""
        )

    def scaled(self, run: advisor.Run) -> dict[str, float | str]:
        """Scale every layer; by name, the deviation that it had, or why it was not scaled."""
        found: dict[str, float | str] = {layer.name: _why_unscaled(layer) for layer in self.layers(run)}

        def visit(layer: Any, output: Tensor, again: Any) -> Tensor | None:
            if layer.kind in _UNSCALED or found[layer.name] == _DEAF:
                return None
            std = float(output.detach().std())
            if not math.isfinite(std) or std < 1e-8:
                found[layer.name] = "its output does not vary"
                return None
            self.scale(layer, 1 / std)
            now: Tensor = again(1 / std)
            if not abs(float(now.detach().std()) - 1) < 0.05:
                self.scale(layer, std)
                found[layer.name] = _DEAF
                return None
            found[layer.name] = std
            return now

        with self.visiting(run, visit) as forward:
            forward(self.sample(run))
        return found


_DEAF = "its output does not follow its weight"
_UNSCALED = {"rnn": "recurrent: several outputs share its weights", "attention": "projections inside one operation"}


def _why_unscaled(layer: Any) -> str:
    return _UNSCALED.get(layer.kind, "it did not run" if layer.callable else "never called as a layer")


@advisor.hookimpl
def slots() -> list[advisor.Slot]:
    """The slot for how weights start; it comes after the activation, whose gain it uses."""
    return [advisor.Slot("initializer", "how the weights start", after=("activation",))]


@advisor.hookimpl
def techniques() -> list[advisor.Technique]:
    """The rules of this package."""
    return [Xavier(), He(), Orthogonal(), LSUV()]
