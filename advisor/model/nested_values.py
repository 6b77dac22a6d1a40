"""Tensors inside what a model takes and returns: in tuples, lists, mappings and objects.

Both walks go depth first and in order. What they open differs: containers however deep (for the
operands of an operation), or containers and objects to a limited depth (for what users hand in).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from torch import Tensor, nn

# Levels of containers and objects that are opened in the inputs and results of a model.
_DEPTH = 4

# Values of these very classes hold nothing.
_CLOSED = frozenset((bool, int, float, str, type(None)))

# The parts of a value, each with the suffix that leads to it: `[0]`, `['ids']`, `.x`.
_Parts = Iterable[tuple[str, Any]]


def leaves(value: Any, kinds: tuple[type, ...]) -> Iterator[Any]:
    """The instances of `kinds` in a value: itself, or inside tuples, lists and mappings, however
    deep.
    """
    # Most of what an operation takes is opened here, so this walk makes no names.
    if isinstance(value, kinds):
        yield value
    elif type(value) in _CLOSED:
        return
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from leaves(part, kinds)
    elif isinstance(value, Mapping):
        for _, part in value.items():
            yield from leaves(part, kinds)


def tensors(value: Any) -> Iterator[Tensor]:
    """The tensors in a value: itself, or inside tuples, lists and mappings, however deep."""
    return leaves(value, (Tensor,))


def named_tensors(value: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    """The tensors among a model's inputs or results, by name: `args[0]`, `args[1]['ids']`,
    `args[0].x`.

    Attributes of objects are searched too, those of modules are not.
    """
    return _walk(value, name, _DEPTH)


def _walk(value: Any, name: str, depth: int) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield name, value
    elif depth > 0:
        for suffix, part in _items_and_attributes(value):
            yield from _walk(part, name + suffix, depth - 1)


def _items(value: tuple[Any, ...] | list[Any] | Mapping[Any, Any]) -> _Parts:
    """What a tuple, list or mapping holds."""
    if isinstance(value, Mapping):
        return [(f"[{key!r}]", item) for key, item in value.items()]
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
