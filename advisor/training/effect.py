"""What a run is at one moment, so that a technique that changed nothing is known by that alone."""

from __future__ import annotations

import functools
import hashlib
import sysconfig
import types
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
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
_CONTAINERS = (list, tuple, dict, set, frozenset, deque)
_BARE = frozenset(_CONTAINERS)
"""Containers that have no attributes, where they are of these very classes."""
_OF_EVERY_MODULE = frozenset(
    name for name, value in vars(nn.Module()).items() if isinstance(value, (dict, set))
)
"""Containers that every module has, of its parts and of its hooks; most of them are empty."""
_HELD = object()
"""Token of what is read later, where a plain value would stand."""


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
    _read_run(reader, run)
    return reader.tokens


def is_still(run: Run, state: list[object]) -> bool:
    """Whether a run is what it was when its state was read; only what comes before the first
    difference is read again.
    """
    reader = _StateReader(state)
    return _read_run(reader, run) and len(reader.tokens) == len(state)


def _read_run(reader: _StateReader, run: Run) -> bool:
    """Read all of a run; returns whether it was read to its end."""
    if not reader.read(run.data, shared=True):
        return False
    own = (run.model, run.loss, run.optimizer, run.undecayed, run.later, run.seed, run.device)
    hooks = (run.each_step, run.batch, run.scored, run.keep, run.rate)
    for part in (*own, *hooks, run.objective, run.recipe):
        if not reader.read(part):
            return False
    reader.tokens.append(_Same(run.task))
    return reader.is_as_expected()


class _StateReader:
    """Reads objects and all that they hold, each once, into a list of tokens.

    Arguments:
        expected: the tokens of an earlier reading, at whose first difference the reading ends.
    """

    def __init__(self, expected: list[object] | None = None) -> None:
        self.tokens: list[object] = []
        self._expected = expected
        self._compared = 0  # tokens that are as expected
        self._place: dict[int, int] = {}
        self._alive: list[object] = []  # an id is that of one object only while it lives
        self._read: set[type] = set()  # classes of modules
        # What is found of a class is found once: there are few classes, and many objects.
        self._plain: dict[type, bool] = {}
        self._ways: dict[type, Callable[[_StateReader, Any], Iterable[object]]] = {}
        self._slots: dict[type, tuple[str, ...]] = {}

    def read(self, value: object, shared: bool = False) -> bool:
        """Add what a value is; tensors and arrays of a `shared` one count by their identity.

        Returns whether all of it is as expected.
        """
        waiting = self._noted([value])
        while waiting:
            each = waiting.pop()
            address = id(each)
            if address in self._place:
                self.tokens.append(("again", self._place[address]))
                continue
            self._place[address] = len(self._place)
            self._alive.append(each)
            # What is too large to be read equals nothing.
            if len(self._place) > MOST:
                self.tokens.append(_Same(object()))
                return False
            held = self._noted(self._shared(each) if shared else self._own(each))
            held.reverse()
            waiting += held
            if not self.is_as_expected():
                return False
        return True

    def is_as_expected(self) -> bool:
        """Whether no token differs from the one that is expected in its place."""
        if self._expected is None:
            return True
        start, self._compared = self._compared, len(self.tokens)
        return self.tokens[start:] == self._expected[start : self._compared]

    def _noted(self, values: Iterable[object]) -> list[object]:
        """Note the plain ones among values, each in its place; gives the others."""
        others = []
        for value in values:
            kind = type(value)
            if kind not in self._plain:
                self._plain[kind] = isinstance(value, _PLAIN)
            if self._plain[kind]:
                self.tokens.append((kind, value))
            else:
                self.tokens.append(_HELD)
                others.append(value)
        return others

    def _shared(self, value: object) -> Iterable[object]:
        """Note an object of the data; gives what it holds."""
        if isinstance(value, Tensor):
            self.tokens += [_Same(value), value._version]
        elif isinstance(value, np.ndarray):
            self.tokens.append(_Same(value))
        elif isinstance(value, (list, tuple, dict, set, frozenset)) and len(value) > LONG:
            self.tokens += [_Same(value), len(value)]
        else:
            return self._own(value)
        return ()

    def _own(self, value: Any) -> Iterable[object]:
        """Note what an object is by itself; gives what it holds."""
        kind = type(value)
        self.tokens.append(_Same(kind))
        if kind not in self._ways:
            self._ways[kind] = next(way for kinds, way in _WAYS if isinstance(value, kinds))
        return self._ways[kind](self, value)

    def _tensor(self, value: Tensor) -> Iterable[object]:
        self.tokens += _facts_of(value)
        grad = value.grad if value.is_leaf else None
        return grad, vars(value), value._backward_hooks, value._post_accumulate_grad_hooks

    def _array(self, value: np.ndarray) -> Iterable[object]:
        self.tokens += [value.shape, str(value.dtype)]
        return (value.tolist() if value.dtype == object else value.tobytes(),)

    def _number(self, value: float | complex) -> Iterable[object]:
        self.tokens.append(repr(value))
        return ()

    def _generator(self, value: torch.Generator) -> Iterable[object]:
        self.tokens.append(value.get_state().numpy().tobytes())
        return ()

    def _whole(self, value: object) -> Iterable[object]:
        self.tokens.append(_Same(value))
        return ()

    def _method(self, value: types.MethodType) -> Iterable[object]:
        return value.__func__, value.__self__

    def _partial(self, value: functools.partial[object]) -> Iterable[object]:
        return value.func, value.args, value.keywords, vars(value)

    def _reference(self, value: weakref.ref[Any]) -> Iterable[object]:
        return self._whole(value())

    def _parts(self, value: Any) -> Iterable[object]:
        """Gives the entries and attributes of a container, a module or any other object."""
        held: list[object] = []
        is_container = isinstance(value, _CONTAINERS)
        if is_container:
            self.tokens.append(len(value))
            held += chain.from_iterable(value.items()) if isinstance(value, dict) else value
            if type(value) in _BARE:
                return held
        attributes = self._attributes(value)
        # What shows nothing of itself can only be compared with itself.
        if not attributes and not is_container:
            self.tokens.append(_Same(value))
        self.tokens.append(tuple(attributes))
        if isinstance(value, nn.Module):
            self._leave_out_empty(attributes)
        held += attributes.values()
        # Last, because they hardly ever change.
        if isinstance(value, nn.Module):
            held += self._classes(type(value))
        return held

    def _leave_out_empty(self, attributes: dict[str, object]) -> None:
        """Note which of a module's own containers are empty, instead of reading each."""
        for name in _OF_EVERY_MODULE & attributes.keys():
            if not attributes[name]:
                del attributes[name]
        self.tokens.append(tuple(attributes))

    def _attributes(self, value: Any) -> dict[str, object]:
        """Those of an object, in slots, too."""
        kind = type(value)
        if kind not in self._slots:
            self._slots[kind] = tuple(name for each in kind.__mro__ for name in _slots(each))
        attributes = dict(getattr(value, "__dict__", ()))
        for name in self._slots[kind]:
            if hasattr(value, name):
                attributes[name] = getattr(value, name)
        return attributes

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

    def _function(self, function: types.FunctionType) -> Iterable[object]:
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


_WAYS: tuple[tuple[Any, Callable[[_StateReader, Any], Iterable[object]]], ...] = (
    (Tensor, _StateReader._tensor),
    (np.ndarray, _StateReader._array),
    ((float, complex), _StateReader._number),
    (torch.Generator, _StateReader._generator),
    (_WHOLE, _StateReader._whole),
    (types.FunctionType, _StateReader._function),
    (types.MethodType, _StateReader._method),
    (functools.partial, _StateReader._partial),
    (weakref.ref, _StateReader._reference),
    (object, _StateReader._parts),
)
"""How objects are read, by their class: the first that fits."""


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
