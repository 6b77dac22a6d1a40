"""Initializers that look at data: one pass over at most 256 training rows, in which each layer is
scaled.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from advisor import Fans, Initializer, Layer, Run

from .fills import normal, orthogonal

Again = Callable[[float | None], Tensor]
_TINY = 1e-8  # a smaller deviation is none
_DEAF = "its output does not follow its weight"
_STILL = "its output does not vary"
_UNSCALED = {
    "rnn": "recurrent: several outputs share its weights",
    "attention": "projections inside one operation",
}


class LSUV(Initializer):
    """Layer-sequential unit variance: orthogonal, then one scale per layer so that its output has
    variance 1 on real data.

    W ← W / std(output), layer by layer in order of execution. Helps deep nets of any activation,
    most of all those whose gain is an unstable fixed point (GELU, SiLU). One pass, on at most 256
    training rows; the output layer is scaled too, and a layer that is used several times by its
    first output that varies.

    Reference: Mishkin & Matas 2015, "All you need is a good init".
    """

    name = "lsuv"
    cite = "Mishkin & Matas 2015"
    goal = "orthogonal start, then {} scaled to output deviation 1"

    def fill(self, weight: Tensor, fans: Fans, generator: torch.Generator, **params: Any) -> None:
        """The orthogonal start."""
        orthogonal(weight, 1.0, generator)

    def apply(self, run: Run, **params: Any) -> str:
        """A random start, then one pass in which each layer is changed so that its output has the
        wanted size.
        """
        started = super().apply(run, **params)
        found = self.scaled(run)
        done = [std for std in found.values() if isinstance(std, float)]
        range_of = f" (from {min(done):.2g}–{max(done):.2g})" if done else ""
        rest = self.tell((name, why) for name, why in found.items() if isinstance(why, str))
        layers = f"{len(done)} layer{'' if len(done) == 1 else 's'}"
        return f"{self.goal.format(layers)}{range_of}; {started}" + (
            f"; not scaled: {rest}" if rest else ""
        )

    def scaled(self, run: Run) -> dict[str, float | str]:
        """Scale every layer; by name, the deviation that it had, or why it was not scaled."""
        found: dict[str, float | str] = {
            layer.name: _why_unscaled(layer) for layer in self.layers(run)
        }

        def visit(layer: Layer, output: Tensor, again: Again) -> Tensor | None:
            if layer.kind in _UNSCALED or found[layer.name] == _DEAF:
                return None
            now, found[layer.name] = self.adjust(layer, output.detach(), again)
            return now

        with self.visiting(run, visit) as forward:
            forward(self.sample(run))
        return found

    def adjust(
        self, layer: Layer, output: Tensor, again: Again
    ) -> tuple[Tensor | None, float | str]:
        """Change a layer by its output: the new output and the deviation that it had, or None and
        why not.
        """
        std = float(output.std())
        if not math.isfinite(std) or std < _TINY:
            return None, _STILL
        self.scale(layer, 1 / std)
        now = again(1 / std)
        if not abs(float(now.detach().std()) - 1) < 0.05:
            self.scale(layer, std)
            return None, _DEAF
        return now, std


class Centred(LSUV):
    """Every unit starts with zero mean and unit variance on real data.

    W_j ← W_j / std_j and b_j ← -mean_j / std_j for each unit j, layer by layer in one pass over at
    most 256 training rows, from N(0, 1 / fan_in). Helps saturating units, which then work around
    the middle of their range; in deep nets of rectifiers it makes gradients explode (× π / (π - 1)
    in variance per layer). Where a layer has no bias, or the author set it, only the variance is
    set.

    Reference: Krähenbühl et al. 2015, "Data-dependent initializations of convolutional neural
        networks"; Salimans & Kingma 2016.
    """

    name = "centred"
    cite = "Krähenbühl et al. 2015; Salimans & Kingma 2016"
    goal = "normal start, then every unit of {} to mean 0 and deviation 1"
    standard = False

    def fill(self, weight: Tensor, fans: Fans, generator: torch.Generator, **params: Any) -> None:
        """The normal start."""
        normal(weight, 1 / math.sqrt(fans.fan_in), generator)

    def adjust(
        self, layer: Layer, output: Tensor, again: Again
    ) -> tuple[Tensor | None, float | str]:
        """Scale and shift each unit; one that does not vary stays as it is."""
        std, mean = _by_unit(layer, output)
        if len(std) != self.units(layer):
            return None, "its output is not one number per unit"
        varies = std > _TINY
        if not bool(torch.isfinite(std).all()) or not bool(varies.any()):
            return None, _STILL
        factors, bias = torch.where(varies, 1 / std, 1.0), self.free_bias(layer)
        self.scale_units(layer, factors)
        if bias is not None:
            bias.data.copy_(torch.where(varies, -mean * factors, 0.0))
        now = again(None)
        after = _by_unit(layer, now.detach())[0][varies]
        if bool(((after - 1).abs() < 0.05).all()):
            return now, float(std[varies].mean())
        self.scale_units(layer, 1 / factors)
        if bias is not None:
            bias.data.zero_()
        return None, _DEAF


class LayerNormalization(Initializer):
    """The reading of "layer-normalization initialization" that suits the model's activations.

    One scale per layer, W ← W / std(output) (`lsuv`), where rectifiers and their like follow most
    hidden layers; zero mean and unit variance for each unit (`centred`) where saturating
    activations do. An activation counts as saturating where it is bounded and E f'² / Var f, by
    which the variance of gradients grows per centred layer, is at most 1.1, or no more than without
    centring. Helps deep nets without normalization layers.

    Reference: Mishkin & Matas 2015, "All you need is a good init"; Krähenbühl et al. 2015,
        "Data-dependent initializations".
    """

    name = "layer_normalization"
    cite = "Mishkin & Matas 2015; Krähenbühl et al. 2015"

    def apply(self, run: Run, **params: Any) -> str:
        """Choose for the model as it is now, say why, and apply."""
        hidden = [
            layer
            for layer in self.layers(run)
            if layer.site is not None and layer.site.label == "hidden"
        ]
        bounded = [layer for layer in hidden if self.saturates(layer)]
        chosen = Centred() if 2 * len(bounded) > len(hidden) else LSUV()
        reading = (
            "mean 0 and deviation 1 per unit"
            if isinstance(chosen, Centred)
            else "one scale per layer"
        )
        told = f"activations that saturate follow {len(bounded)} of {len(hidden)} hidden layers"
        return f"{reading}, because {told}{self._worst(hidden, bounded)}; {chosen.apply(run)}"

    def saturates(self, layer: Layer) -> bool:
        """Whether what follows a layer is bounded, and centring its input does not make gradients
        grow.
        """
        return self.is_bounded(layer) and self.moments(layer).centred_growth <= max(
            1.1, self.moments(layer).growth
        )

    def _worst(self, hidden: list[Layer], bounded: list[Layer]) -> str:
        """What centring would do to the gradients before the others."""
        others = (
            (self.moments(layer).centred_growth, layer.followed_by)
            for layer in hidden
            if layer not in bounded
        )
        growth, kind = max(others, default=(0.0, ""))
        return (
            f"; centring would make gradients grow {growth:.2f}-fold in variance before {kind}"
            if kind
            else ""
        )


def _by_unit(layer: Layer, output: Tensor) -> tuple[Tensor, Tensor]:
    """Deviation and mean of each unit's output: the last dimension, or the one before those that a
    kernel moves over.
    """
    module: Any = layer.module
    moved = len(module.kernel_size) if layer.kind.startswith("conv") else 0
    last = output.movedim(output.ndim - 1 - moved, -1)
    flat = last.reshape(-1, last.shape[-1])
    return flat.std(0, correction=0), flat.mean(0)


def _why_unscaled(layer: Layer) -> str:
    return _UNSCALED.get(
        layer.kind, "it did not run" if layer.callable else "never called as a layer"
    )
