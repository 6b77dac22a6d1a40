"""Walks through tensors in tuples, lists and dictionaries, however deep: `(x, lengths)`,
`{"ids": …, "mask": …}`.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

# How many objects inside objects `tensors_in` opens, so that a cycle of references ends.
DEPTH = 4


def _never(_: Any) -> bool:
    """The default of `whole`: every structure is walked through."""
    return False


def gathered(
    function: Callable[[list[Any]], Any],
    values: Sequence[Any],
    whole: Callable[[Any], bool] = _never,
) -> Any:
    """One structure like each of `values`, with `function` of the values' elements in every place.

    A mapping becomes a dictionary; a tuple, list or named tuple keeps its type. A packed sequence
    and a list of numbers are elements, not structures.

    Arguments:
        function: takes the elements that stand in one place, in the order of `values`.
        values: structures of one form.
        whole: says of a value that it is an element although it looks like a structure.

    Raises:
        ValueError: the structures differ.
    """
    first = values[0]
    if whole(first):
        return function(list(values))
    # The first structure says the form that all others must have.
    if isinstance(first, Mapping):
        if any(not isinstance(value, Mapping) or value.keys() != first.keys() for value in values):
            raise ValueError(f"their keys differ ({', '.join(map(str, first))})")
        return {key: gathered(function, [value[key] for value in values], whole) for key in first}
    if is_structure(first):
        if any(not is_structure(value) or len(value) != len(first) for value in values):
            raise ValueError(f"they do not all have {len(first)} elements")
        places = zip(*values, strict=True)
        # A named tuple takes its elements one by one, any other as a sequence.
        parts = [gathered(function, list(place), whole) for place in places]
        return type(first)(*parts) if hasattr(first, "_fields") else type(first)(parts)
    return function(list(values))


def mapped(
    function: Callable[[Any], Any], value: Any, whole: Callable[[Any], bool] = _never
) -> Any:
    """The structure of `value` with `function` of each element; `whole` as in `gathered`.

    A batch moves to a device with `whole` true for all that has a method `to`.
    """
    # Most batches are a plain tuple of tensors, and each step of a training takes one.
    is_flat = type(value) is tuple and all(type(each) is Tensor for each in value)
    if is_flat and not whole(value):
        return tuple(map(function, value))
    return gathered(lambda place: function(place[0]), [value], whole)


def elements(value: Any) -> list[Any]:
    """The elements of a structure, in order."""
    collected: list[Any] = []
    mapped(collected.append, value)
    return collected


def is_structure(value: Any) -> bool:
    """Whether this is a tuple or list of inputs, and not a packed sequence or a row of numbers."""
    if not isinstance(value, (tuple, list)) or isinstance(value, PackedSequence):
        return False
    return not value or not all(isinstance(item, numbers.Number) for item in value)


def tensors_in(value: Any, depth: int = DEPTH) -> Iterator[Tensor]:
    """The tensors of a batch, also inside objects; of a packed sequence, only its data."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, PackedSequence):
        yield value.data
    elif depth:
        for item in _contents(value):
            yield from tensors_in(item, depth - 1)


def _contents(value: Any) -> Sequence[Any]:
    """What a structure or an object with attributes holds, one level down."""
    if isinstance(value, (str, bytes, type)):
        return ()
    if isinstance(value, (tuple, list)):
        return value
    if isinstance(value, Mapping):
        return list(value.values())
    return list(vars(value).values()) if hasattr(value, "__dict__") else ()


def ids_in(value: Any) -> int | None:
    """How many ids a batch's integers may be: the largest + 1, of rows of ids where there are any,
    else of single ids; None without integers.
    """
    # Single integers beside rows of ids are lengths and the like, which may be larger.
    integers = [tensor for tensor in tensors_in(value) if tensor.numel() and _is_integer(tensor)]
    rows = [tensor for tensor in integers if tensor.dim() > 1] or integers
    if not rows:
        return None
    return max(int(tensor.max()) for tensor in rows) + 1


def _is_integer(tensor: Tensor) -> bool:
    real = not tensor.is_floating_point() and not tensor.is_complex()
    return real and tensor.dtype != torch.bool
