"""Where a site is, in words that hold for every instance of a model, and back."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Mapping
from functools import singledispatch
from types import FunctionType
from typing import Any

from torch import nn

from advisor.errors import InputError
from advisor.model.anatomy import AttributeTarget, CallTarget, ModuleTarget, Target
from advisor.model.references import Path
from advisor.model.swapping.rewrite import definition_of, end_of, span_end
from advisor.model.swapping.subclass import find_method, method_of, original_class

# What to do with a recipe that does not fit.
_OTHER_MODEL = "apply it to the model it was made from."

Paths = Mapping[int, Path]  # of each module of a model, by its id


# ---------------------------------------------------------------- writing


@singledispatch
def place_of(target: Target, _paths: Paths) -> dict[str, Any]:
    """How to find a target in another instance of the model."""
    raise TypeError(f"a swapped site has the target {target!r}")


@place_of.register
def _place_of_module(target: ModuleTarget, paths: Paths) -> dict[str, Any]:
    return {"module": paths[id(target.module)].name, "class": type(target.module).__name__}


@place_of.register
def _place_of_attribute(target: AttributeTarget, paths: Paths) -> dict[str, Any]:
    owner = paths[id(target.owner)].name
    return {"owner": owner, "class": type(target.owner).__name__, "attribute": target.name}


@place_of.register
def _place_of_call(target: CallTarget, paths: Paths) -> dict[str, Any]:
    """The call is counted within its method, so that the class may move in its file."""
    cls = type(target.owner)
    depth, name = find_method(cls, target.code)
    klass = original_class(cls).__mro__[depth]
    function = method_of(klass, name)
    calls = _calls_in(function)
    number = [end_of(call) for call in calls].index(span_end(target.span))
    return {
        "owner": paths[id(target.owner)].name,
        "class": klass.__qualname__,
        "method": name,
        "call": number,
        "text": ast.unparse(calls[number]),
        "receiver": target.receiver,
        "source": _digest_of(function),
    }


def _calls_in(function: FunctionType) -> list[ast.Call]:
    """The calls in the source of a function, always in the same order."""
    return [node for node in ast.walk(definition_of(function)) if isinstance(node, ast.Call)]


def _digest_of(function: FunctionType) -> str:
    """A hash of a function's source, comments and layout left out."""
    return hashlib.sha256(ast.unparse(definition_of(function)).encode()).hexdigest()


# ---------------------------------------------------------------- reading


def find_target(
    ident: str, place: Mapping[str, Any], by_name: Mapping[str, Path], model: nn.Module
) -> Target:
    """The target of the site `ident` in another instance of the model.

    Raises InputError where there is none, or where what is there has changed.
    """
    name = place.get("module", place.get("owner"))
    path = by_name.get(name)
    if path is None:
        where = f"{name}, which {type(model).__name__} does not have"
        raise InputError(f"The recipe names {where}; {_OTHER_MODEL}")
    if "method" in place:
        return _find_call(ident, place, path)
    kind = type(path.module).__name__
    if kind != place["class"]:
        other = f"a {place['class']}, but {path.name} is a {kind} here"
        raise InputError(f"The recipe for {ident} was made for {other}; {_OTHER_MODEL}")
    if "attribute" in place:
        return AttributeTarget(path.module, place["attribute"], path.registered)
    return ModuleTarget(path.module, path.registered)


def _find_call(ident: str, place: Mapping[str, Any], path: Path) -> CallTarget:
    function = _find_method(ident, place, path.module)
    if _digest_of(function) != place["source"]:
        raise InputError(
            f"{_method_name(place)} has changed since the recipe was made ({ident} was "
            f"{place['text']}); swap again and write a new recipe."
        )
    calls = _calls_in(function)
    if place["call"] >= len(calls):
        raise InputError(
            f"The recipe for {ident} is damaged: {_method_name(place)} has no call number "
            f"{place['call']}."
        )
    call = calls[place["call"]]
    span = (call.lineno, call.end_lineno or 0, call.col_offset, call.end_col_offset or 0)
    return CallTarget(path.module, function.__code__, span, place["receiver"], path.registered)


def _find_method(ident: str, place: Mapping[str, Any], module: nn.Module) -> FunctionType:
    for klass in original_class(type(module)).__mro__:
        if klass.__qualname__ == place["class"] and place["method"] in vars(klass):
            return method_of(klass, place["method"])
    raise InputError(
        f"The recipe for {ident} changes {_method_name(place)}, which {type(module).__name__} "
        "does not have."
    )


def _method_name(place: Mapping[str, Any]) -> str:
    return f"{place['class']}.{place['method']}"
