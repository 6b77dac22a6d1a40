"""Greedy layer-wise pretraining."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import advisor
from advisor import Pretraining


def decoder_of(module: nn.Module) -> nn.Module:
    """The mirror of a layer: linear for linear, transposed convolution with the same stride and padding for a convolution."""
    if isinstance(module, nn.Linear):
        return nn.Linear(module.out_features, module.in_features)
    assert isinstance(module, nn.modules.conv._ConvNd)  # the two kinds of layer that are pretrained
    mirror = {nn.Conv1d: nn.ConvTranspose1d, nn.Conv2d: nn.ConvTranspose2d, nn.Conv3d: nn.ConvTranspose3d}
    kind = next(mirror[base] for base in mirror if isinstance(module, base))
    padding: Any = _same(module) if module.padding == "same" else 0 if module.padding == "valid" else module.padding
    names = ("kernel_size", "stride", "dilation", "groups")
    shape: Any = {name: getattr(module, name) for name in names}
    return kind(module.out_channels, module.in_channels, padding=padding, **shape)


def _same(module: nn.modules.conv._ConvNd) -> tuple[int, ...]:
    """The padding on each side that `padding="same"` means, for odd kernels."""
    return tuple(step * (size - 1) // 2 for size, step in zip(module.kernel_size, module.dilation, strict=True))


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
    batch = 64

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
        """Train encoder (the user's layer) and a decoder that is thrown away."""
        module, decoder = segment.layer.module, decoder_of(segment.layer.module).to(inputs)
        optimizer = torch.optim.Adam([*module.parameters(recurse=False), *decoder.parameters()], lr=lr)
        probabilities = bool((inputs >= 0).all() and (inputs <= 1).all())

        def loss(clean: Tensor, noisy: Tensor) -> Tensor:
            code = segment.activation(module(noisy))
            size = {} if isinstance(module, nn.Linear) else {"output_size": list(clean.shape[2:])}
            rebuilt = decoder(code, **size)
            return F.binary_cross_entropy_with_logits(rebuilt, clean) if probabilities else F.mse_loss(rebuilt, clean)

        with torch.no_grad():
            before = float(loss(inputs, inputs))
        for _ in range(epochs):
            for index in torch.randperm(len(inputs), generator=generator).split(self.batch):
                clean = inputs[index]
                kept = torch.rand(clean.shape, generator=generator).to(clean) >= corruption
                optimizer.zero_grad(set_to_none=True)
                loss(clean, clean * kept).backward()
                optimizer.step()
        with torch.no_grad():
            return before, float(loss(inputs, inputs))


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
