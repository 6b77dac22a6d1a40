"""Matrices that lie somewhere in a parameter."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class Matrix:
    """One matrix (units, inputs, *kernel) in the parameter of a hand-written layer.

    Arguments:
        size: of the matrix.
        stride: of the matrix, in the parameter's memory.
        offset: of its first number, in the parameter's memory.
        fan_in: inputs of a unit.
        fan_out: outputs of an input.
    """

    size: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int
    fan_in: float
    fan_out: float

    def of(self, weight: Tensor) -> Tensor:
        """The matrix in a parameter, as a view."""
        offset = weight.storage_offset() + self.offset
        return weight.detach().as_strided(self.size, self.stride, offset)


@dataclass(frozen=True, eq=False)
class Weight:
    """A parameter as one operation uses it.

    Arguments:
        parameter: what the signal is multiplied by.
        matrices: its matrices.
        kind: `linear`, `conv` or `conv_transpose`.
        added: what the operation itself adds to the product, or None.
        shared: whether other parameters lie in the same operand.
        units_last: whether the units are the last axis of the result.
        stride: of a convolution.
    """

    parameter: nn.Parameter
    matrices: tuple[Matrix, ...]
    kind: str
    added: Tensor | None
    shared: bool
    units_last: bool = True
    stride: tuple[int, ...] = ()
