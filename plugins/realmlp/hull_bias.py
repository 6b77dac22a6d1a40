"""A start in which units bend where the data lie."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
from torch import Tensor

from advisor import Fans, Initializer, Layer, Run

POINTS = 5
"""Rows of which each unit bends at a mean."""
_TINY = 1e-8
"""An output with a smaller deviation does not vary."""


class HullBias(Initializer):
    """Units that bend where the data lie, with an output of variance 1.

    W_j ~ N(0, 1 / fan_in), divided by the deviation of unit j's output, and b_j = -W_j x for a
    random point x between five rows that reach the layer, layer by layer on at most 256 training
    rows; the output layer has zero biases. Helps multilayer perceptrons of one or two wide layers
    on tables, whose units otherwise all bend near the origin.

    Reference: Steinwart 2019, "A sober look at neural network initializations" (hull+5); Holzmüller
    et al. 2024, "Better by default: strong pre-tuned MLPs and boosted trees on tabular data".
    """

    name = "hull_bias"
    cite = "Steinwart 2019; Holzmüller et al. 2024"
    cost = "a pass over at most 256 training rows, before training"
    standard = False

    def fill(self, weight: Tensor, fans: Fans, generator: torch.Generator, **params: Any) -> None:
        """The normal start."""
        drawn = torch.randn(weight.shape, generator=generator) / math.sqrt(fans.fan_in)
        weight.copy_(drawn.to(weight))

    def apply(self, run: Run, **params: Any) -> str:
        """Fill, then set scales and biases layer by layer."""
        filled = super().apply(run, **params)
        bent: list[str] = []
        with self.visiting(run, partial(self.bend, run.generator, bent)) as forward:
            forward(self.sample(run))
        layers = "1 layer" if len(bent) == 1 else f"{len(bent)} layers"
        return f"units of {layers} bend between {POINTS} rows each; {filled}"

    def bend(
        self, generator: torch.Generator, bent: list[str], layer: Layer, output: Tensor, again: Any
    ) -> Tensor | None:
        """Scale the units of a linear layer, and move the place at which each bends."""
        if layer.kind != "linear" or output.shape[-1] != self.units(layer):
            return None
        # The bias is zero by now, unless the author has chosen it.
        flat = output.detach().reshape(-1, output.shape[-1])
        deviation = flat.std(0, correction=0)
        varies = torch.isfinite(deviation) & (deviation > _TINY)
        factors = torch.where(varies, 1 / deviation, 1.0)
        bias = self.free_bias(layer)
        self.scale_units(layer, factors)
        if bias is not None and not layer.is_output:
            places = self.between(flat * factors, generator)
            bias.data.copy_(torch.where(varies, -places, 0.0))
            bent.append(layer.name)
        changed: Tensor = again(None)
        return changed

    def between(self, outputs: Tensor, generator: torch.Generator) -> Tensor:
        """For each unit its output at a random point between some of the rows, (units,).

        A layer is linear, so that it is the same mean of the rows' outputs.
        """
        rows, units = outputs.shape
        chosen = torch.randint(rows, (units, POINTS), generator=generator)
        # Exponential draws that are divided by their sum are uniform among the means.
        shares = -torch.log1p(-torch.rand(units, POINTS, generator=generator))
        shares = (shares / shares.sum(1, keepdim=True)).to(outputs)
        at_rows = outputs.T.gather(1, chosen.to(outputs.device))
        return (shares * at_rows).sum(1)
