"""An activation of which each unit learns how much it takes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from advisor import Activation, Choice

FUNCTIONS = {"selu": F.selu, "mish": F.mish, "relu": F.relu}
"""What may be mixed with the identity; the first two are those of the paper."""


class MixedActivation(nn.Module):
    """(1 - a) x + a f(x) with a trained a for each channel, 1 at the start."""

    def __init__(self, function: str, channels: int, last: bool = True) -> None:
        super().__init__()
        self.function, self.channels, self.last = function, channels, last
        self.share = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Elementwise."""
        share: Tensor = self.share
        # Of maps the channels are the second dimension.
        if not self.last and self.channels > 1:
            share = share.reshape(-1, *[1] * (x.ndim - 2))
        return x + share * (FUNCTIONS[self.function](x) - x)

    def extra_repr(self) -> str:
        """The function."""
        return f"{self.function}, {self.channels}"


def mixed(channels: Any, function: str = "selu") -> MixedActivation:
    """With a share for each channel of a site."""
    return MixedActivation(function, channels.count, channels.last)


class Parametric(Activation):
    """An activation of which each unit learns how much it takes, between it and a straight line.

    f(z) = (1 - a) z + a g(z), where g is SELU, Mish or a rectifier and a is trained for each
    channel, from 1 and without weight decay.

    Multilayer perceptrons on tables: a unit may become linear where the target is. SELU suits
    classes, Mish numbers. It is the activation of the recipe RealMLP, whose other parts are tried
    with it where they are searched, too: scales of columns, biases from data, a rate in waves, and
    smoothed labels.

    Arguments:
        function: what g is.

    Reference: Holzmüller et al. 2024, "Better by default: strong pre-tuned MLPs and boosted trees
    on tabular data".
    """

    beside = {
        "features": "scaling",
        "initializer": "hull_bias",
        "schedule": "cosine_cycles",
        "regularization": "label_smoothing",
    }

    def __init__(self) -> None:
        super().__init__(
            "parametric",
            mixed,
            "Holzmüller et al. 2024",
            {"function": Choice(*FUNCTIONS)},
            standard=False,
            per_channel=True,
        )
