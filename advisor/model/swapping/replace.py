"""Carry out one replacement: a way for each kind of target, each with the way back."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial, singledispatch
from operator import setitem
from types import CodeType
from typing import Any

from torch import nn

from advisor.errors import InputError
from advisor.model.anatomy import AttributeTarget, CallTarget, ModuleTarget, NoTarget, Site, Target
from advisor.model.pointwise import Activation, Pointwise
from advisor.model.references import ACTS, ATTRIBUTE, CALLS
from advisor.model.swapping.module_places import ModulePlaces
from advisor.model.swapping.report import Undo
from advisor.model.swapping.rewrite import CallEdit, span_end
from advisor.model.swapping.subclass import class_with, find_method, method_of, original_class

# Layers of torch that call an activation which they keep in an attribute.
TRANSFORMER_LAYERS = (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)

# That attribute, and the argument of the constructor that sets it.
ACTIVATION = "activation"

# Where such a layer notes which fused kernel to use in evaluation mode; 0 is none.
_FUSED_KERNEL = "activation_relu_or_gelu"

# The attributes in which a module keeps its hooks.
_HOOKS = tuple(name for name in vars(nn.Module()) if name.startswith(("_forward_", "_backward_")))

# Stands for a key that a dictionary does not have; None may be a value.
_MISSING = object()


@dataclass
class Replacement:
    """An activation for a site of a model, and the places of the model's modules."""

    places: ModulePlaces
    site: Site
    activation: Activation


@dataclass
class Installed:
    """A new activation in a model.

    Arguments:
        mapping, key: where it is kept.
        undos: what to call to take it away again, the last first.
    """

    mapping: dict[str, Any]
    key: str
    undos: list[Undo]

    @property
    def activation(self) -> Any:
        """The activation; a plain function may be wrapped in a module."""
        return self.mapping[self.key]


@singledispatch
def install(target: Target, replacement: Replacement) -> Installed:
    """Carry out a replacement at a target. Raises InputError where that cannot be done."""
    raise TypeError(f"{replacement.site.id} has the target {target!r}")


@install.register
def _refuse(target: NoTarget, _replacement: Replacement) -> Installed:
    raise InputError(target.why)


# ---------------------------------------------------------------- modules


@install.register
def _install_module(target: ModuleTarget, replacement: Replacement) -> Installed:
    """Put it wherever the model holds the old module: under each name, in lists and dicts."""
    old, site = target.module, replacement.site
    new = replacement.activation
    if not isinstance(new, nn.Module):
        new = Pointwise(new)
    _take_hooks(new, old)

    # The new module may contain the old one, and keeps it.
    inside_new = {id(module) for module in nn.Module.modules(new)}
    undos = _keep_state(new, old)
    while new is not old:
        places = replacement.places.of(old)
        outside = [place for place in places if id(place.holder) not in inside_new]
        if not outside:
            break
        holding = outside[0]
        name = holding.path.rpartition(".")[2]
        if isinstance(holding.holder, TRANSFORMER_LAYERS) and name == ACTIVATION:
            undos.extend(_set_activation(holding.holder, name, new))
        else:
            holding.put(new)
            undos.append(partial(holding.put, old))
        replacement.places.replaced(holding, new)
    return Installed({site.id: new}, site.id, undos)


def _keep_state(new: nn.Module, old: nn.Module) -> list[Undo]:
    """Let a module hold the parameters and buffers of another one, untrained, under the names that
    it has no use for itself: the `state_dict` keeps its keys.
    """
    undos: list[Undo] = []
    for name, tensor in {**old._parameters, **old._buffers}.items():
        is_kept = tensor is not None and name not in old._non_persistent_buffers_set
        if is_kept and new is not old and not hasattr(new, name):
            new.register_buffer(name, tensor.detach().clone())  # type: ignore[union-attr]  # kept, so not None
            undos.append(partial(delattr, new, name))
    return undos


def _take_hooks(new: nn.Module, old: nn.Module) -> None:
    """Give a module the user's hooks of another, which watch what runs there now.

    Hooks of torch's own normalizations belong to the old parameters and stay.
    """
    own_keys = set()
    for name in _HOOKS:
        for key, hook in vars(old)[name].items():
            module = getattr(hook, "__module__", None) or type(hook).__module__
            if callable(hook) and not str(module).startswith("torch."):
                own_keys.add(key)
    for name in _HOOKS:
        hooks = {key: hook for key, hook in vars(old)[name].items() if key in own_keys}
        vars(new)[name].update(hooks)
    new._is_full_backward_hook = new._is_full_backward_hook or old._is_full_backward_hook


# ---------------------------------------------------------------- attributes


@install.register
def _install_attribute(target: AttributeTarget, replacement: Replacement) -> Installed:
    """Put it where a layer of torch keeps its activation."""
    replacement.places.forget()
    undos = _set_activation(target.owner, target.name, replacement.activation)
    return Installed(vars(target.owner), target.name, undos)


def _set_activation(owner: nn.Module, name: str, activation: Activation) -> list[Undo]:
    """Set the activation of a transformer layer of torch.

    A decoder layer that is copied or unpickled falls back to its default unless `__dict__` has the
    activation, so it is kept there; a module is registered under another name as well.
    """
    undos = [set_in(vars(owner), name, activation), _remove(owner._modules, name)]
    if isinstance(activation, nn.Module):
        undos.append(set_in(owner._modules, ATTRIBUTE + name, activation))
    else:
        undos.append(_remove(owner._modules, ATTRIBUTE + name))
    if hasattr(owner, _FUSED_KERNEL):
        undos.append(set_in(vars(owner), _FUSED_KERNEL, 0))
    return undos


# ---------------------------------------------------------------- calls


@install.register
def _install_call(target: CallTarget, replacement: Replacement) -> Installed:
    """Rewrite one call in the source of a method, in a subclass made for this owner."""
    owner, activation = target.owner, replacement.activation
    cls = type(owner)
    key = replacement.site.id.partition("@")[0]
    depth, name = find_method(cls, target.code)
    _refuse_wrapper(original_class(cls).__mro__[depth], name, target.code)
    edit = CallEdit(depth, name, span_end(target.span), key, target.receiver)
    owner.__class__ = class_with(cls, edit)
    replacement.places.forget()

    # The rewritten call runs what the owner keeps under its key.
    calls: dict[str, Any] = vars(owner).get(CALLS, {})
    undos: list[Undo] = [partial(setattr, owner, "__class__", cls)]
    undos += [set_in(vars(owner), CALLS, calls), set_in(calls, key, activation)]
    undos.append(_register(owner, key, activation))
    return Installed(calls, key, undos)


def _refuse_wrapper(klass: type, name: str, code: CodeType) -> None:
    """Raise InputError where the call stands in a decorator and not in the method itself."""
    if method_of(klass, name).__code__.co_name != code.co_name:
        where = f"{os.path.basename(code.co_filename)}:{code.co_firstlineno}"
        raise InputError(
            f"{where} the activation is called in a decorator of {klass.__qualname__}.{name}; "
            "call it in the method."
        )


def _register(owner: nn.Module, key: str, activation: Activation) -> Undo:
    """Make an activation that is a module a child of its owner, in place of the one before."""
    registered = owner._modules.get(ACTS)
    children: dict[str, Any] = dict(registered._modules) if registered is not None else {}
    children.pop(key, None)
    if isinstance(activation, nn.Module):
        children[key] = activation
    if not children:
        return _remove(owner._modules, ACTS)
    return set_in(owner._modules, ACTS, nn.ModuleDict(children).train(owner.training))


# ---------------------------------------------------------------- the way back


def set_in(mapping: dict[str, Any], key: str, value: Any) -> Undo:
    """Set an item; the result puts back what was there."""
    old = mapping.get(key, _MISSING)
    mapping[key] = value
    if old is _MISSING:
        return partial(mapping.pop, key, None)
    return partial(setitem, mapping, key, old)


def _remove(mapping: dict[str, Any], key: str) -> Undo:
    """Remove an item that may be there; the result puts it back."""
    old = mapping.pop(key, _MISSING)
    if old is _MISSING:
        return lambda: None
    return partial(setitem, mapping, key, old)
