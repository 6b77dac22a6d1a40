"""A trained scale for each column of a table."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from advisor import Run

from .first_layer import (
    BeforeFirstLayer,
    FirstLinear,
    first_layer,
    plain_linear,
    replace_module,
)


class ScaledLinear(FirstLinear):
    """A linear layer whose inputs have trained scales: W (s x) + b."""

    def __init__(self, plain: nn.Linear) -> None:
        super().__init__(plain)
        self.scale = nn.Parameter(torch.ones_like(plain.weight[0]))

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  # torch's name
        """As the linear layer on scaled inputs."""
        return super().forward(self.scale * input)


class Scaling(BeforeFirstLayer):
    """Each column of a table has a scale that is trained, so that useless ones fade together.

    x ← s · x before the first layer, with s = 1 at the start and no weight decay. Helps on tables
    with columns of unequal use: a step of s moves all weights of a column at once.

    Arguments:
        none

    Reference: Holzmüller et al. 2024, "Better by default: strong pre-tuned MLPs and boosted trees
    on tabular data" (the scaling layer of RealMLP, whose larger learning rate is left out).
    """

    name = "scaling"
    cite = "Holzmüller et al. 2024"
    cost = "a product for each number of a row"

    def apply(self, run: Run, **params: Any) -> str:
        """Put the scales into the first layer."""
        layer = first_layer(run)
        assert layer is not None
        plain = plain_linear(layer)
        scaled = ScaledLinear(plain)
        replace_module(run.model, plain, scaled)
        run.undecayed.append(scaled.scale)
        run.changed()
        return f"{layer.name} reads {plain.in_features} columns with a trained scale each"
