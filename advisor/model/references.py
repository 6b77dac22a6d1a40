"""Every place in a model that holds a module: registered ones, and those in plain attributes,
lists, dicts and tuples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from operator import setitem
from typing import Any

from torch import Tensor, nn

ACTS = "_advisor_acts"
"""Name of the `nn.ModuleDict`, in the owner, of modules that rewritten methods call."""

ATTRIBUTE = "_advisor_"
"""Prefix under which a module that is called through a plain attribute is registered."""

CALLS = "_advisor_calls"
"""Attribute, in the owner, of what its rewritten calls run, by `method:line:column`."""

EDITS = "_advisor_edits"
"""Attribute, in a subclass with rewritten methods, of its edits (`swapping/subclass.py`)."""

# Lists, dicts and tuples are searched for modules to this depth.
_DEPTH = 3
# A list with this many items or more holds data and no modules.
_ITEMS = 1000
# What `nn.Module` itself keeps in an instance is not the user's.
_OWN = frozenset(vars(nn.Module()))


@dataclass(frozen=True, eq=False)
class Holding:
    """One reference to a module: where it is, and how to put another one there; `holder` has it as
    a child.
    """

    module: nn.Module
    path: str
    registered: bool
    put: Callable[[Any], object]
    holder: nn.Module | None = None


@dataclass(frozen=True)
class Path:
    """The first place of a module. `registered` is False below a plain list or dict."""

    name: str
    registered: bool
    module: nn.Module


def holdings(model: nn.Module) -> Iterator[Holding]:
    """Every reference to a module below `model`, including aliases; registered ones first."""
    # Breadth first, so that a module has its shortest path.
    queue = [Holding(model, "", True, lambda _: None)]
    seen = {id(model)}
    while queue:
        holder = queue.pop(0)
        for holding in (*_children(holder), *_plain(holder)):
            yield holding
            if id(holding.module) not in seen:
                seen.add(id(holding.module))
                queue.append(holding)


def rebuilds(holding: Holding) -> bool:
    """Whether a module is held in a tuple, which another one takes the place of when it changes."""
    return isinstance(holding.put, partial) and holding.put.func is _put_in_tuple


def paths(model: nn.Module) -> dict[int, Path]:
    """The first path of every module, by the module's id: a registered path where there is one."""
    by_id: dict[int, Path] = {}
    for name, module in nn.Module.named_modules(model):
        by_id[id(module)] = Path(name, True, module)
    for holding in holdings(model):
        by_id.setdefault(id(holding.module), Path(holding.path, False, holding.module))
    return by_id


def own_parameters(path: Path) -> Iterator[tuple[str, nn.Parameter]]:
    """The parameters that a module itself holds, with their full names."""
    for name, parameter in path.module._parameters.items():
        if parameter is not None:
            yield _join(path.name, name), parameter


def own_buffers(path: Path) -> Iterator[tuple[str, Tensor]]:
    """The buffers that a module itself holds, with their full names."""
    for name, buffer in path.module._buffers.items():
        if buffer is not None:
            yield _join(path.name, name), buffer


def site_id(path: str) -> str:
    """The id of an activation module: its path, or the call or attribute it serves where advisor
    put it there.
    """
    # Below `encoder._advisor_acts.` is the key of a call, as in `forward:18:12@encoder`.
    owner, is_call, key = path.partition(ACTS + ".")
    if is_call:
        return f"{key}@{owner.rstrip('.')}".rstrip("@")
    owner, is_attribute, name = path.rpartition(ATTRIBUTE)
    return owner + name if is_attribute else path


def _children(holder: Holding) -> Iterator[Holding]:
    """References among the registered children."""
    children = holder.module._modules
    for name, child in children.items():
        if child is not None:
            put = partial(setitem, children, name)
            path = _join(holder.path, name)
            yield Holding(child, path, holder.registered, put, holder.module)


def _plain(holder: Holding) -> Iterator[Holding]:
    """References in the user's plain attributes."""
    attributes = vars(holder.module)
    for name, value in attributes.items():
        if name not in _OWN and not name.startswith(ATTRIBUTE):
            put = partial(setitem, attributes, name)
            yield from _inside(value, _join(holder.path, name), put, _DEPTH)


def _inside(value: Any, path: str, put: Callable[[Any], object], depth: int) -> Iterator[Holding]:
    if isinstance(value, nn.Module):
        yield Holding(value, path, False, put)
        return
    is_container = isinstance(value, (list, dict, tuple))
    if not is_container or depth == 0 or len(value) >= _ITEMS:
        return
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in list(items):  # a copy: the caller may put another module there
        put_item: Callable[[Any], object]
        if isinstance(value, tuple):
            put_item = partial(_put_in_tuple, value, key, put)
        else:
            put_item = partial(setitem, value, key)
        yield from _inside(item, f"{path}[{key!r}]", put_item, depth - 1)


def _put_in_tuple(old: tuple[Any, ...], index: int, put: Callable[[Any], object], new: Any) -> None:
    """Put a changed copy of a tuple where the tuple is held."""
    items = [*old[:index], new, *old[index + 1 :]]
    put(type(old)(*items) if hasattr(old, "_fields") else tuple(items))


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
