"""A subclass of the user's class whose methods run other activations; its instances can be copied
and pickled.
"""

from __future__ import annotations

import copyreg
import hashlib
from collections import deque
from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from types import CodeType, FunctionType
from typing import Any
from weakref import WeakValueDictionary

from torch import nn

from advisor.errors import InputError
from advisor.model.swapping.rewrite import CallEdit, functions_in, rewrite_method, source_of

# What the name of such a subclass begins with: `RewrittenNet`.
_PREFIX = "Rewritten"

# Keyed by the user's class object and the edits; an entry goes with the last that holds its class.
_rewritten_classes: WeakValueDictionary[tuple[type, tuple[CallEdit, ...]], type]
_rewritten_classes = WeakValueDictionary()
# To rewrite a class takes longer than all else of a swap, so that the last ones wait for the next
# model of their kind.
_last_rewritten: deque[type] = deque(maxlen=64)


class RewrittenModule:
    """What every such subclass knows of itself: the user's class, the edits, and a hash of the
    methods that were edited.
    """

    _advisor_base: type[nn.Module]
    _advisor_edits: tuple[CallEdit, ...]
    _advisor_digest: str

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Pickle as the user's class plus the edits: loading rewrites the source again."""
        reduced = super().__reduce_ex__(protocol)
        newobj = copyreg.__newobj__  # type: ignore[attr-defined]  # what plain objects reduce to
        if not isinstance(reduced, tuple) or reduced[0] is not newobj:
            return reduced  # the user's class has its own way
        _, (_, *arguments), *rest = reduced
        about = (self._advisor_base, self._advisor_edits, self._advisor_digest)
        return (_unpickled, (*about, *arguments), *rest)


def _unpickled(
    base: type[nn.Module], edits: tuple[CallEdit, ...], digest: str, *arguments: Any
) -> Any:
    """A new instance of a rewritten class, as pickle makes it."""
    cls = rewritten_class(base, edits)
    if cls._advisor_digest != digest:
        raise InputError(
            f"{base.__module__}.{base.__qualname__} has changed since this model was pickled; "
            "build it again and load its state_dict."
        )
    return cls.__new__(cls, *arguments)


def original_class(cls: type[nn.Module]) -> type[nn.Module]:
    """The class that the user wrote, also where `cls` is a rewritten one."""
    return cls._advisor_base if issubclass(cls, RewrittenModule) else cls


def class_with(cls: type[nn.Module], edit: CallEdit) -> Any:
    """The class with one call more rewritten; `cls` itself if that call is rewritten already."""
    edits = cls._advisor_edits if issubclass(cls, RewrittenModule) else ()
    if any(other.place == edit.place for other in edits):
        return cls
    in_order = sorted([*edits, edit])  # so that equal edits share a class
    return rewritten_class(original_class(cls), tuple(in_order))


def rewritten_class(base: type[nn.Module], edits: tuple[CallEdit, ...]) -> Any:
    """The subclass of `base` with these edits; the same one for equal edits.

    A method of a base class is rewritten in a mixin that stands behind the user's class, so that
    `super()` finds it.
    """
    existing = _rewritten_classes.get((base, edits))
    if existing is not None:
        return existing

    methods: dict[int, dict[str, Any]] = {}  # by the position of their class in base's MRO
    digest = hashlib.sha256()
    for (depth, name), its_edits in groupby(sorted(edits), attrgetter("depth", "method")):
        klass = base.__mro__[depth]
        function = method_of(klass, name)
        rewritten = rewrite_method(vars(klass)[name], function, its_edits, klass.__name__)
        methods.setdefault(depth, {})[name] = rewritten
        digest.update(source_of(function).encode())

    own_methods = methods.pop(0, {})
    mixins = []
    for depth, inherited in methods.items():
        klass = base.__mro__[depth]
        attributes = {**inherited, "_advisor_of": klass}
        mixins.append(type(f"{_PREFIX}{klass.__name__}", (klass,), attributes))
    about = {
        "_advisor_base": base,
        "_advisor_edits": edits,
        "_advisor_digest": digest.hexdigest(),
        "__module__": base.__module__,
        "__doc__": base.__doc__,
    }
    bases: tuple[type, ...] = (RewrittenModule, base, *mixins)
    cls = type(f"{_PREFIX}{base.__name__}", bases, {**own_methods, **about})
    _rewritten_classes[base, edits] = cls
    _last_rewritten.append(cls)
    return cls


def forget_rewritten_classes() -> None:
    """Let go of the rewritten classes that no model has, and so of the modules that they are of."""
    _last_rewritten.clear()


# ---------------------------------------------------------------- methods of the user's class


def find_method(cls: type[nn.Module], code: CodeType) -> tuple[int, str]:
    """Which class of the user's class's MRO defines the method with this code, and under which
    name.
    """
    base = original_class(cls)
    for klass in cls.__mro__:
        for name, attribute in vars(klass).items():
            if any(function.__code__ is code for function in functions_in(attribute)):
                # The class may be the rewritten form of one in the user's source.
                attributes = vars(klass)
                is_rewritten = attributes.get("_advisor_base") is base
                written = base if is_rewritten else attributes.get("_advisor_of", klass)
                return base.__mro__.index(written), name
    where = f"{code.co_filename.rpartition('/')[2]}:{code.co_firstlineno}"
    raise InputError(
        f"{code.co_name} ({where}) is not a method of {base.__name__}; "
        "write it as one, or use an nn.Module activation."
    )


def method_of(klass: type, name: str) -> FunctionType:
    """The function that the user wrote under a name of a class, behind its decorators."""
    functions: Sequence[FunctionType] = list(functions_in(vars(klass)[name]))
    if not functions:
        raise InputError(f"{klass.__qualname__}.{name} is not a function; write it as a method.")
    for function in functions:
        if function.__code__.co_name == name:
            return function
    return functions[0]
