"""What modules and other objects hold in plain attributes, and the steps that put it back."""

from __future__ import annotations

import random
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import Any

import torch
from torch import Tensor, nn

# A step that puts one thing back as it was.
Restore = Callable[[], object]

# Containers and objects are opened to this depth below an attribute.
_DEPTH = 4
# The items of a container with this many are data: it is put back, and they are not opened.
_ITEMS = 1000
# Values of these very classes hold nothing that can change.
_FIXED = frozenset((bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device))
# What is never opened: modules are looked at one by one, the others belong to no model.
_CLOSED = (nn.Module, nn.Parameter, type, FunctionType, MethodType, ModuleType)


def steps_back(values: Iterable[object], copies: bool = True) -> Iterator[Restore]:
    """Steps that put back what these values hold: items, attributes, and the states of random
    generators.

    Arguments:
        values: what attributes or arguments are.
        copies: whether tensors are copied, so that a change in place is undone, too.
    """
    seen: dict[int, object] = {}  # keeps them alive, so that no two have the same id
    queue = [(value, _DEPTH) for value in values if type(value) not in _FIXED]
    for value, depth in queue:  # it grows while it is read
        if id(value) in seen or isinstance(value, _CLOSED):
            continue
        seen[id(value)] = value
        if isinstance(value, Tensor):
            yield from _content(value) if copies else ()
            continue
        yield from _generator(value)
        yield from _container(value)
        parts = _parts(value)
        if depth and len(parts) < _ITEMS:
            queue.extend((part, depth - 1) for part in parts if type(part) not in _FIXED)


def restore_items(mapping: dict[Any, Any], old: dict[Any, Any]) -> None:
    """Give a mapping the items that it had, unless a module was put into it: what is built at the
    first call stays.
    """
    same = len(mapping) == len(old) and all(
        key in old and old[key] is value for key, value in mapping.items()
    )
    if not same and not _holds_new_module(mapping.values(), old.values()):
        mapping.clear()
        mapping.update(old)


def _content(tensor: Tensor) -> Iterator[Restore]:
    """How a tensor gets its values back; those of inference mode do not count their changes."""
    if not tensor.is_inference():
        yield partial(_write_back, tensor, tensor._version, tensor.detach().clone())


def _container(value: Any) -> Iterator[Restore]:
    """How a container or an object gets back what it holds."""
    if isinstance(value, dict):
        yield partial(restore_items, value, dict(value))
    elif isinstance(value, (list, deque)):
        yield partial(_restore_list, value, list(value))
    elif isinstance(value, set):
        yield partial(_restore_set, value, set(value))
    elif not isinstance(value, tuple) and isinstance(getattr(value, "__dict__", None), dict):
        yield partial(restore_items, vars(value), dict(vars(value)))


def _parts(value: Any) -> list[Any]:
    """What a container or an object holds."""
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, (list, deque, tuple)):
        return list(value)
    attributes = getattr(value, "__dict__", None)
    return list(attributes.values()) if isinstance(attributes, dict) else []


def _restore_list(items: list[Any] | deque[Any], old: list[Any]) -> None:
    same = len(items) == len(old) and all(a is b for a, b in zip(items, old, strict=True))
    if not same and not _holds_new_module(items, old):
        items.clear()
        items.extend(old)


def _restore_set(items: set[Any], old: set[Any]) -> None:
    if items != old:
        items.clear()
        items.update(old)


def _holds_new_module(items: Iterable[Any], old: Iterable[Any]) -> bool:
    before = {id(item) for item in old}
    return any(isinstance(item, nn.Module) and id(item) not in before for item in items)


def _write_back(tensor: Tensor, version: int, copy: Tensor) -> None:
    # Writing counts as a change in place for autograd, so an unchanged tensor is not written.
    if tensor._version != version:
        with torch.no_grad():
            tensor.copy_(copy)


def _generator(value: Any) -> Iterator[Restore]:
    """How a random generator of the user's own gets back to where it stood."""
    if isinstance(value, torch.Generator):
        yield partial(value.set_state, value.get_state())
    elif isinstance(value, random.Random):
        yield partial(value.setstate, value.getstate())
    elif "numpy" in sys.modules:
        numpy_random = sys.modules["numpy"].random
        if isinstance(value, numpy_random.Generator):
            yield partial(setattr, value.bit_generator, "state", value.bit_generator.state)
        elif isinstance(value, numpy_random.RandomState):
            yield partial(value.set_state, value.get_state())
