"""Where the numbers of a parameter lie in the tensor that a product uses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from advisor.model.nested_values import tensors
from advisor.model.tracing.operations import PARTS, words

COPIES = words(
    "to type type_as float double half bfloat16 contiguous clone alias identity cpu cuda"
)
"""Operations that leave every number at its place."""
MOVES = PARTS - words("gather index_select") | words(
    "get view view_as reshape reshape_as squeeze unsqueeze flatten unflatten ravel t transpose "
    "swapaxes swapdims movedim moveaxis permute adjoint expand expand_as repeat cat concat "
    "concatenate stack hstack vstack"
)
"""Operations that only move, leave out or repeat numbers."""


@dataclass(frozen=True)
class Slab:
    """A part of a parameter as it lies in a weight.

    Arguments:
        size: by axis of the weight; 1 where the part has one place along it.
        stride: by axis of the weight, in the parameter's memory.
        offset: of its first number, in the parameter's memory.
    """

    size: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int


class Places:
    """For tensors that are rearranged parameters, the place in memory of each of their numbers."""

    def __init__(self) -> None:
        self._numbers: dict[int, Tensor] = {}
        self._parameters: dict[int, nn.Parameter] = {}
        self._first: dict[int, int] = {}  # by parameter, the number of its first place
        self._next = 0
        self._alive: list[Tensor] = []

    def follow(
        self, name: str, func: Callable[..., Any], args: Any, kwargs: dict[str, Any], result: Any
    ) -> None:
        """Do with the places what an operation does with the numbers."""
        if name not in COPIES and name not in MOVES:
            return
        operands = [each for each in (*tensors(args), *tensors(kwargs)) if _is_number(each)]
        if name.endswith("_as"):
            operands = operands[:1]
        if not operands or not all(self.knows(each) for each in operands):
            return
        if name in COPIES:
            moved: Any = self._numbers_of(operands[0])
        else:
            moved = func(*self._replaced(args), **self._replaced(kwargs))
        for tensor, places in zip(tensors(result), tensors(moved), strict=True):
            self._numbers[id(tensor)] = places
            self._alive.append(tensor)

    def knows(self, tensor: Tensor) -> bool:
        """Whether a tensor is a parameter or a rearranged one."""
        if id(tensor) in self._numbers:
            return True
        return isinstance(tensor, nn.Parameter) and tensor.is_floating_point()

    def slabs(self, tensor: Tensor) -> Iterator[tuple[nn.Parameter, Slab]]:
        """The parts of parameters that a tensor is made of; none where a part has no regular
        place.
        """
        if id(tensor) not in self._numbers and isinstance(tensor, nn.Parameter):
            yield tensor, Slab(tuple(tensor.shape), tensor.stride(), 0)
            return
        places = self._numbers.get(id(tensor))
        if places is None:
            return
        for key, first in self._first.items():
            parameter = self._parameters[key]
            inside = (places >= first) & (places < first + _span(parameter))
            if bool(inside.any()):
                slab = _slab(places, inside, first)
                if slab is not None:
                    yield parameter, slab

    def _numbers_of(self, tensor: Tensor) -> Tensor:
        """The places of a tensor, which is known."""
        if id(tensor) in self._numbers:
            return self._numbers[id(tensor)]
        assert isinstance(tensor, nn.Parameter)
        first = self._next
        self._next += _span(tensor)
        self._parameters[id(tensor)], self._first[id(tensor)] = tensor, first
        numbers = torch.arange(first, self._next).as_strided(tensor.shape, tensor.stride())
        self._numbers[id(tensor)] = numbers
        return numbers

    def _replaced(self, values: Any) -> Any:
        """Arguments with places instead of numbers."""
        if isinstance(values, Tensor):
            return self._numbers_of(values) if self.knows(values) else values.cpu()
        if isinstance(values, dict):
            return {key: self._replaced(value) for key, value in values.items()}
        if type(values) in (list, tuple):
            return type(values)(self._replaced(value) for value in values)
        return values


def _is_number(tensor: Tensor) -> bool:
    return tensor.is_floating_point() or tensor.is_complex()


def _span(parameter: Tensor) -> int:
    """Places of memory from a parameter's first number to its last."""
    if not parameter.numel():
        return 0
    steps = zip(parameter.shape, parameter.stride(), strict=True)
    return 1 + sum((size - 1) * stride for size, stride in steps)


def _slab(places: Tensor, inside: Tensor, first: int) -> Slab | None:
    """The part of `places` that is `inside`, if it is a box whose places follow from strides."""
    box: Sequence[slice] = [
        slice(int(axis.min()), int(axis.max()) + 1) for axis in inside.nonzero(as_tuple=True)
    ]
    part = places[tuple(box)]
    corner = part.reshape(-1)[0]
    strides = []
    expected = corner.clone()
    for axis, size in enumerate(part.shape):
        step = int(part.select(axis, 1).reshape(-1)[0] - corner) if size > 1 else 0
        strides.append(step)
        shape = [1] * part.ndim
        shape[axis] = size
        expected = expected + (torch.arange(size) * step).view(shape)
    if not bool((part == expected).all()) or min(strides, default=0) < 0:
        return None
    return Slab(tuple(part.shape), tuple(strides), int(corner) - first)
