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
    name, weight, given = segment.operation.name, segment.weight, segment.operation.settings
    if "conv" not in name:
        rows, columns = weight.shape
        return nn.Linear(rows, columns) if name == "linear" else nn.Linear(columns, rows)
    transposed, dimensions, groups = "transpose" in name, weight.ndim - 2, given.get("groups", 1)
    inside, outside = weight.shape[1] * groups, weight.shape[0]
    kernel, step, spread = (
        weight.shape[2:],
        *(_each(given.get(key, 1), dimensions) for key in ("stride", "dilation")),
    )
    margin = _margin(given.get("padding", 0), kernel, spread)
    shape: Any = {
        "kernel_size": kernel,
        "stride": step,
        "dilation": spread,
        "padding": margin,
        "groups": groups,
    }
    kind = getattr(nn, f"Conv{'' if transposed else 'Transpose'}{dimensions}d")
    if transposed:
        return _made(kind, inside, outside, shape)
    size = segment.size[1:]
    codes = [
        (n + 2 * p - d * (k - 1) - 1) // s
        for n, p, d, k, s in zip(size, margin, spread, kernel, step, strict=True)
    ]
    reached = [
        c * s - 2 * p + d * (k - 1) + 1
        for c, p, d, k, s in zip(codes, margin, spread, kernel, step, strict=True)
    ]
    missing = tuple(max(0, n - r) for n, r in zip(size, reached, strict=True))
    return _made(kind, outside, inside, {**shape, "output_padding": missing})


def _made(kind: Any, inside: int, outside: int, shape: dict[str, Any]) -> nn.Module:
    module: nn.Module = kind(inside, outside, **shape)
    return module


def _each(value: Any, dimensions: int) -> tuple[int, ...]:
    """One number for every dimension."""
    return (
        tuple(value) * (dimensions // len(value))
        if isinstance(value, (tuple, list))
        else (value,) * dimensions
    )


def _margin(padding: Any, kernel: Sequence[int], spread: Sequence[int]) -> tuple[int, ...]:
    """The padding on each side; half of what `same` adds to an even kernel, rounded down."""
    if padding == "same":
        return tuple(step * (size - 1) // 2 for size, step in zip(kernel, spread, strict=True))
    return _each(0 if padding == "valid" else padding, len(kernel))
