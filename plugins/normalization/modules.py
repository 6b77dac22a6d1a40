"""Norms of the result of a layer, whose channels are in the last dimension or in the second."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EPSILON = 1e-6
"""What keeps a mean square from being zero."""


class RMSOfMaps(nn.Module):
    """Maps divided by the root of their mean square over channels and places, times a gain for each
    channel.

    Arguments:
        channels: how many.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, maps: Tensor) -> Tensor:
        """Maps `(N, channels, …)`."""
        size = maps.square().mean(tuple(range(1, maps.ndim)), keepdim=True)
        gain = self.weight.reshape(-1, *[1] * (maps.ndim - 2))
        return maps * torch.rsqrt(size + EPSILON) * gain


class RMSOfVectors(nn.RMSNorm):
    """Torch's, whose gain has the precision of the vectors, which is another in mixed precision."""

    def forward(self, vectors: Tensor) -> Tensor:
        """Vectors `(…, channels)`."""
        gain = self.weight.to(vectors.dtype)
        return F.rms_norm(vectors, tuple(self.normalized_shape), gain, self.eps)


class BatchNormOfVectors(nn.BatchNorm1d):
    """Batch norm of vectors that lie in the last dimension, whatever the others are."""

    def forward(self, vectors: Tensor) -> Tensor:
        """Vectors `(…, channels)`."""
        flat = vectors.reshape(-1, vectors.shape[-1])
        return super().forward(flat).reshape(vectors.shape)


def layer_norm(layer: nn.Module) -> nn.Module:
    """Over all units of a layer; of maps over channels and places."""
    if isinstance(layer, nn.Linear):
        return nn.LayerNorm(layer.out_features)
    return nn.GroupNorm(1, channels_of(layer))


def rms_norm(layer: nn.Module) -> nn.Module:
    """Over all units of a layer; of maps over channels and places."""
    if isinstance(layer, nn.Linear):
        return RMSOfVectors(layer.out_features, eps=EPSILON)
    return RMSOfMaps(channels_of(layer))


def batch_norm(layer: nn.Module) -> nn.Module:
    """Over the rows of a mini-batch, and the places of maps."""
    if isinstance(layer, nn.Linear):
        return BatchNormOfVectors(layer.out_features)
    kinds = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
    kernel: tuple[int, ...] = layer.kernel_size  # type: ignore[assignment]  # of a convolution
    return kinds[len(kernel)](channels_of(layer))


def channels_of(layer: nn.Module) -> int:
    """The output channels of a convolution."""
    return int(layer.out_channels)  # type: ignore[arg-type]  # of a convolution
