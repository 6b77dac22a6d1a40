"""A swap as plain data: written down without data or weights, and carried out on a fresh model
without a trace.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from functools import singledispatch
from types import FunctionType
from typing import Any

import torch
from torch import nn

from advisor.errors import InputError, listing
from advisor.model.anatomy import (
    HIDDEN,
    Anatomy,
    AttributeTarget,
    CallTarget,
    ModuleTarget,
    Site,
    Target,
)
from advisor.model.pointwise import Activation
from advisor.model.references import Path, paths
from advisor.model.swapping.rewrite import definition_of
from advisor.model.swapping.subclass import base_of, find_method, method_of
from advisor.model.swapping.swap import Factory, SwapReport, Was, state_keys, swap
from advisor.model.tracing.trace import trace
from advisor.model.writing.describe import described, dotted, made

FORMAT = 1
Recipe = dict[str, Any]


# ---------------------------------------------------------------- writing


def recipe_of(report: SwapReport) -> Recipe:
    """What `SwapReport.recipe` returns.

    `sites` say where (`where`) and what (`runs`: an importable name, its arguments and its starting
    values; None where there is no such name, and then `needs` says so). `state_dict` lists the keys
    that the swap removed and added.
    """
    was = report.was
    now = set(state_keys(was.model))
    return {
        "recipe": FORMAT,
        "model": dotted(base_of(type(was.model))) or type(was.model).__name__,
        "versions": {"torch": str(torch.__version__)},
        "sites": [_entry(site, was) for site in report.swapped],
        "state_dict": {
            "removed": [key for key in was.keys if key not in now],
            "added": [key for key in state_keys(was.model) if key not in set(was.keys)],
        },
    }


def _entry(site: Site, was: Was) -> dict[str, Any]:
    activation, state = was.made[site.id]
    runs = described(activation, state)
    entry = {
        "id": site.id,
        "kind": site.kind,
        "calls": site.calls,
        "where": _where(site.target, was),
        "runs": runs,
    }
    if runs is None:
        name = getattr(activation, "__qualname__", type(activation).__qualname__)
        why = "has no importable name, or arguments that cannot be read off it"
        entry["needs"] = f"a factory: {name} {why}."
    return entry


@singledispatch
def _where(target: Target, _was: Was) -> dict[str, Any]:
    """How to find a target in another instance of the model."""
    raise TypeError(f"a swapped site has the target {target!r}")


@_where.register
def _where_module(target: ModuleTarget, was: Was) -> dict[str, Any]:
    return {"module": was.paths[id(target.module)].name, "class": type(target.module).__name__}


@_where.register
def _where_attribute(target: AttributeTarget, was: Was) -> dict[str, Any]:
    owner = was.paths[id(target.owner)].name
    return {"owner": owner, "class": type(target.owner).__name__, "attribute": target.name}


@_where.register
def _where_call(target: CallTarget, was: Was) -> dict[str, Any]:
    """The call is counted from the method's first line on, so that the class may move in its file."""
    base = base_of(type(target.owner))
    depth, name = find_method(type(target.owner), target.code)
    klass = base.__mro__[depth]
    function = method_of(klass, name)
    calls = _calls(function)
    number = next(
        n
        for n, call in enumerate(calls)
        if (call.end_lineno, call.end_col_offset) == (target.span[1], target.span[3])
    )
    return {
        "owner": was.paths[id(target.owner)].name,
        "class": klass.__qualname__,
        "method": name,
        "call": number,
        "text": ast.unparse(calls[number]),
        "receiver": target.receiver,
        "source": digest_of(function),
    }


def _calls(function: FunctionType) -> list[ast.Call]:
    return [node for node in ast.walk(definition_of(function)) if isinstance(node, ast.Call)]


def digest_of(function: FunctionType) -> str:
    """A hash of a function's source, comments and layout left out."""
    return hashlib.sha256(ast.unparse(definition_of(function)).encode()).hexdigest()


# ---------------------------------------------------------------- reading


def apply_recipe(
    model: nn.Module, recipe: Recipe, factory: Factory | None = None, inputs: Any = None
) -> SwapReport:
    """Carry out a recipe on a fresh instance of its model, in place; without `inputs` the model
    does not run.

    `factory(site)` makes the activations for which the recipe has no name. With `inputs` the result
    is verified as in `swap`.

    Raises InputError, and leaves the model as it was, if the recipe is of another format, does not
    fit the model, or a method that it changes is not the one it was made from. Names in a recipe
    are looked up among imported modules; none is imported.
    """
    entries = _checked(recipe)
    before = (
        None if inputs is None else trace(model, inputs)
    )  # first: a lazy layer becomes another one
    found = {path.name: path for path in paths(model).values()}
    sites = [_located(entry, found, model) for entry in entries]
    runs = {entry["id"]: entry["runs"] for entry in entries}
    anatomy = _BLANK if before is None else _renamed(before, sites)
    report = swap(
        model,
        anatomy,
        lambda site: _activation(site, runs[site.id], factory),
        _as_traced(sites, anatomy),
        inputs,
    )
    if report.refused:
        report.undo()
        raise InputError(
            f"The recipe cannot be applied: {report.refused[0][1]} Everything was undone."
        )
    return report


_OTHER = "apply it to the model it was made from"
_BLANK = Anatomy((), (), (), "raw", (), (), ())


def _activation(site: Site, value: Any, factory: Factory | None) -> Activation:
    if value is not None:
        activation: Activation = made(value)
        return activation
    if factory is None:
        raise InputError(
            f"The recipe does not say what {site.id} runs, as it had no importable name; pass a factory."
        )
    return factory(site)


def _located(entry: dict[str, Any], found: dict[str, Path], model: nn.Module) -> Site:
    where = entry["where"]
    path = found.get(where.get("module", where.get("owner")))
    if path is None:
        name = where.get("module", where.get("owner"))
        raise InputError(
            f"The recipe names {name}, which {type(model).__name__} does not have; apply it to the model it was made from."
        )
    target = _target(entry["id"], where, path)
    return Site(
        entry["id"],
        entry["kind"],
        HIDDEN,
        "The recipe says so.",
        entry["calls"],
        entry["id"],
        target,
    )


def _target(ident: str, where: dict[str, Any], path: Path) -> Target:
    if "method" in where:
        return _call_target(ident, where, path)
    if type(path.module).__name__ != where["class"]:
        has = f"{path.name} is a {type(path.module).__name__} here"
        raise InputError(
            f"The recipe for {ident} was made for a {where['class']}, but {has}; apply it to the model it was made from."
        )
    if "attribute" in where:
        return AttributeTarget(path.module, where["attribute"], path.registered)
    return ModuleTarget(path.module, path.registered)


def _call_target(ident: str, where: dict[str, Any], path: Path) -> CallTarget:
    mro = base_of(type(path.module)).__mro__
    klass = next(
        (
            klass
            for klass in mro
            if klass.__qualname__ == where["class"] and where["method"] in vars(klass)
        ),
        None,
    )
    name = f"{where['class']}.{where['method']}"
    if klass is None:
        raise InputError(
            f"The recipe for {ident} changes {name}, which {type(path.module).__name__} does not have."
        )
    function = method_of(klass, where["method"])
    if digest_of(function) != where["source"]:
        raise InputError(
            f"{name} has changed since the recipe was made ({ident} was {where['text']}); swap again and write a new recipe."
        )
    calls = _calls(function)
    if where["call"] >= len(calls):
        raise InputError(
            f"The recipe for {ident} is damaged: {name} has no call number {where['call']}."
        )
    call = calls[where["call"]]
    span = (call.lineno, call.end_lineno or 0, call.col_offset, call.end_col_offset or 0)
    return CallTarget(path.module, function.__code__, span, where["receiver"], path.registered)


def _renamed(before: Anatomy, sites: list[Site]) -> Anatomy:
    """The anatomy with the recipe's ids, which differ from today's where a class has moved in its
    file.
    """
    names = {_place(site.target): site.id for site in sites}
    return replace(
        before,
        sites=tuple(
            replace(site, id=names.get(_place(site.target), site.id)) for site in before.sites
        ),
    )


def _place(target: Target) -> tuple[object, ...]:
    if isinstance(target, CallTarget):
        return id(target.owner), target.code.co_filename, target.span[1], target.span[3]
    if isinstance(target, AttributeTarget):
        return id(target.owner), target.name
    return (id(getattr(target, "module", target)),)


def _as_traced(sites: list[Site], anatomy: Anatomy) -> list[Site]:
    """The sites as the trace found them, if there was one."""
    traced = {site.id: site for site in anatomy.sites}
    missing = [site.id for site in sites if site.id not in traced]
    if anatomy is not _BLANK and missing:
        raise InputError(
            f"The recipe's {listing(missing)} did not run on these inputs; apply it without inputs, or to its own model."
        )
    return [traced.get(site.id, site) for site in sites]


# ---------------------------------------------------------------- checking

_SITE = {"id": str, "kind": str, "calls": int, "where": dict, "runs": (dict, type(None))}
_WHERES: tuple[dict[str, Any], ...] = (
    {
        "owner": str,
        "class": str,
        "method": str,
        "call": int,
        "text": str,
        "receiver": bool,
        "source": str,
    },
    {"owner": str, "class": str, "attribute": str},
    {"module": str, "class": str},
)
_VALUES: tuple[dict[str, Any], ...] = (
    {"class": str, "arguments": dict, "state": dict},
    {"function": str, "arguments": dict},
)


def _checked(recipe: Any) -> list[dict[str, Any]]:
    """The entries of a recipe of this format."""
    if not isinstance(recipe, dict) or "recipe" not in recipe:
        raise InputError(
            f"That is no recipe but {type(recipe).__name__}; pass what SwapReport.recipe() returned."
        )
    if recipe["recipe"] != FORMAT:
        raise InputError(
            f"The recipe has format {recipe['recipe']!r}, this advisor reads {FORMAT}; swap again and write a new one."
        )
    entries = recipe.get("sites")
    complaints = (
        ["sites is not a list"] if not isinstance(entries, list) else list(_complaints(entries))
    )
    if complaints:
        raise InputError(f"The recipe is damaged: {listing(complaints, 4)}; write it again.")
    return list(entries or ())


def _complaints(entries: list[Any]) -> Iterator[str]:
    for number, entry in enumerate(entries):
        if wrong := _misfit(entry, (_SITE,)):
            yield f"sites[{number}]{wrong}"
        elif wrong := _misfit(entry["where"], _WHERES):
            yield f"sites[{number}].where{wrong}"
        elif entry["runs"] is not None and (wrong := _misfit(entry["runs"], _VALUES)):
            yield f"sites[{number}].runs{wrong}"


def _misfit(data: Any, shapes: tuple[dict[str, Any], ...]) -> str:
    """What keeps data from having one of these shapes; nothing if it has one."""
    if not isinstance(data, dict):
        return " is not an object"
    shape = next((shape for shape in shapes if shape.keys() <= data.keys()), None)
    if shape is None:
        return f" lacks {listing(key for key in shapes[-1] if key not in data)}"
    return next(
        (
            f".{key} is {data[key]!r}"
            for key, kind in shape.items()
            if not isinstance(data[key], kind)
        ),
        "",
    )
