"""Inputs in tuples, lists and dictionaries, however deep: `(x, lengths)`, `{"ids": …, "mask": …}`."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

_DEPTH = 4  # of tensors inside batch objects


def gathered(function: Callable[[list[Any]], Any], values: Sequence[Any]) -> Any:
    """One structure like each of `values`, with `function` of the values' elements in every place.

    Raises ValueError where the structures differ. A list of numbers is an element, not a structure.
    """
    first = values[0]
    if isinstance(first, Mapping):
        if any(not isinstance(value, Mapping) or value.keys() != first.keys() for value in values):
            raise ValueError(f"their keys differ ({', '.join(map(str, first))})")
        return {key: gathered(function, [value[key] for value in values]) for key in first}
    if is_structure(first):
        if any(not is_structure(value) or len(value) != len(first) for value in values):
            raise ValueError(f"they do not all have {len(first)} elements")
        parts = [gathered(function, list(column)) for column in zip(*values, strict=True)]
        return type(first)(*parts) if hasattr(first, "_fields") else type(first)(parts)
    return function(list(values))


def mapped(function: Callable[[Any], Any], value: Any) -> Any:
    """The same structure with `function` of each element."""
    return gathered(lambda alone: function(alone[0]), [value])


def elements(value: Any) -> list[Any]:
    """The elements of a structure, in order."""
    found: list[Any] = []
    mapped(found.append, value)
    return found


def is_structure(value: Any) -> bool:
    """Whether this is a tuple or list of inputs, and not a packed sequence or a row of numbers."""
    if not isinstance(value, (tuple, list)) or isinstance(value, PackedSequence):
        return False
    return not value or not all(isinstance(item, numbers.Number) for item in value)


def tensors_in(value: Any, depth: int = _DEPTH) -> Iterator[Tensor]:
    """The tensors of a batch, also inside objects; of a packed sequence, its data alone."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, PackedSequence):
        yield value.data
    elif isinstance(value, (str, bytes, type)) or not depth:
        return
    elif isinstance(value, (tuple, list, Mapping)) or hasattr(value, "__dict__"):
        inner = (
            value
            if isinstance(value, (tuple, list))
            else (value if isinstance(value, Mapping) else vars(value)).values()
        )
        for item in inner:
            yield from tensors_in(item, depth - 1)


def ids_in(value: Any) -> int | None:
    """How many ids a batch's integers may be: the largest + 1, of rows of ids where there are any,
    else of single ids.
    """
    whole = [
        tensor for tensor in tensors_in(value) if not tensor.is_floating_point() and tensor.numel()
    ]
    whole = [
        tensor for tensor in whole if not tensor.is_complex() and str(tensor.dtype) != "torch.bool"
    ]
    rows = [tensor for tensor in whole if tensor.dim() > 1] or whole
    return max(int(tensor.max()) for tensor in rows) + 1 if rows else None
