"""The sparse autoencoder."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

import advisor

from .autoencoder import Autoencoder


class SparseAutoencoder(Autoencoder):
    """An autoencoder most of whose units are off for most inputs.

    Loss per row: |x' - x|² (or cross-entropy) + weight · Σⱼ KL(target ‖ ρⱼ), where ρⱼ is the mean
    of unit j over a mini-batch, brought to [0, 1]; or + weight · Σⱼ |hⱼ|·|dⱼ|, where dⱼ is the
    decoder's vector of unit j, so that a small code with a large decoder gains nothing. KL needs
    units with two bounds; for others the penalty is L1.

    When it helps: layers wider than their input, whose units would copy it.

    Arguments: `form` kl or l1; `target` mean activity; `weight` of the penalty; `epochs`, `lr`,
    `freeze`.

    Reference: Ng 2011, "Sparse autoencoder" (CS294A); Ranzato et al. 2007, "Sparse feature learning
    for deep belief networks".
    """

    name = "sparse_autoencoder"
    cite = "Ranzato et al. 2007; Ng 2011"
    effort = 2.2  # autograd computes the penalty, for which a layer is computed again
    space = {
        **Autoencoder.space,
        "form": advisor.Choice("kl", "l1"),
        "target": advisor.Float(0.01, 0.2, default=0.05, log=True),
        "weight": advisor.Float(0.1, 3.0, default=0.5, log=True),
    }

    def penalty(
        self,
        segment: advisor.Segment,
        inputs: Tensor,
        decoder: nn.Module,
        *,
        form: str = "kl",
        target: float = 0.05,
        weight: float = 0.5,
        **params: Any,
    ) -> Tensor:
        """The divergence from the wanted activity, or the size of the codes."""
        code = by_unit(segment, segment.encode(inputs))
        if form == "kl" and segment.bounds is not None:
            # A mean activity is a probability once the activation's range is brought to [0, 1].
            lowest, highest = segment.bounds
            activity = ((code - lowest) / (highest - lowest)).mean(0)
            penalty: Tensor = divergence(target, activity).sum() * weight
            return penalty
        sizes: Tensor = code.abs() * vectors(decoder, code.shape[1])
        return sizes.sum() * (weight / len(inputs))


def by_unit(segment: advisor.Segment, code: Tensor) -> Tensor:
    """A layer's output as (rows, units); each place of a convolution is a row."""
    if "conv" not in segment.operation.name:
        return code
    return code.transpose(0, 1).flatten(1).T


def divergence(target: float, activity: Tensor) -> Tensor:
    """KL(target ‖ activity) of Bernoulli variables."""
    rho = torch.tensor(target).to(activity)
    # A unit that is always on or off would make the divergence infinite.
    activity = activity.clamp(1e-6, 1 - 1e-6)
    return rho * (rho / activity).log() + (1 - rho) * ((1 - rho) / (1 - activity)).log()


def vectors(decoder: nn.Module, units: int) -> Tensor:
    """Length of the decoder's vector of each unit; 1 where groups share the places of a transposed
    layer.
    """
    weight = next(decoder.parameters())
    # A transposed convolution has its inputs, which are the units here, in the first dimension.
    along = 0 if "Transpose" in type(decoder).__name__ else 1
    if weight.shape[along] != units:
        return weight.new_ones(units)
    return weight.transpose(0, along).flatten(1).square().sum(1).sqrt()
