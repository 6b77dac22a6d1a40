"""A class of the user's as its parts: bases, methods, attributes, fields."""

from __future__ import annotations

import abc
import dataclasses
import enum
from collections.abc import Iterator
from types import FunctionType
from typing import Any

# Metaclasses that do not look at annotations.
_PLAIN_METACLASSES = (type, abc.ABCMeta, enum.EnumMeta)

# Attributes that a class has of Python, not of its author.
_OF_PYTHON = {"_abc_impl", "_is_protocol", "_is_runtime_protocol", "_field_defaults", "_fields"}

# Modules of Python that put functions into the classes that they make.
_WRITERS = ("collections", "dataclasses", "enum", "reprlib", "typing")

# What a dataclass says of itself as a whole.
_PARAMETERS = ("init", "repr", "eq", "order", "frozen")


def members(cls: type) -> Iterator[tuple[str, Any]]:
    """What the author of a class wrote in its body, by name."""
    if issubclass(cls, enum.Enum):
        yield from _enum_members(cls)
        return
    fields = [*vars(cls).get("__dataclass_fields__", ()), *_named_tuple_fields(cls)]
    for name, value in sorted(vars(cls).items()):
        if _is_generated(cls, name, value) or name in _OF_PYTHON:
            continue
        if name.startswith("__") and name.endswith("__") and not _is_method(value):
            continue
        if name not in fields:
            yield name, value


def _enum_members(cls: type[enum.Enum]) -> Iterator[tuple[str, Any]]:
    """The members of an enum by their values, and its methods."""
    for name, member in cls.__members__.items():
        yield name, member._value_
    for name, value in sorted(vars(cls).items()):
        if _is_method(value) and not _is_generated(cls, name, value):
            yield name, value


def fields(cls: type) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """The fields that a dataclass or named tuple declares itself, each with all that it says."""
    for name in _named_tuple_fields(cls):
        yield name, (vars(cls).get("_field_defaults", {}).get(name, "required"),)
    own = vars(cls).get("__annotations__", {})
    for name, each in vars(cls).get("__dataclass_fields__", {}).items():
        if name in own:
            default = None if each.default is dataclasses.MISSING else (each.default,)
            factory = None if each.default_factory is dataclasses.MISSING else each.default_factory
            flags = (each.init, each.repr, each.hash, each.compare, each.kw_only)
            yield name, (default, factory, flags, dict(each.metadata))


def shape(cls: type) -> Iterator[str]:
    """What a class says as a whole, besides its bases: the order of fields, what a metaclass reads
    of its annotations.
    """
    if "__dataclass_fields__" in vars(cls):
        yield f"fields {','.join(vars(cls)['__dataclass_fields__'])}"
        parameters = getattr(cls, "__dataclass_params__", None)
        yield str([getattr(parameters, name, None) for name in _PARAMETERS])
    if issubclass(cls, enum.Enum):
        yield f"members {','.join(cls.__members__)}"
    if _named_tuple_fields(cls):
        yield f"fields {','.join(_named_tuple_fields(cls))}"
    if type(cls) not in _PLAIN_METACLASSES:
        for name, annotation in vars(cls).get("__annotations__", {}).items():
            named = getattr(annotation, "__qualname__", None) or str(annotation)
            yield f"{name}:{named}"


def _named_tuple_fields(cls: type) -> tuple[str, ...]:
    """The fields of a named tuple, where it is this class that has them."""
    return vars(cls).get("_fields", ()) if issubclass(cls, tuple) else ()


def _is_method(value: Any) -> bool:
    return isinstance(value, (FunctionType, property, classmethod, staticmethod))


def _is_generated(cls: type, name: str, value: Any) -> bool:
    """Whether Python wrote this method, from what the class declares."""
    function = getattr(value, "__func__", value)
    if not isinstance(function, FunctionType):
        return False
    if function.__globals__.get("__name__") in _WRITERS:
        return True
    if not function.__code__.co_filename.startswith("<"):
        return False
    is_dataclass = "__dataclass_fields__" in vars(cls) and name.startswith("__")
    is_named_tuple = issubclass(cls, tuple) and hasattr(cls, "_fields")
    return is_dataclass or is_named_tuple
