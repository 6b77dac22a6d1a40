"""Calls of TorchScript from Python, which happen out of the sight of a function mode."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any

import torch
from torch import nn

from advisor.model.tracing import torch_activations
from advisor.model.tracing.operations import MIXING, is_weighted

# What TorchScript makes of a function, and what it gives for a method of a module.
_FUNCTION, _METHOD = torch._C.ScriptFunction, torch._C.ScriptMethod

# Gets the scripted function or method, a call of it without arguments, its arguments, and the frame
# that calls.
Watcher = Callable[[Any, Callable[[], Any], tuple[Any, ...], dict[str, Any], FrameType], Any]


@contextmanager
def script_calls(watcher: Watcher) -> Iterator[None]:
    """Let `watcher` make every call of TorchScript that Python code makes."""
    originals = {cls: vars(cls)["__call__"] for cls in (_FUNCTION, _METHOD)}
    for cls, original in originals.items():
        setattr(cls, "__call__", _watched(watcher, original))  # noqa: B010  # mypy takes it for a constant
    try:
        yield
    finally:
        for cls, original in originals.items():
            setattr(cls, "__call__", original)  # noqa: B010  # mypy takes it for a constant


def _watched(watcher: Watcher, original: Any) -> Callable[..., Any]:
    def call(function: Any, *args: Any, **kwargs: Any) -> Any:
        """Hand a call to the watcher."""
        run = partial(original.__get__(function, type(function)), *args, **kwargs)
        return watcher(function, run, args, kwargs, sys._getframe(1))

    return call


def name_of(function: Any) -> str:
    """What a scripted function or method is called."""
    return str(function.name).rpartition(".")[2]


def parameters_of(function: Any) -> list[nn.Parameter]:
    """The parameters of the module that a method belongs to; a function has none."""
    if not isinstance(function, _METHOD):
        return []
    module = torch.jit._recursive.wrap_cpp_module(function.owner)
    return list(nn.Module.parameters(module))


def has_activation(function: Any) -> bool:
    """Whether a scripted function computes one of torch's activations, and no layer or matrix
    product beside it.
    """
    names = set(re.findall(r"aten::(\w+)", str(function.inlined_graph)))
    if any(name in MIXING or is_weighted(name) for name in names):
        return False
    return any(torch_activations.is_kind(name) for name in names)
