"""The denoising autoencoder, and its three kinds of noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

import advisor

from .autoencoder import Autoencoder


def masking(values: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """Zero at a random share `amount` of places."""
    # The values that are kept are not rescaled, as they are by dropout.
    kept = torch.rand(values.shape, generator=generator) >= amount
    return values * kept.to(values)


def gaussian(values: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """Plus N(0, (amount · σ)²), σ being the deviation of the values."""
    # A single value has no deviation.
    scale = values.std() if values.numel() > 1 else values.new_ones(())
    noise = torch.randn(values.shape, generator=generator).to(values)
    return values + amount * scale * noise


def salt_and_pepper(values: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """The lowest or the highest value, by a fair coin, at a random share `amount` of places."""
    place = torch.rand(values.shape, generator=generator).to(values.device)
    coin = torch.rand(values.shape, generator=generator).to(values.device)
    extremes = torch.where(coin < 0.5, values.min(), values.max())
    return torch.where(place >= amount, values, extremes)


NOISES: dict[str, Callable[[Tensor, float, torch.Generator], Tensor]] = {
    "masking": masking,
    "gaussian": gaussian,
    "salt_and_pepper": salt_and_pepper,
}
"""The kinds of noise by the names that the parameter `noise` takes."""


class Denoising(Autoencoder):
    """Each layer learns to undo noise: its clean input must be rebuilt from its output on the noisy
    one.

    Loss: as the autoencoder's, of the clean x rebuilt from q(x): zeros at a share `amount` of
    places, or x + N(0, (amount · σ)²), or the lowest or highest value at a share `amount` of
    places.

    When it helps: as the autoencoder and, in most published comparisons, more. Salt and pepper
    suits images.

    Arguments: `noise` masking, gaussian or salt_and_pepper; `amount` share of places or deviations;
    `epochs`, `lr`, `freeze`.

    Reference: Vincent et al. 2008, "Extracting and composing robust features with denoising
    autoencoders"; Vincent et al. 2010.
    """

    name = "denoising"
    cite = "Vincent et al. 2008; Vincent et al. 2010"
    standard = True
    # Shares of 0.10 to 0.25 were best in seven of eight tasks (Vincent et al. 2010).
    space = {
        **Autoencoder.space,
        "noise": advisor.Choice(*NOISES),
        "amount": advisor.Float(0.05, 0.5, default=0.2),
    }

    def corrupt(
        self,
        clean: Tensor,
        generator: torch.Generator,
        *,
        noise: str = "masking",
        amount: float = 0.2,
        **params: Any,
    ) -> Tensor:
        """The input with noise."""
        return NOISES[noise](clean, amount, generator)
