"""Tensors inside what a model takes and returns: in tuples, lists, mappings and objects.

There is one walk, depth first and in order. What it opens differs: containers however deep (for the
operands of an operation), or containers and objects to a limited depth (for what users hand in).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from torch import Tensor, nn

# Levels of containers and objects that are opened in the inputs and results of a model.
_DEPTH = 4

# The parts of a value, each with the suffix that leads to it: `[0]`, `['ids']`, `.x`.
_Parts = Iterable[tuple[str, Any]]


def leaves(value: Any, kinds: tuple[type, ...]) -> Iterator[Any]:
    """The instances of `kinds` in a value: itself, or inside tuples, lists and mappings, however
    deep.
    """
    for _, leaf in _walk(value, "", kinds, _items, math.inf):
        yield leaf


def tensors(value: Any) -> Iterator[Tensor]:
    """The tensors in a value: itself, or inside tuples, lists and mappings, however deep."""
    return leaves(value, (Tensor,))


def named_tensors(value: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    """The tensors among a model's inputs or results, by name: `args[0]`, `args[1]['ids']`,
    `args[0].x`.

    Attributes of objects are searched too, those of modules are not.
    """
    return _walk(value, name, (Tensor,), _items_and_attributes, _DEPTH)


def _walk(
    value: Any,
    name: str,
    kinds: tuple[type, ...],
    parts_of: Callable[[Any], _Parts],
    depth: float,
) -> Iterator[tuple[str, Any]]:
    if isinstance(value, kinds):
        yield name, value
    elif depth > 0:
        for suffix, part in parts_of(value):
            yield from _walk(part, name + suffix, kinds, parts_of, depth - 1)


def _items(value: Any) -> _Parts:
    """What a tuple, list or mapping holds; nothing for other values."""
    if isinstance(value, Mapping):
        return [(f"[{key!r}]", item) for key, item in value.items()]
    if not isinstance(value, (tuple, list)):
        return []
    if hasattr(value, "_fields"):  # a named tuple
        return [(f".{field}", item) for field, item in zip(value._fields, value, strict=False)]
    return [(f"[{index}]", item) for index, item in enumerate(value)]


def _items_and_attributes(value: Any) -> _Parts:
    """What a container holds, or what an object has as attributes."""
    if isinstance(value, (str, bytes, nn.Module, type)):
        return []
    if isinstance(value, (tuple, list, Mapping)):
        return _items(value)
    attributes = value._asdict() if hasattr(value, "_asdict") else getattr(value, "__dict__", {})
    return [(f".{name}", item) for name, item in attributes.items()]
