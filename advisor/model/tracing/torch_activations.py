"""torch's own activations, read off torch: the elementwise classes of `torch.nn.modules.activation`
and their functions.
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

_HOMES = (torch._C._nn, torch.Tensor, torch, F)  # the last one's spelling of a name wins


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
    candidates = (getattr(activation, name) for name in activation.__all__)
    return {cls: plain(cls.__name__) for cls in candidates if _behaves(cls)}


def _behaves(cls: Callable[..., nn.Module]) -> bool:
    parameters = inspect.signature(cls).parameters.values()
    required = [p for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    try:
        module = cls(*[0.0] * len(required)).eval()
    except Exception:  # wants more than numbers: no plain activation
        return False
    return is_activation(module, torch.zeros(4, 4))


@cache
def _functions() -> dict[Any, str]:
    """Every function of torch that computes one of these activations, with the name
    torch.nn.functional uses.
    """
    names = set(_classes().values())
    found = {}
    spelling = {}
    for home in _HOMES:
        for name in dir(home):
            function = getattr(home, name, None) if plain(name) in names else None
            if callable(function) and not isinstance(function, type):
                found[function] = plain(name)
                if not name.startswith("_") and not name.endswith("_"):
                    spelling[plain(name)] = name
    return {function: spelling[name] for function, name in found.items()}


@cache
def _spellings() -> dict[str, str]:
    return {plain(name): name for name in _functions().values()}


@cache
def forwards() -> frozenset[CodeType]:
    """The code of torch's own activation modules: called without the module's hooks, it only hands
    the call on.
    """
    return frozenset(cls.forward.__code__ for cls in _classes())


def prepare() -> None:
    """Ask torch now, rather than in the middle of a recording, which the probes would disturb."""
    _spellings()


def kind_of_function(function: Any) -> str | None:
    """The name of the activation that a function or tensor method of torch computes, or None."""
    try:
        return _functions().get(function)
    except TypeError:  # not hashable
        return None


def class_of(function: Any) -> type[nn.Module] | None:
    """The class of torch that computes the same activation as a function of torch, or None."""
    kind = kind_of_function(function)
    return next(
        (cls for cls, name in _classes().items() if kind is not None and name == plain(kind)), None
    )


def kind_of_module(module: nn.Module) -> str | None:
    """The name of the activation that a module of torch (or a subclass that keeps its forward)
    computes, or None.
    """
    for cls in type(module).__mro__:
        if cls in _classes():
            name = _classes()[cls]
            return _spellings().get(name, name) if type(module).forward is cls.forward else None
    return None
