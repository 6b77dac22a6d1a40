"""Carry out one swap: a way for each kind of target, each with the way back."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, singledispatch
from operator import setitem
from types import CodeType
from typing import Any

from torch import nn

from advisor.errors import InputError
from advisor.model.anatomy import AttributeTarget, CallTarget, ModuleTarget, NoTarget, Site, Target
from advisor.model.pointwise import Activation, Pointwise
from advisor.model.references import ACTS, ATTRIBUTE, CALLS, Holding, holdings
from advisor.model.swapping.subclass import (
    advised_class,
    base_of,
    edits_of,
    find_method,
    merge,
    method_of,
)

Undo = Callable[[], object]


@dataclass
class Order:
    """An activation for a site of a model."""

    model: nn.Module
    site: Site
    activation: Activation


@dataclass
class Placed:
    """A new activation, where it is kept, and how to take it away again."""

    where: dict[str, Any]
    key: str
    undos: list[Undo]


@singledispatch
def put(target: Target, order: Order) -> Placed:
    """Carry out an order at a target. Raises InputError where that cannot be done."""
    raise TypeError(f"{order.site.id} has the target {target!r}")


@put.register
def _refuse(target: NoTarget, _order: Order) -> Placed:
    raise InputError(target.why)


@put.register
def _replace_module(target: ModuleTarget, order: Order) -> Placed:
    """Wherever the model holds the module: under each of its names, in lists and dicts."""
    new = (
        order.activation if isinstance(order.activation, nn.Module) else Pointwise(order.activation)
    )
    inside = {id(part) for part in nn.Module.modules(new)}
    undos: list[Undo] = []
    _take_hooks(new, target.module)
    while (
        new is not target.module
        and (holding := _holding(order.model, target.module, inside)) is not None
    ):
        name = holding.path.rpartition(".")[2]
        if (
            holding.holder is not None
            and isinstance(holding.holder, TRANSFORMER_LAYERS)
            and name == ACTIVATION
        ):
            undos.extend(_set_activation(holding.holder, name, new))
        else:
            holding.put(new)
            undos.append(partial(holding.put, target.module))
    return Placed({order.site.id: new}, order.site.id, undos)


_HOOKS = tuple(name for name in vars(nn.Module()) if name.startswith(("_forward_", "_backward_")))


def _take_hooks(new: nn.Module, old: nn.Module) -> None:
    """The user's hooks watch what runs there now; those of torch's own normalizations belong to the
    old parameters.
    """
    users = {
        key
        for name in _HOOKS
        for key, hook in vars(old)[name].items()
        if callable(hook) and not _is_torch(hook)
    }
    for name in _HOOKS if new is not old else ():
        vars(new)[name].update({key: hook for key, hook in vars(old)[name].items() if key in users})
    new._is_full_backward_hook = new._is_full_backward_hook or old._is_full_backward_hook


def _is_torch(hook: Any) -> bool:
    return str(getattr(hook, "__module__", None) or type(hook).__module__).startswith("torch.")


def _holding(model: nn.Module, module: nn.Module, inside: set[int]) -> Holding | None:
    found = (holding for holding in holdings(model) if holding.module is module)
    return next((holding for holding in found if id(holding.holder) not in inside), None)


@put.register
def _replace_attribute(target: AttributeTarget, order: Order) -> Placed:
    return Placed(
        vars(target.owner),
        target.name,
        _set_activation(target.owner, target.name, order.activation),
    )


TRANSFORMER_LAYERS = (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)
ACTIVATION = "activation"
_FAST_PATH = "activation_relu_or_gelu"  # says which fused kernel to use in eval mode; 0 is none


def _set_activation(owner: nn.Module, name: str, activation: Activation) -> list[Undo]:
    """In a transformer layer of torch.

    A decoder layer that is copied or unpickled falls back to its default unless `__dict__` has the
    activation, so it is kept there; a module is registered under another name as well.
    """
    undos = [set_in(vars(owner), name, activation), _remove(owner._modules, name)]
    if isinstance(activation, nn.Module):
        undos.append(set_in(owner._modules, ATTRIBUTE + name, activation))
    else:
        undos.append(_remove(owner._modules, ATTRIBUTE + name))
    if hasattr(owner, _FAST_PATH):
        undos.append(set_in(vars(owner), _FAST_PATH, 0))
    return undos


@put.register
def _rewrite_call(target: CallTarget, order: Order) -> Placed:
    """One call in the source of a method, in a subclass made for this owner."""
    owner, key = target.owner, order.site.id.partition("@")[0]
    cls = type(owner)
    depth, name = find_method(cls, target.code)
    _refuse_wrapper(base_of(cls).__mro__[depth], name, target.code)
    edit = (depth, name, (target.span[1], target.span[3]), key, target.receiver)
    known = {known_edit[:3] for known_edit in edits_of(cls)}
    if edit[:3] not in known:
        owner.__class__ = advised_class(base_of(cls), merge(edits_of(cls), [edit]))
    undos: list[Undo] = [partial(setattr, owner, "__class__", cls)]
    calls: dict[str, Any] = vars(owner).get(CALLS, {})
    undos += [
        set_in(vars(owner), CALLS, calls),
        set_in(calls, key, order.activation),
        _register(owner, key, order.activation),
    ]
    return Placed(calls, key, undos)


def _refuse_wrapper(klass: type, name: str, code: CodeType) -> None:
    if method_of(klass, name).__code__.co_name != code.co_name:
        where = f"{os.path.basename(code.co_filename)}:{code.co_firstlineno}"
        raise InputError(
            f"{where} the activation is called in a decorator of {klass.__qualname__}.{name}; call it in the method."
        )


def _register(owner: nn.Module, key: str, activation: Activation) -> Undo:
    acts = owner._modules.get(ACTS)
    children: dict[str, Any] = dict(acts._modules) if acts is not None else {}
    children.pop(key, None)
    if isinstance(activation, nn.Module):
        children[key] = activation
    if not children:
        return _remove(owner._modules, ACTS)
    return set_in(owner._modules, ACTS, nn.ModuleDict(children).train(owner.training))


_MISSING = object()


def set_in(mapping: dict[str, Any], key: str, value: Any) -> Undo:
    """Set an item, and say how to put back what was there."""
    old = mapping.get(key, _MISSING)
    mapping[key] = value
    return (
        partial(mapping.pop, key, None) if old is _MISSING else partial(setitem, mapping, key, old)
    )


def _remove(mapping: dict[str, Any], key: str) -> Undo:
    old = mapping.pop(key, _MISSING)
    return (lambda: None) if old is _MISSING else partial(setitem, mapping, key, old)
