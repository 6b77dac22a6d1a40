"""What a run is at one moment, so that a technique that changed nothing is known by that alone."""

from __future__ import annotations

import functools
import hashlib
import sysconfig
import types
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from advisor.training.run import Run

MOST = 300_000
"""Objects of a run that are read at most; of a larger one it is unknown whether it has changed."""
LONG = 1000
"""Entries of a container of the data from which it counts by its identity and length alone."""

_INSTALLED = (
    *(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")),
    str(Path(__file__).parent.parent),
)
"""Where the files of Python, of installed libraries and of advisor begin."""
_PLAIN = (bool, int, str, bytes, type(None), torch.dtype, torch.device, torch.Size)
"""Values that are compared as they are."""
_WHOLE = (type, types.ModuleType, types.BuiltinFunctionType, types.CodeType)
"""Objects that count by their identity alone."""


class _Same:
    """Equal to another one only where both are of one object, which it keeps alive."""

    def __init__(self, value: object) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.value is other.value

    __hash__ = None  # type: ignore[assignment]  # compared in lists only


def state_of_model(model: nn.Module) -> list[object]:
    """What a model is: its weights, modules, hooks and settings, to be compared as `state_of`."""
    reader = _StateReader()
    reader.read(model)
    return reader.tokens


def state_of(run: Run) -> list[object]:
    """All that a run's training follows from: two of these lists are equal only where a training
    from there is the same, number by number.

    Weights, buffers, modules, hooks, functions and the values that they hold count by content; the
    data, which all runs share, by identity. What a run has cost is left out.
    """
    reader = _StateReader()
    reader.read(run.data, shared=True)
    own = (run.model, run.loss, run.optimizer, run.undecayed, run.later, run.seed, run.device)
    hooks = (run.each_step, run.batch, run.scored, run.keep, run.rate)
    for part in (*own, *hooks, run.objective, run.recipe):
        reader.read(part)
    reader.tokens.append(_Same(run.task))
    return reader.tokens


class _StateReader:
    """Reads objects and all that they hold, each once, into a list of tokens."""

    def __init__(self) -> None:
        self.tokens: list[object] = []
        self._place: dict[int, int] = {}
        self._alive: list[object] = []  # an id is that of one object only while it lives
        self._read: set[type] = set()  # classes of modules

    def read(self, value: object, shared: bool = False) -> None:
        """Add what a value is; tensors and arrays of a `shared` one count by their identity."""
        waiting = [value]
        while waiting:
            each = waiting.pop()
            if isinstance(each, _PLAIN):
                self.tokens.append((type(each), each))
                continue
            if id(each) in self._place:
                self.tokens.append(("again", self._place[id(each)]))
                continue
            self._place[id(each)] = len(self._place)
            self._alive.append(each)
            # What is too large to be read equals nothing.
            if len(self._place) > MOST:
                self.tokens.append(_Same(object()))
                return
            held = list(self._shared(each) if shared else self._own(each))
            waiting.extend(reversed(held))

    def _shared(self, value: object) -> Iterator[object]:
        """Note an object of the data; gives what it holds."""
        if isinstance(value, Tensor):
            self.tokens += [_Same(value), value._version]
        elif isinstance(value, np.ndarray):
            self.tokens.append(_Same(value))
        elif isinstance(value, (list, tuple, dict, set, frozenset)) and len(value) > LONG:
            self.tokens += [_Same(value), len(value)]
        else:
            yield from self._own(value)

    def _own(self, value: Any) -> Iterator[object]:
        """Note what an object is by itself; gives what it holds."""
        kind = type(value)
        self.tokens.append(_Same(kind))
        if isinstance(value, Tensor):
            self.tokens += _facts_of(value)
            yield from (value.grad if value.is_leaf else None, vars(value))
            yield from (value._backward_hooks, value._post_accumulate_grad_hooks)
        elif isinstance(value, np.ndarray):
            self.tokens += [value.shape, str(value.dtype)]
            yield value.tolist() if value.dtype == object else value.tobytes()
        elif isinstance(value, (float, complex)):
            self.tokens.append(repr(value))
        elif isinstance(value, torch.Generator):
            self.tokens.append(value.get_state().numpy().tobytes())
        elif isinstance(value, _WHOLE):
            self.tokens.append(_Same(value))
        elif isinstance(value, types.FunctionType):
            yield from self._function(value)
        elif isinstance(value, types.MethodType):
            yield from (value.__func__, value.__self__)
        elif isinstance(value, functools.partial):
            yield from (value.func, value.args, value.keywords, vars(value))
        elif isinstance(value, weakref.ref):
            self.tokens.append(_Same(value()))
        else:
            yield from self._parts(value)

    def _parts(self, value: Any) -> Iterator[object]:
        """Gives the entries and attributes of a container, a module or any other object."""
        is_container = isinstance(value, (list, tuple, dict, set, frozenset, deque))
        if is_container:
            self.tokens.append(len(value))
        if isinstance(value, dict):
            for pair in value.items():
                yield from pair
        elif is_container:
            yield from value
        attributes = dict(getattr(value, "__dict__", {}))
        for kind in type(value).__mro__:
            for name in _slots(kind):
                if hasattr(value, name):
                    attributes[name] = getattr(value, name)
        # What shows nothing of itself can only be compared with itself.
        if not attributes and not is_container:
            self.tokens.append(_Same(value))
        if isinstance(value, nn.Module):
            yield from self._classes(type(value))
        for name, attribute in attributes.items():
            self.tokens.append(name)
            yield attribute

    def _classes(self, kind: type) -> Iterator[object]:
        """The functions of a module's class, which code may have replaced."""
        for each in kind.__mro__:
            if each in self._read:  # its functions are those that they were a moment ago
                continue
            self._read.add(each)
            for name, value in list(vars(each).items()):
                if isinstance(value, types.FunctionType):
                    self.tokens += [name, _Same(value)]
                    yield value

    def _function(self, function: types.FunctionType) -> Iterator[object]:
        """Note a function; gives what it holds, and what the user's code reads by name."""
        self.tokens.append(_Same(function.__code__))
        yield from (function.__defaults__, function.__kwdefaults__, vars(function))
        for cell in function.__closure__ or ():
            try:
                yield cell.cell_contents
            except ValueError:  # a name that has no value yet
                self.tokens.append("empty")
        # Nobody's training sets the names of an installed library's files.
        names = () if function.__code__.co_filename.startswith(_INSTALLED) else _names_in(function)
        for name in names:
            value = function.__globals__.get(name, _names_in)
            if isinstance(value, (*_PLAIN, float, list, tuple, dict, set, Tensor)):
                yield value
            else:
                self.tokens.append(_Same(value))


def _facts_of(tensor: Tensor) -> list[object]:
    """What a tensor is: its content where it can be read, else its identity."""
    facts: list[object] = [tensor.requires_grad, tensor.is_leaf]
    try:
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        content = hashlib.sha256(flat.view(torch.uint8).numpy().data).digest()
    except (RuntimeError, TypeError, ValueError):  # lazy, sparse, quantized and the like
        return [*facts, _Same(tensor), tensor._version]
    return [*facts, tensor.shape, tensor.dtype, tensor.device, tensor.stride(), content]


def _slots(kind: type) -> Iterable[str]:
    """The attributes that a class keeps in slots."""
    slots = vars(kind).get("__slots__", ())
    names = (slots,) if isinstance(slots, str) else slots
    return [name for name in names if name not in ("__dict__", "__weakref__")]


def _names_in(function: types.FunctionType) -> Iterator[str]:
    """The names that a function, and the functions in it, may read from its file."""
    codes = [function.__code__]
    for code in codes:  # it grows while it is read
        yield from code.co_names
        codes += [part for part in code.co_consts if isinstance(part, types.CodeType)]
