"""Initializers that are measured on data: one pass over at most 256 training rows, in which each
layer is scaled.
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
"""Computes a layer's output again, once its weight has been multiplied by a factor or (with None)
changed in another way.
"""
_TINY = 1e-8
"""An output with a smaller deviation does not vary."""
_CLOSE = 0.05
"""How far a deviation may be from 1 once its layer has been scaled."""
_NOT_FOLLOWING = "its output does not follow its weight"
_NOT_VARYING = "its output does not vary"
_UNSCALED = {
    "rnn": "recurrent: several outputs share its weights",
    "attention": "projections inside one operation",
}
"""Why layers of these kinds are not scaled."""


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
    cost = "a pass over at most 256 training rows, before training"
    goal = "orthogonal start, then {} scaled to output deviation 1"

    def fill(self, weight: Tensor, fans: Fans, generator: torch.Generator, **params: Any) -> None:
        """The orthogonal start."""
        # Gain 1: what the activation needs is measured.
        orthogonal(weight, 1.0, generator)

    def apply(self, run: Run, **params: Any) -> str:
        """A random start, then one pass in which each layer is changed so that its output has the
        wanted size.
        """
        started = super().apply(run, **params)
        results = self.scaled(run)
        deviations = [result for result in results.values() if isinstance(result, float)]
        number = len(deviations)
        action = self.goal.format("1 layer" if number == 1 else f"{number} layers")
        if deviations:
            action += f" (from {min(deviations):.2g}–{max(deviations):.2g})"
        actions = [action, started]
        not_scaled = [(name, why) for name, why in results.items() if isinstance(why, str)]
        if not_scaled:
            actions.append(f"not scaled: {self.tell(not_scaled)}")
        return "; ".join(actions)

    def scaled(self, run: Run) -> dict[str, float | str]:
        """Scale every layer; by name, the deviation that it had, or why it was not scaled."""
        results: dict[str, float | str] = {}
        for layer in self.layers(run):
            did_not_run = "it did not run" if layer.callable else "never called as a layer"
            results[layer.name] = _UNSCALED.get(layer.kind, did_not_run)

        def visit(layer: Layer, output: Tensor, again: Again) -> Tensor | None:
            """Scale a layer by its output, unless that was tried in vain."""
            if layer.kind in _UNSCALED or results[layer.name] == _NOT_FOLLOWING:
                return None
            changed, results[layer.name] = self.adjust(layer, output.detach(), again)
            return changed

        with self.visiting(run, visit) as forward:
            forward(self.sample(run))
        return results

    def adjust(
        self, layer: Layer, output: Tensor, again: Again
    ) -> tuple[Tensor | None, float | str]:
        """Change a layer by its output: the new output and the deviation that it had, or None and
        why not.
        """
        std = float(output.std())
        if not math.isfinite(std) or std < _TINY:
            return None, _NOT_VARYING
        self.scale(layer, 1 / std)
        changed = again(1 / std)
        # A layer that normalizes its weight gives the same output as before.
        error = abs(float(changed.detach().std()) - 1)
        if not error < _CLOSE:
            self.scale(layer, std)
            return None, _NOT_FOLLOWING
        return changed, std


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
            return None, _NOT_VARYING
        factors = torch.where(varies, 1 / std, 1.0)
        bias = self.free_bias(layer)
        self.scale_units(layer, factors)
        if bias is not None:
            bias.data.copy_(torch.where(varies, -mean * factors, 0.0))

        # Where the output did not follow, the layer is put back as it was.
        changed = again(None)
        new_std, _ = _by_unit(layer, changed.detach())
        if bool(((new_std[varies] - 1).abs() < _CLOSE).all()):
            return changed, float(std[varies].mean())
        self.scale_units(layer, 1 / factors)
        if bias is not None:
            bias.data.zero_()
        return None, _NOT_FOLLOWING


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
    cost = LSUV.cost

    def apply(self, run: Run, **params: Any) -> str:
        """Choose for the model as it is now, say why, and apply."""
        hidden = []
        for layer in self.layers(run):
            if layer.site is not None and layer.site.label == "hidden":
                hidden.append(layer)
        saturating = [layer for layer in hidden if self.saturates(layer)]
        mostly_saturating = 2 * len(saturating) > len(hidden)
        chosen = Centred() if mostly_saturating else LSUV()
        per_unit, per_layer = "mean 0 and deviation 1 per unit", "one scale per layer"
        because = (
            f"{per_unit if mostly_saturating else per_layer}, because activations that saturate "
            f"follow {len(saturating)} of {len(hidden)} hidden layers"
        )

        # What centring would do before the worst of the other activations.
        others = [layer for layer in hidden if layer not in saturating]
        growths = [(self.moments(layer).centred_growth, layer.followed_by) for layer in others]
        growth, kind = max(growths, default=(0.0, ""))
        actions = [because]
        if kind:
            growing = f"{growth:.2f}-fold in variance before {kind}"
            actions.append(f"centring would make gradients grow {growing}")
        return "; ".join([*actions, chosen.apply(run)])

    def saturates(self, layer: Layer) -> bool:
        """Whether what follows a layer is bounded, and centring its input does not make gradients
        grow.
        """
        moments = self.moments(layer)
        most = max(1.1, moments.growth)
        return self.is_bounded(layer) and moments.centred_growth <= most


def _by_unit(layer: Layer, output: Tensor) -> tuple[Tensor, Tensor]:
    """Deviation and mean of each unit's output: the last dimension, or the one before those that a
    kernel moves over.
    """
    module: Any = layer.module
    # Units lie before the dimensions of a kernel, and last where there is none.
    kernel_dimensions = len(module.kernel_size) if layer.kind.startswith("conv") else 0
    units_last = output.movedim(output.ndim - 1 - kernel_dimensions, -1)
    flat = units_last.reshape(-1, units_last.shape[-1])
    return flat.std(0, correction=0), flat.mean(0)
