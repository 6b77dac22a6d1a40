"""Digests of values of any kind, by their content: the same in every process that makes them."""

from __future__ import annotations

import collections
import functools
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import PurePath
from types import (
    BuiltinFunctionType,
    FunctionType,
    MethodDescriptorType,
    MethodType,
    MethodWrapperType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any

from advisor.content.changes import MISSING, RunningChanges
from advisor.content.leaves import (
    SMALL,
    is_iterator,
    is_random_state,
    leaf,
    shape_of,
    table_columns,
    type_name,
)
from advisor.content.tokens import combine
from advisor.loading.own_modules import stable_name

# How deep values in values are looked at, and how many in all, so that a digest takes no minutes.
_DEPTH = 60
_MOST = 1_000_000

_C_FUNCTIONS = (
    BuiltinFunctionType, MethodDescriptorType, MethodWrapperType, WrapperDescriptorType,
)  # fmt: skip

# The types of Python whose subclasses are such a value and more.
_NUMBERS_AND_TEXTS: tuple[Any, ...] = (str, bytes, int, float, complex)

CODE = (type, FunctionType, MethodType, functools.partial)
"""Types of values that are code rather than state."""

# What a descriptor or another wrapper is made of. Attributes that an object has not are left out.
_WRAPPERS: Mapping[type, tuple[str, ...]] = {
    property: ("fget", "fset", "fdel"),
    classmethod: ("__func__",),
    staticmethod: ("__func__",),
    functools.cached_property: ("func",),
    functools.partial: ("func", "args", "keywords"),
    functools.partialmethod: ("func", "args", "keywords"),
    functools.singledispatchmethod: ("dispatcher", "func"),
    MethodType: ("__func__", "__self__"),
}

# Where wrappers of other libraries keep the function that they were made of.
_WRAPPED = ("__wrapped__", "__original_fn", "_torchdynamo_inline", "_torchdynamo_orig_callable",
            "pyfunc", "py_func", "func", "fn")  # fmt: skip


class ObjectDigests:
    """Digests of values. Code in them is handed to whoever asks.

    Arguments:
        changes: what the code changes while it runs, which is left out.
        of_code: the digest of a function, a class or a module.
        is_own_class: whether a class is the user's.
    """

    def __init__(
        self,
        changes: RunningChanges,
        of_code: Callable[[Any], str],
        is_own_class: Callable[[type], bool],
    ) -> None:
        self.folder = ""
        self._changes = changes
        self._of_code = of_code
        self._is_own_class = is_own_class
        # By id; the objects are kept, so that no other gets the id.
        self._known: dict[int, tuple[str, Any]] = {}
        self._opaque: set[int] = set()
        self._depth = 0

    def of(self, value: Any) -> str:
        """The digest of a value."""
        if type(value) is str:
            return f"str:{self._placed(value)!a}"
        if type(value) in SMALL:
            return leaf(value) or ""
        # Not by isinstance, which asks the object for its class.
        if issubclass(type(value), PurePath):
            return f"path:{self._placed(str(value))!a}"
        if id(value) in self._known:
            return self._known[id(value)][0]
        self._known[id(value)] = "again", value
        self._depth += 1
        try:
            digest = self._made(value)
        except Exception:  # whatever a stranger's object raises when it is looked at
            digest = self.opaque(value)
        finally:
            self._depth -= 1
        self._known[id(value)] = digest, value
        return digest

    def is_opaque(self, value: Any) -> bool:
        """Whether a value was digested by its type alone."""
        return id(value) in self._opaque

    def opaque(self, value: Any) -> str:
        """The digest of what has no content that stays the same: its type, and the code in it."""
        if type(value) is not str and type(value) not in SMALL:  # such an object has many owners
            self._opaque.add(id(value))
        code: list[str] = []
        if issubclass(type(value), Mapping) and not _is_of_the_process(value):
            code = sorted(
                f"{_key(key)}={self.of(item)}"
                for key, item in list(value.items())
                if isinstance(item, CODE)
            )
        elif issubclass(type(value), (list, tuple, set, collections.deque)):
            code = sorted(self.of(item) for item in list(value) if isinstance(item, CODE))
        return combine("opaque", type_name(value), *code)

    def attributes(self, owner: Any, values: Mapping[str, Any]) -> Iterator[str]:
        """Digests of what an object holds by name, but for what the code itself changes."""
        changes = self._changes
        for name, value in sorted(values.items()):
            if name not in changes.attributes and (id(owner), name) not in changes.bindings:
                yield combine("attribute", name, self.of(value))

    def _placed(self, text: str) -> str:
        """A text in which a path is said from the folder of the code, which may be moved."""
        if not self.folder or not os.path.isabs(text):
            return text
        relative = os.path.relpath(text, self.folder)
        return text if relative.startswith(os.path.join("..", "..", "..")) else relative

    def _made(self, value: Any) -> str:
        if self._depth > _DEPTH or len(self._known) > _MOST or id(value) in self._changes.objects:
            return self.opaque(value)
        text = leaf(value)
        if text is not None:
            return text
        if isinstance(value, (FunctionType, type, ModuleType)):
            return self._of_code(value)
        for kind, names in _WRAPPERS.items():
            if isinstance(value, kind):
                return self._wrapper(value, names)
        if isinstance(value, _C_FUNCTIONS):
            return self._c_function(value)
        if is_iterator(value) or is_random_state(value) or _is_of_the_process(value):
            return self.opaque(value)
        return self._container(value) or self._instance(value)

    def _wrapper(self, value: Any, names: Iterable[str]) -> str:
        """The digest of a descriptor or partial function, by what it is made of."""
        parts = [self.of(getattr(value, name)) for name in names if hasattr(value, name)]
        return combine(type_name(value), *parts)

    def _c_function(self, value: Any) -> str:
        """The digest of a function or method that is written in C."""
        owner = getattr(value, "__self__", None)
        name = f"{stable_name(str(getattr(value, '__module__', None)))}.{value.__qualname__}"
        if owner is None or isinstance(owner, ModuleType):
            return combine("function", name)
        return combine("method", name, self.of(owner))

    def _container(self, value: Any) -> str | None:
        """The digest of a collection, by its elements; None where it is none."""
        kind = self.of(type(value))
        if isinstance(value, (list, tuple, collections.deque)):
            elements = [self.of(item) for item in list(value)]
            return combine("sequence", kind, *elements, *self._state(value))
        if isinstance(value, (set, frozenset)):
            elements = [self.of(item) for item in sorted(value, key=_key)]
            return combine("set", kind, *sorted(elements), *self._state(value))
        if isinstance(value, collections.defaultdict):  # it changes where it is read
            return combine(self.opaque(value), self.of(value.default_factory))
        if isinstance(value, Mapping):
            pairs = [combine(self.of(key), self.of(value[key])) for key in sorted(value, key=_key)]
            return combine("mapping", kind, *sorted(pairs), *self._state(value))
        columns = table_columns(value)
        if columns is not None:
            return combine("table", kind, *map(self.of, columns))
        if type_name(value) == "numpy.ndarray":  # of objects; others have no elements to look at
            return combine("array", str(value.shape), *map(self.of, value.ravel().tolist()))
        return None

    def _state(self, value: Any) -> list[str]:
        """The attributes of an object of the user's class."""
        if not self._is_own_class(type(value)):
            return []
        return list(self.attributes(value, _attributes(value)))

    def _instance(self, value: Any) -> str:
        """The digest of any other object: of its class, and of its attributes if they are data."""
        kind = self.of(type(value))
        torch = sys.modules.get("torch")
        if torch is not None and isinstance(value, torch.nn.Module):
            return combine("module", kind, *self._module(value, torch))
        if hasattr(value, "_member_map_") and hasattr(value, "_name_"):
            return combine("member", kind, str(value._name_))
        if isinstance(value, (str, bytes, int, float, complex)):
            base = next(each for each in type(value).__mro__ if each in _NUMBERS_AND_TEXTS)
            return combine("value", kind, self.of(base(value)), *self._state(value))
        if type(value).__module__ == "typing" and hasattr(value, "__origin__"):
            return combine("generic", self.of(value.__origin__), self.of(value.__args__))
        if isinstance(value, slice):
            return combine("slice", *map(self.of, (value.start, value.stop, value.step)))
        if self._is_own_class(type(value)):
            return combine("object", kind, *self._state(value))

        # Of other libraries' objects, only those that hold settings have a content that stays.
        attributes = _attributes(value)
        public = {name: item for name, item in attributes.items() if not name.startswith("_")}
        if public and all(map(_is_data, public.values())):
            settings = [combine(name, self.of(item)) for name, item in sorted(public.items())]
            return combine("settings", kind, *settings)
        wrapped = [_attribute(value, name) for name in _WRAPPED]
        inside = [self.of(item) for item in wrapped if callable(item)]
        if hasattr(value, "cache_parameters"):
            inside.append(self.of(value.cache_parameters()))
        return combine("wrapper", kind, *inside) if inside else self.opaque(value)

    def _module(self, module: Any, torch: Any) -> Iterable[str]:
        """What a module of torch is, without the weights that it learns."""
        for name, tensor in [*module._parameters.items(), *module._buffers.items()]:
            yield combine(name, "None" if tensor is None else shape_of(tensor))
        for name, child in module._modules.items():
            yield combine(name, self.of(child))
        own = _attributes(module)
        hooks = {name: own.pop(name) for name in vars(torch.nn.Module()) if name in own}
        yield from self.attributes(module, own)
        for name, item in sorted(hooks.items()):
            if name.endswith("_hooks") and item:
                yield combine(name, *map(self.of, item.values()))


def _attributes(value: Any) -> dict[str, Any]:
    """The attributes that an object itself has, those in slots too."""
    attributes = dict(getattr(value, "__dict__", {}))
    for base in type(value).__mro__:
        slots = vars(base).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            item = _attribute(value, name)
            if item is not MISSING:
                attributes[name] = item
    return attributes


def _attribute(value: Any, name: str) -> Any:
    """An attribute, or `MISSING`."""
    try:
        return getattr(value, name, MISSING)
    except Exception:  # a property of a stranger's
        return MISSING


def _is_data(value: Any) -> bool:
    """Whether a value is plain data, through and through."""
    if isinstance(value, (str, PurePath)) or leaf(value) is not None:
        return True
    if type(value) in (list, tuple, set, frozenset):
        return all(map(_is_data, value))
    if type(value) is dict:
        return all(_is_data(key) and _is_data(item) for key, item in value.items())
    return False


def _is_of_the_process(value: Any) -> bool:
    """Whether an object says how this process was started, and nothing of the user's code."""
    return any(value is each for each in (os.environ, sys.argv, sys.path, sys.modules))


def _key(value: Any) -> str:
    """By what the elements of a set are sorted: never by a hash or an address."""
    name = getattr(value, "__qualname__", None)
    if isinstance(name, str):
        module = stable_name(str(getattr(value, "__module__", "")))
        return f"{type_name(value)}:{module}.{name}"
    if isinstance(value, (str, int, float, tuple, frozenset, bytes)):
        text = sorted(map(_key, value)) if isinstance(value, (tuple, frozenset)) else value
        return f"{type_name(value)}:{text!r}"
    return type_name(value)
