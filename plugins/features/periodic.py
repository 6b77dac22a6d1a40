"""Periodic embeddings of numbers (PLR)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from advisor import Float, Int, Run

from .first_layer import (
    BeforeFirstLayer,
    FirstLinear,
    first_layer,
    number_columns,
    plain_linear,
    replace_module,
    uniform,
)


class PeriodicEmbedding(nn.Module):
    """Each number as waves of trained frequencies, a linear layer of its column's own, and a
    rectifier: (…, columns) to (…, columns · width).
    """

    places: Tensor

    def __init__(self, places: Tensor, frequencies: Tensor, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.register_buffer("places", places)
        self.frequencies = nn.Parameter(frequencies)  # (columns, waves)
        self.weight = nn.Parameter(weight)  # (columns, 2 · waves, width)
        self.bias = nn.Parameter(bias)  # (columns, width)

    def forward(self, x: Tensor) -> Tensor:
        """The embeddings of the columns, side by side."""
        angles = 2 * math.pi * x[..., self.places, None] * self.frequencies
        waves = torch.cat([angles.cos(), angles.sin()], dim=-1)
        embedded = torch.einsum("...nw,nwd->...nd", waves, self.weight) + self.bias
        return torch.relu(embedded).flatten(-2)


class EmbeddedLinear(FirstLinear):
    """A linear layer that also reads embeddings of its input: W x + b + V embed(x)."""

    def __init__(self, plain: nn.Linear, embed: PeriodicEmbedding, wide: Tensor) -> None:
        super().__init__(plain)
        self.embed = embed
        self.wide = nn.Parameter(wide)  # (outputs, columns · width)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  # torch's name
        """As the linear layer on the row and its embeddings side by side."""
        return super().forward(input) + nn.functional.linear(self.embed(input), self.wide)


class Periodic(BeforeFirstLayer):
    """Numbers of a table enter as waves with trained frequencies (PLR), beside the numbers.

    Of each number x: v = [cos 2πcx, sin 2πcx] for trained frequencies c ~ N(0, σ²), then
    ReLU(v A + a), with A and a of its column's own; the first layer reads all of them side by side,
    and the row as before. Columns with two values, as one-hot ones, are left out. Helps multilayer
    perceptrons on tables whose target bends sharply along single columns, as trees learn them.

    Arguments:
        sigma: deviation of the frequencies at the start; what is bent sharply needs large ones.
        waves: frequencies of each column.
        width: numbers in the embedding of a column.

    Reference: Gorishniy et al. 2022, "On embeddings for numerical features in tabular deep
    learning".
    """

    name = "periodic"
    cite = "Gorishniy et al. 2022"
    cost = "in each pass as many products as a first layer that is wider by columns · width"
    space = {
        "sigma": Float(0.01, 10.0, default=0.1, log=True),
        "waves": Int(4, 64, default=16, log=True),
        "width": Int(2, 32, default=8, log=True),
    }

    def apply(
        self, run: Run, sigma: float = 0.1, waves: int = 16, width: int = 8, **params: Any
    ) -> str:
        """Put the embeddings into the first layer."""
        layer, places = first_layer(run), number_columns(run)
        assert layer is not None
        plain, columns, draw = plain_linear(layer), len(places), run.generator
        embed = PeriodicEmbedding(
            places,
            sigma * torch.randn(columns, waves, generator=draw),
            uniform((columns, 2 * waves, width), 2 * waves, draw),
            uniform((columns, width), 2 * waves, draw),
        )
        wide = uniform((plain.out_features, columns * width), columns * width, draw)
        widened = EmbeddedLinear(plain, embed, wide).to(plain.weight)
        replace_module(run.model, plain, widened)
        run.undecayed.append(embed.frequencies)
        run.changed()
        numbers = "1 column" if columns == 1 else f"{columns} columns"
        return f"{layer.name} reads {numbers} as {waves} waves each, embedded in {width} numbers"
