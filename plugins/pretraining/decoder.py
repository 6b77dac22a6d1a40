"""The mirror of a layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

import advisor


def decoder_of(segment: advisor.Segment) -> nn.Module:
    """The mirror of a layer: linear for linear, transposed convolution with the same stride and
    padding for a convolution.
    """
    name = segment.operation.name
    weight = segment.weight
    if name == "linear":
        units, inputs = weight.shape
        return nn.Linear(units, inputs)
    if "conv" not in name:
        inputs, units = weight.shape  # a plain product has its weight the other way round
        return nn.Linear(units, inputs)

    settings = segment.operation.settings
    dimensions = weight.ndim - 2
    kernel = weight.shape[2:]
    stride = _per_dimension(settings.get("stride", 1), dimensions)
    dilation = _per_dimension(settings.get("dilation", 1), dimensions)
    padding = _padding(settings.get("padding", 0), kernel, dilation)
    groups = settings.get("groups", 1)
    shape: dict[str, Any] = {
        "kernel_size": kernel,
        "stride": stride,
        "dilation": dilation,
        "padding": padding,
        "groups": groups,
    }

    # A weight lies as (first, second / groups, *kernel): out and in for a convolution, in and out
    # for a transposed one. The mirror exchanges the two kinds, and so goes from first to second.
    first, second = weight.shape[0], weight.shape[1] * groups
    mirror: nn.Module
    if "transpose" in name:
        kind = getattr(nn, f"Conv{dimensions}d")
        mirror = kind(second, first, **shape)
    else:
        kind = getattr(nn, f"ConvTranspose{dimensions}d")
        missing = []
        for i, size in enumerate(segment.size[1:]):
            # A stride that does not divide the input drops its end, which the mirror must add.
            spread = dilation[i] * (kernel[i] - 1) - 2 * padding[i] + 1
            steps = (size - spread) // stride[i]
            missing.append(max(0, size - (steps * stride[i] + spread)))
        mirror = kind(first, second, **shape, output_padding=tuple(missing))
    return mirror


def _per_dimension(value: Any, dimensions: int) -> tuple[int, ...]:
    """One number for every dimension."""
    if isinstance(value, (tuple, list)):
        return tuple(value) * (dimensions // len(value))
    return (value,) * dimensions


def _padding(padding: Any, kernel: Sequence[int], dilation: Sequence[int]) -> tuple[int, ...]:
    """The padding on each side; half of what `same` adds to an even kernel, rounded down."""
    if padding == "valid":
        return (0,) * len(kernel)
    if padding == "same":
        return tuple(step * (size - 1) // 2 for size, step in zip(kernel, dilation, strict=True))
    return _per_dimension(padding, len(kernel))
