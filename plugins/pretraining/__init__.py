"""Greedy layer-wise pretraining."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import advisor
from advisor import Pretraining


def decoder_of(segment: advisor.Segment) -> nn.Module:
    """The mirror of a layer: linear for linear, transposed convolution with the same stride and padding for a convolution."""
    name, weight, given = segment.operation.name, segment.weight, segment.operation.settings
    if "conv" not in name:
        rows, columns = weight.shape
        return nn.Linear(rows, columns) if name == "linear" else nn.Linear(columns, rows)
    transposed, dimensions, groups = "transpose" in name, weight.ndim - 2, given.get("groups", 1)
    inside, outside = weight.shape[1] * groups, weight.shape[0]
    kernel, step, spread = weight.shape[2:], *(_each(given.get(key, 1), dimensions) for key in ("stride", "dilation"))
    margin = _margin(given.get("padding", 0), kernel, spread)
    shape: Any = {"kernel_size": kernel, "stride": step, "dilation": spread, "padding": margin, "groups": groups}
    kind = getattr(nn, f"Conv{'' if transposed else 'Transpose'}{dimensions}d")
    if transposed:
        return _made(kind, inside, outside, shape)
    size = segment.size[1:]
    codes = [(n + 2 * p - d * (k - 1) - 1) // s for n, p, d, k, s in zip(size, margin, spread, kernel, step, strict=True)]
    reached = [c * s - 2 * p + d * (k - 1) + 1 for c, p, d, k, s in zip(codes, margin, spread, kernel, step, strict=True)]
    missing = tuple(max(0, n - r) for n, r in zip(size, reached, strict=True))
    return _made(kind, outside, inside, {**shape, "output_padding": missing})


def _made(kind: Any, inside: int, outside: int, shape: dict[str, Any]) -> nn.Module:
    module: nn.Module = kind(inside, outside, **shape)
    return module


def _each(value: Any, dimensions: int) -> tuple[int, ...]:
    """One number for every dimension."""
    return tuple(value) * (dimensions // len(value)) if isinstance(value, (tuple, list)) else (value,) * dimensions


def _margin(padding: Any, kernel: Sequence[int], spread: Sequence[int]) -> tuple[int, ...]:
    """The padding on each side; half of what `same` adds to an even kernel, rounded down."""
    if padding == "same":
        return tuple(step * (size - 1) // 2 for size, step in zip(kernel, spread, strict=True))
    return _each(0 if padding == "valid" else padding, len(kernel))


class Denoising(Pretraining):
    """Each layer learns to undo noise: its input, with some values set to zero, must be rebuilt from its output.

    Loss: mean squared error of the rebuilt clean input, or cross-entropy where inputs lie in [0, 1]. Expect help for
    saturating units, or few labels with many unlabeled rows; expect none for rectifiers with a good start and many labels.

    Reference: Vincent et al. 2008, "Extracting and composing robust features with denoising autoencoders".
    """

    name = "denoising"
    cite = "Vincent et al. 2008; Bengio et al. 2007"
    space = {
        "corruption": advisor.Float(0.05, 0.5, default=0.2),
        "epochs": advisor.Int(5, 20, default=10),
        "lr": advisor.Float(1e-3, 1e-2, default=3e-3, log=True),
    }

    def learn(
        self,
        segment: advisor.Segment,
        inputs: Tensor,
        generator: torch.Generator,
        *,
        corruption: float = 0.2,
        epochs: int = 10,
        lr: float = 3e-3,
        **params: Any,
    ) -> tuple[float, float]:
        """Train encoder (the user's layer) and a decoder that is thrown away; the losses are those of one fixed noise."""
        decoder = decoder_of(segment).to(inputs)
        optimizer = torch.optim.Adam([*segment.parameters, *decoder.parameters()], lr=lr)
        probabilities = bool((inputs >= 0).all() and (inputs <= 1).all())
        batch = max(8, min(64, len(inputs) // 16))
        window = tuple(map(slice, inputs.shape[2:]))

        def loss(clean: Tensor, kept: Tensor) -> Tensor:
            rebuilt = decoder(segment.encode(clean * kept))[..., *window]  # an even kernel may give one value too many
            return F.binary_cross_entropy_with_logits(rebuilt, clean) if probabilities else F.mse_loss(rebuilt, clean)

        def measured() -> float:
            noise = torch.Generator().manual_seed(0)
            with torch.no_grad():
                losses = [len(part) * float(loss(part, keep(part, corruption, noise))) for part in inputs.split(batch)]
            return sum(losses) / len(inputs)

        before = measured()
        for _ in range(epochs):
            for index in torch.randperm(len(inputs), generator=generator).to(inputs.device).split(batch):
                clean = inputs[index]
                optimizer.zero_grad(set_to_none=True)
                loss(clean, keep(clean, corruption, generator)).backward()
                optimizer.step()
        return before, measured()


def keep(values: Tensor, corruption: float, generator: torch.Generator) -> Tensor:
    """Ones, and zeros at a random share of places."""
    return (torch.rand(values.shape, generator=generator) >= corruption).to(values)


@advisor.hookimpl
def slots() -> list[advisor.Slot]:
    """The slot between the start of the weights and training."""
    return [
        advisor.Slot(
            "pretraining",
            "layer-wise training without targets, before training",
            after=("activation", "initializer", "embedding"),
        )
    ]


@advisor.hookimpl
def techniques() -> list[advisor.Technique]:
    """The methods of this package."""
    return [Denoising()]
