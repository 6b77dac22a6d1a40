"""The parameters that an operation multiplies a signal by, as matrices of units and inputs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import product as combinations
from typing import Any

from torch import Tensor

from advisor.model.matrix import Matrix, Weight
from advisor.model.tracing.arranged import Places, Slab
from advisor.model.tracing.products import CONVOLUTIONS, Roles, product_of, roles_of

Axis = tuple[int, int]
"""Size and stride."""


def weights_in(
    name: str, args: Sequence[Any], kwargs: dict[str, Any], places: Places
) -> tuple[Weight, ...]:
    """The parameters that an operation multiplies another tensor by."""
    if name in CONVOLUTIONS:
        return _kernels(name, args, kwargs, places)
    product = product_of(name, args, kwargs)
    if product is None:
        return ()
    known = [number for number, each in enumerate(product.operands) if places.knows(each)]
    if len(known) != 1 or not isinstance(product.operands[known[0]], Tensor):
        return ()
    roles = roles_of(product, known[0])
    if roles is None:
        return ()

    # Fans are those of the whole operand, of which a parameter may be a part.
    operand = product.operands[known[0]]
    fan_in = math.prod(operand.shape[axis] for axis in roles.summed)
    fan_out = math.prod(operand.shape[axis] for axis in roles.units)
    slabs = list(places.slabs(operand))
    weights = []
    for parameter, slab in slabs:
        matrices = tuple(_matrices(slab, roles, fan_in, fan_out))
        shared = len(slabs) > 1
        weight = Weight(
            parameter, matrices, "linear", product.added, shared, units_last=roles.units_last
        )
        weights.append(weight)
    return tuple(weights)


def _matrices(slab: Slab, roles: Roles, fan_in: int, fan_out: int) -> Iterator[Matrix]:
    # Units that do not lie in one row are several matrices.
    units, *more_units = _merged(slab, roles.units)[::-1]
    inputs = _merged(slab, roles.summed)
    stacks = [*(_axis(slab, axis) for axis in roles.stacked), *more_units[::-1]]
    axes = (units, *inputs)
    size, stride = tuple(axis[0] for axis in axes), tuple(axis[1] for axis in axes)
    for place in combinations(*(range(count) for count, _ in stacks)):
        steps = sum(number * step for number, (_, step) in zip(place, stacks, strict=True))
        yield Matrix(size, stride, slab.offset + steps, fan_in, fan_out)


def _axis(slab: Slab, axis: int) -> Axis:
    """One axis of a slab; what is only repeated counts once."""
    size, stride = slab.size[axis], slab.stride[axis]
    return (size, stride) if stride else (1, 0)


def _merged(slab: Slab, axes: Sequence[int]) -> list[Axis]:
    """Axes of a slab, those that follow each other in memory as one."""
    merged: list[Axis] = []
    for axis in axes:
        size, stride = _axis(slab, axis)
        if merged and (size == 1 or merged[-1][0] == 1):
            merged[-1] = merged[-1] if size == 1 else (size, stride)
        elif merged and merged[-1][1] == size * stride:
            merged[-1] = (merged[-1][0] * size, stride)
        else:
            merged.append((size, stride))
    return merged


def _kernels(
    name: str, args: Sequence[Any], kwargs: dict[str, Any], places: Places
) -> tuple[Weight, ...]:
    """The kernel of a convolution, where it is one whole parameter."""
    operands = CONVOLUTIONS[name](name, args, kwargs)
    if operands is None or places.knows(operands.operands[0]):
        return ()
    kernel = operands.operands[1]
    slabs = list(places.slabs(kernel)) if places.knows(kernel) else []
    if len(slabs) != 1 or slabs[0][1].size != tuple(kernel.shape):
        return ()
    parameter, slab = slabs[0]
    kind = name.rstrip("123d")
    is_transposed = kind == "conv_transpose"
    groups = _argument(args, kwargs, 6, "groups", 1)
    stride = _argument(args, kwargs, 3, "stride", 1)
    strides = stride if isinstance(stride, (tuple, list)) else (stride,) * (kernel.ndim - 2)
    if len(strides) != kernel.ndim - 2:
        strides = tuple(strides) * (kernel.ndim - 2)

    # A stride of a transposed convolution spreads the kernel over that many outputs.
    taps = math.prod(kernel.shape[2:]) / (math.prod(strides) if is_transposed else 1)
    rows = kernel.shape[0] // groups
    size, steps = [rows, *slab.size[1:]], list(slab.stride)
    if is_transposed:
        size[:2], steps[:2] = size[1::-1], steps[1::-1]
    fan_in, fan_out = max(1.0, size[1] * taps), max(1.0, size[0] * taps)
    matrices = []
    for group in range(groups):
        offset = slab.offset + group * rows * slab.stride[0]
        matrices.append(Matrix(tuple(size), tuple(steps), offset, fan_in, fan_out))
    return (Weight(parameter, tuple(matrices), kind, operands.added, False, True, tuple(strides)),)


def _argument(
    args: Sequence[Any], kwargs: dict[str, Any], position: int, name: str, default: Any
) -> Any:
    """An argument that is given by position or by name."""
    return args[position] if len(args) > position else kwargs.get(name, default)
