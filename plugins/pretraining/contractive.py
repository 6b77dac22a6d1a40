"""The contractive autoencoder."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import advisor

from .autoencoder import Autoencoder


class Contractive(Autoencoder):
    """An autoencoder whose code changes little with its input.

    Loss per row: |x' - x|² (or cross-entropy) + weight · |∂h/∂x|²; for one layer the square of the
    Jacobian's Frobenius norm is Σⱼ f'(zⱼ)² · Σᵢ Wⱼᵢ², exact for every activation that works element
    by element.

    When it helps: few labels; it is the analytic relative of small Gaussian noise, and needs no
    noise.

    Arguments: `weight` of the penalty; `epochs`, `lr`, `freeze`. Linear layers only.

    Reference: Rifai et al. 2011, "Contractive auto-encoders: explicit invariance during feature
    extraction".
    """

    name = "contractive"
    cite = "Rifai et al. 2011"
    kinds = ("linear",)  # of a convolution the Jacobian has no such short form
    effort = 2.5  # autograd computes the penalty, a derivative itself
    space = {**Autoencoder.space, "weight": advisor.Float(0.01, 1.0, default=0.1, log=True)}

    def penalty(
        self,
        segment: advisor.Segment,
        inputs: Tensor,
        decoder: nn.Module,
        *,
        weight: float = 0.1,
        **params: Any,
    ) -> Tensor:
        """The mean over rows of the Jacobian's squared norm."""
        return weight * squared_jacobian(segment, inputs).mean()


def squared_jacobian(segment: advisor.Segment, inputs: Tensor) -> Tensor:
    """|∂h/∂x|² of each row."""
    # The slope must be differentiable where the layer learns, and only there.
    learning = torch.is_grad_enabled()
    with torch.enable_grad():
        before = segment.operation(inputs)
        if not before.requires_grad:
            before = before.requires_grad_()
        after = segment.activation(before).sum()
        (slope,) = torch.autograd.grad(after, before, create_graph=learning)
    squared_lengths = segment.matrix.square().sum(1)
    return F.linear(slope.square(), squared_lengths[None]).squeeze(-1)
