"""SELU: an activation, a start and a dropout that only work together."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

import advisor
from advisor import Activation, Fans, Initializer

# Alpha dropout keeps the mean and the variance of a signal; of maps it drops whole channels.
ALPHA_DROPOUT: dict[type[nn.Module], Any] = {
    nn.Dropout: lambda old: nn.AlphaDropout(old.p, old.inplace),
    nn.Dropout1d: lambda old: nn.FeatureAlphaDropout(old.p, old.inplace),
    nn.Dropout2d: lambda old: nn.FeatureAlphaDropout(old.p, old.inplace),
    nn.Dropout3d: lambda old: nn.FeatureAlphaDropout(old.p, old.inplace),
}
"""What takes the place of each of torch's dropouts."""


class SELUStart(Initializer):
    """Weights that keep the variance of a signal through an activation of gain 1.

    std = 1 / √fan_in. Reference: LeCun et al. 1998, "Efficient BackProp".
    """

    name = "lecun"

    def fill(self, weight: Tensor, fans: Fans, generator: torch.Generator, **params: Any) -> None:
        """Gaussian with the LeCun variance."""
        drawn = torch.randn(weight.shape, generator=generator).to(weight)
        weight.copy_(drawn / math.sqrt(fans.fan_in))


class SELU(Activation):
    """Scaled exponential linear unit, with all that it needs: a net that keeps its own mean and
    variance.

    f(z) = 1.0507 z for z > 0, else 1.7581 (eᶻ - 1), in a net whose weights start as N(0, 1/fan_in)
    with zero biases, whose dropout is alpha dropout, and that has no normalization.

    Deep feed-forward nets on standardized tables, in place of normalization. Where an initializer
    or a normalization is chosen as well, it is not applied.

    Arguments:
        none

    Reference: Klambauer et al. 2017, "Self-normalizing neural networks".
    """

    # Another start, or a norm, would undo the mean and variance that the fixed point needs.
    settles = ("initializer", "normalization")

    def __init__(self) -> None:
        super().__init__("selu", nn.SELU, "Klambauer et al. 2017")

    def unfit(self, run: advisor.Run) -> str | None:
        """As every activation; and nothing in the model may undo what it does."""
        norms = [layer.name for layer in run.anatomy.layers if layer.kind == "norm"]
        if norms:
            names = f"{norms[0]} and others" if len(norms) > 1 else norms[0]
            return f"the model normalizes ({names}): that undoes self-normalization"
        why = super().unfit(run) or SELUStart().unfit(run)
        if why is None and self.called_dropouts(run):
            return (
                "the model calls dropout as a function, which cannot be made alpha dropout: "
                "use nn.Dropout modules"
            )
        return why

    def apply(self, run: advisor.Run, **params: Any) -> str:
        """Swap, start anew, and exchange the dropouts."""
        actions = [super().apply(run, **params)]
        # The start must see the new activations, whose gain it is made for.
        run.changed()
        actions.append(f"LeCun start: {SELUStart().apply(run)}")
        dropouts = self.replace(run, ALPHA_DROPOUT)
        if dropouts:
            actions.append(f"alpha dropout at {', '.join(dropouts)}")
        return "; ".join(actions)
