"""A subclass per (class, edits) whose methods run other activations; instances can be copied and
pickled.
"""

from __future__ import annotations

import copyreg
import hashlib
from collections.abc import Iterable
from types import CodeType, FunctionType
from typing import Any

from torch import nn

from advisor.errors import InputError
from advisor.model.swapping.rewrite import End, functions_in, rewritten, source_of

_PREFIX = "Advised"


# One rewritten call: where in the class's MRO the method is defined, the method's name, the call's
# end, key and receiver.
Edit = tuple[int, str, End, str, bool]


class Advised:
    """What every such subclass knows of itself."""

    _advisor_base: type[nn.Module]
    _advisor_edits: tuple[Edit, ...]
    _advisor_digest: str

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Pickle as the user's class plus the edits: loading rewrites the source again."""
        reduced = super().__reduce_ex__(protocol)
        if not isinstance(reduced, tuple) or reduced[0] is not copyreg.__newobj__:  # type: ignore[attr-defined]
            return reduced  # the user's class has its own way
        arguments = (self._advisor_base, self._advisor_edits, self._advisor_digest, *reduced[1][1:])
        return (_new, arguments, *reduced[2:])


def _new(base: type[nn.Module], edits: tuple[Edit, ...], digest: str, *arguments: Any) -> Any:
    cls = advised_class(base, edits)
    if cls._advisor_digest != digest:
        raise InputError(
            f"{base.__module__}.{base.__qualname__} has changed since this model was pickled; build it again and load its "
            "state_dict."
        )
    return cls.__new__(cls, *arguments)


def base_of(cls: type[nn.Module]) -> type[nn.Module]:
    """The user's class of an instance, advised or not."""
    return cls._advisor_base if issubclass(cls, Advised) else cls


def edits_of(cls: type[nn.Module]) -> tuple[Edit, ...]:
    """The edits of an advised class; none for others."""
    return cls._advisor_edits if issubclass(cls, Advised) else ()


def find_method(cls: type[nn.Module], code: CodeType) -> tuple[int, str]:
    """Which class of the user's class's MRO defines the method with this code, and under which
    name.
    """
    base = base_of(cls)
    for klass in cls.__mro__:
        for name, attribute in vars(klass).items():
            if any(function.__code__ is code for function in functions_in(attribute)):
                return base.__mro__.index(_defined_in(klass, base)), name
    raise InputError(
        f"{code.co_name} ({code.co_filename.rpartition('/')[2]}:{code.co_firstlineno}) is not a method of {base.__name__}; "
        "write it as one, or use an nn.Module activation."
    )


def _defined_in(klass: type, base: type) -> type:
    original: type = vars(klass).get(
        "_advisor_of", base if vars(klass).get("_advisor_base") is base else klass
    )
    return original


_classes: dict[tuple[type, tuple[Edit, ...]], Any] = {}


def advised_class(base: type[nn.Module], edits: tuple[Edit, ...]) -> Any:
    """The subclass of `base` with these edits; the same one for equal edits."""
    if (base, edits) not in _classes:
        _classes[base, edits] = _advised_class(base, edits)
    return _classes[base, edits]


def _advised_class(base: type[nn.Module], edits: tuple[Edit, ...]) -> Any:
    """A method of a base class is rewritten in a mixin that stands behind the user's class, so that
    `super()` finds it.
    """
    by_class: dict[int, dict[str, Any]] = {}
    digest = hashlib.sha256()
    for depth, name in sorted({(edit[0], edit[1]) for edit in edits}):
        klass = base.__mro__[depth]
        attribute = vars(klass)[name]
        calls = {
            end: (key, receiver) for d, n, end, key, receiver in edits if (d, n) == (depth, name)
        }
        function = method_of(klass, name)
        by_class.setdefault(depth, {})[name] = rewritten(attribute, function, calls, klass.__name__)
        digest.update(source_of(function).encode())
    own = by_class.pop(0, {})
    mixins = [
        type(
            f"{_PREFIX}{base.__mro__[depth].__name__}",
            (base.__mro__[depth],),
            {**methods, "_advisor_of": base.__mro__[depth]},
        )
        for depth, methods in by_class.items()
    ]
    about = {
        "_advisor_base": base,
        "_advisor_edits": edits,
        "_advisor_digest": digest.hexdigest(),
        "__module__": base.__module__,
    }
    return type(
        f"{_PREFIX}{base.__name__}",
        (Advised, base, *mixins),
        {**own, **about, "__doc__": base.__doc__},
    )


def method_of(klass: type, name: str) -> FunctionType:
    """The function that the user wrote under a name of a class, behind its decorators."""
    functions = list(functions_in(vars(klass)[name]))
    if not functions:
        raise InputError(f"{klass.__qualname__}.{name} is not a function; write it as a method.")
    return next(
        (function for function in functions if function.__code__.co_name == name), functions[0]
    )


def merge(edits: Iterable[Edit], more: Iterable[Edit]) -> tuple[Edit, ...]:
    """Both, each once, in a fixed order, so that equal edits share a class."""
    return tuple(sorted({*edits, *more}))
