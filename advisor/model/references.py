"""Every place in a model that holds a module: registered ones, and those in plain attributes,
lists, dicts and tuples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from operator import setitem
from typing import Any

from torch import nn

ACTS = "_advisor_acts"  # the nn.ModuleDict, in the owner, of modules called from rewritten methods
ATTRIBUTE = (
    "_advisor_"  # prefix under which a module called through a plain attribute is registered
)

_DEPTH = 3
_ITEMS = 1000  # a longer list is data
_REGISTERED = "_modules"
_OWN = frozenset(vars(nn.Module()))  # what nn.Module itself keeps in an instance


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
    """Where a module is first found. `registered` is False below a plain list or dict."""

    name: str
    registered: bool
    module: nn.Module


def holdings(model: nn.Module) -> Iterator[Holding]:
    """Every reference to a module below `model`, including aliases; registered ones first."""
    queue = [Holding(model, "", True, lambda _: None)]
    seen = {id(model)}
    while queue:
        holder = queue.pop(0)
        for holding in (*_children(holder), *_plain(holder)):
            yield holding
            if id(holding.module) not in seen:
                seen.add(id(holding.module))
                queue.append(holding)


def _children(holder: Holding) -> Iterator[Holding]:
    children = holder.module._modules
    for name, child in children.items():
        if child is not None:
            put = partial(setitem, children, name)
            yield Holding(child, _join(holder.path, name), holder.registered, put, holder.module)


def _plain(holder: Holding) -> Iterator[Holding]:
    attributes = vars(holder.module)
    for name, value in attributes.items():
        if name not in _OWN and not name.startswith(ATTRIBUTE):
            yield from _inside(
                value, _join(holder.path, name), partial(setitem, attributes, name), _DEPTH
            )


def _inside(value: Any, path: str, put: Callable[[Any], object], depth: int) -> Iterator[Holding]:
    if isinstance(value, nn.Module):
        yield Holding(value, path, False, put)
    elif isinstance(value, (list, dict, tuple)) and depth and len(value) < _ITEMS:
        for key, item in list(value.items() if isinstance(value, dict) else enumerate(value)):
            put_item = (
                partial(_put_in_tuple, value, key, put)
                if isinstance(value, tuple)
                else partial(setitem, value, key)
            )
            yield from _inside(item, f"{path}[{key!r}]", put_item, depth - 1)


def _put_in_tuple(old: tuple[Any, ...], index: int, put: Callable[[Any], object], new: Any) -> None:
    items = [*old[:index], new, *old[index + 1 :]]
    put(type(old)(*items) if hasattr(old, "_fields") else tuple(items))


def paths(model: nn.Module) -> dict[int, Path]:
    """The first path of every module, by the module's id: a registered path where there is one."""
    found = {
        id(module): Path(name, True, module) for name, module in nn.Module.named_modules(model)
    }
    for holding in holdings(model):
        found.setdefault(id(holding.module), Path(holding.path, False, holding.module))
    return found


def site_id(path: str) -> str:
    """The id of an activation module: its path, or the call or attribute it serves where advisor
    put it there.
    """
    owner, found, key = path.partition(ACTS + ".")
    if found:
        return f"{key}@{owner.rstrip('.')}".rstrip("@")
    owner, found, name = path.rpartition(ATTRIBUTE)
    return owner + name if found else path


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
