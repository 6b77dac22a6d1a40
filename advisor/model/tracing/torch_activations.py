"""torch's own activations, read off torch: the elementwise classes of `torch.nn.modules.activation`
and their functions.

The caches below hold facts about the installed torch. They have no keys, and what they depend on
does not change while a program runs.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from types import CodeType
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.modules import activation

from advisor.model.tracing.elementwise import is_activation

# Where torch keeps functions; where two spell a name differently, the last one's spelling is used.
_NAMESPACES = (torch._C._nn, torch.Tensor, torch, F)


def plain(name: str) -> str:
    """A name without case and underscores, by which torch's classes, functions and in-place
    functions agree.
    """
    return name.replace("_", "").lower()


@cache
def _classes() -> dict[type[nn.Module], str]:
    """The elementwise activation classes, with their plain names. Softmax, gated and attention
    classes fail the probe.
    """
    classes = {}
    for name in activation.__all__:
        cls = getattr(activation, name)
        if _is_elementwise(cls):
            classes[cls] = plain(cls.__name__)
    return classes


def _is_elementwise(cls: Callable[..., nn.Module]) -> bool:
    required = 0
    for parameter in inspect.signature(cls).parameters.values():
        is_positional = parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        required += is_positional and parameter.default is parameter.empty
    try:
        module = cls(*[0.0] * required).eval()
    except Exception:  # wants more than numbers: no plain activation
        return False
    return is_activation(module, torch.zeros(4, 4))


@cache
def _functions() -> dict[Any, str]:
    """Every function of torch that computes one of these activations, with the name
    torch.nn.functional uses.
    """
    names = set(_classes().values())
    plain_names = {}
    spelling = {}
    for namespace in _NAMESPACES:
        for name in dir(namespace):
            if plain(name) not in names:
                continue
            function = getattr(namespace, name, None)
            if callable(function) and not isinstance(function, type):
                plain_names[function] = plain(name)
                if not name.startswith("_") and not name.endswith("_"):
                    spelling[plain(name)] = name
    return {function: spelling[name] for function, name in plain_names.items()}


@cache
def _spellings() -> dict[str, str]:
    """The name that torch.nn.functional uses, by plain name."""
    return {plain(name): name for name in _functions().values()}


@cache
def forwards() -> frozenset[CodeType]:
    """The code of torch's own activation modules: called without the module's hooks, it only hands
    the call on.
    """
    return frozenset(cls.forward.__code__ for cls in _classes())


@cache
def _drawing() -> frozenset[str]:
    """Plain names of the activations that draw random numbers in training."""
    asked = [cls for cls in _classes() if "training" in cls.forward.__code__.co_names]
    return frozenset(_classes()[cls] for cls in asked)


def is_fixed(known: Any) -> bool:
    """Whether this is one of torch's own activation classes or functions, and always gives the same
    numbers for the same arguments.
    """
    if isinstance(known, type):
        # Code may have given the class another forward since.
        is_own = getattr(getattr(known, "forward", None), "__code__", None) in forwards()
        name = _classes().get(known) if is_own else None
    else:
        name = kind_of_function(known)
    return name is not None and plain(name) not in _drawing()


def fill_caches() -> None:
    """Ask torch now, rather than in the middle of a recording, which the probes would disturb."""
    _spellings()


def kind_of_function(function: Any) -> str | None:
    """The name of the activation that a function or tensor method of torch computes, or None."""
    try:
        return _functions().get(function)
    except TypeError:  # not hashable
        return None


def is_kind(name: str) -> bool:
    """Whether this is torch's name of an activation, in any spelling."""
    return plain(name) in _spellings()


def class_of(function: Any) -> type[nn.Module] | None:
    """The class of torch that computes the same activation as a function of torch, or None."""
    kind = kind_of_function(function)
    if kind is not None:
        for cls, name in _classes().items():
            if name == plain(kind):
                return cls
    return None


def kind_of_module(module: nn.Module) -> str | None:
    """The name of the activation that a module of torch (or a subclass that keeps its forward)
    computes, or None.
    """
    classes = _classes()
    for cls in type(module).__mro__:
        if cls in classes:
            name = classes[cls]
            return _spellings().get(name, name) if type(module).forward is cls.forward else None
    return None
