"""A swap as plain data: written down without data or weights, and carried out on a fresh model
without a trace.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
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
from advisor.model.references import paths
from advisor.model.swapping.report import SwapReport, state_keys
from advisor.model.swapping.rewrite import span_end
from advisor.model.swapping.subclass import original_class
from advisor.model.swapping.swap import Factory, swap
from advisor.model.tracing.trace import trace
from advisor.model.writing.describe import Description, describe, dotted_name
from advisor.model.writing.recipe_format import FORMAT, Recipe, checked_sites
from advisor.model.writing.recipe_places import find_target, place_of

# The anatomy of a model that was not traced.
_UNTRACED = Anatomy((), (), (), "raw", (), (), ())


# ---------------------------------------------------------------- writing


def recipe(report: SwapReport) -> Recipe:
    """A swap as plain data (JSON), for `apply_recipe` on a fresh model.

    `sites` say where (`where`) and what (`runs`: an importable name, its arguments and its starting
    values; None where there is no such name, and then `needs` says so). `state_dict` lists the keys
    that the swap removed and added.
    """
    model = report.before.model
    before = dict.fromkeys(report.before.keys)
    now = dict.fromkeys(state_keys(model))
    cls = original_class(type(model))
    return {
        "recipe": FORMAT,
        "model": dotted_name(cls) or type(model).__name__,
        "versions": {"torch": str(torch.__version__)},
        "sites": [_entry(site, report) for site in report.swapped],
        "state_dict": {
            "removed": [key for key in before if key not in now],
            "added": [key for key in now if key not in before],
        },
    }


def _entry(site: Site, report: SwapReport) -> dict[str, Any]:
    """One swapped site."""
    activation = report.activations[site.id]
    description = describe(activation, report.starting_states[site.id])
    entry = {
        "id": site.id,
        "kind": site.kind,
        "calls": site.calls,
        "where": place_of(site.target, report.before.paths),
        "runs": None if description is None else description.to_json(),
    }
    if description is None:
        name = getattr(activation, "__qualname__", type(activation).__qualname__)
        why = "has no importable name, or arguments that cannot be read off it"
        entry["needs"] = f"a factory: {name} {why}."
    return entry


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
    entries = checked_sites(recipe)
    # The trace comes first: a lazy layer becomes another one.
    before = None if inputs is None else trace(model, inputs)
    by_name = {path.name: path for path in paths(model).values()}
    sites, activations = [], {}
    for entry in entries:
        ident = entry["id"]
        target = find_target(ident, entry["where"], by_name, model)
        why = "The recipe says so."
        sites.append(Site(ident, entry["kind"], HIDDEN, why, entry["calls"], ident, target))
        activations[ident] = entry["runs"]

    anatomy = _UNTRACED
    if before is not None:
        anatomy = _with_ids_of(sites, before)
        sites = _as_traced(sites, anatomy)
    report = swap(
        model,
        anatomy,
        lambda site: _activation(site, activations[site.id], factory),
        sites,
        inputs,
    )
    if report.refused:
        report.undo()
        why = report.refused[0][1]
        raise InputError(f"The recipe cannot be applied: {why} Everything was undone.")
    return report


def _activation(site: Site, data: Mapping[str, Any] | None, factory: Factory | None) -> Activation:
    """What the recipe says that a site runs, or what the factory makes."""
    if data is not None:
        activation: Activation = Description.from_json(data).build()
        return activation
    if factory is None:
        raise InputError(
            f"The recipe does not say what {site.id} runs, as it had no importable name; "
            "pass a factory."
        )
    return factory(site)


def _with_ids_of(sites: list[Site], anatomy: Anatomy) -> Anatomy:
    """The anatomy with the recipe's ids, which differ from today's where a class has moved in its
    file.
    """
    ids = {_target_key(site.target): site.id for site in sites}
    renamed = []
    for site in anatomy.sites:
        ident = ids.get(_target_key(site.target), site.id)
        renamed.append(replace(site, id=ident))
    return replace(anatomy, sites=tuple(renamed))


def _target_key(target: Target) -> tuple[object, ...]:
    """What tells a target from all others of one model."""
    if isinstance(target, CallTarget):
        return id(target.owner), target.code.co_filename, span_end(target.span)
    if isinstance(target, AttributeTarget):
        return id(target.owner), target.name
    return (id(target.module if isinstance(target, ModuleTarget) else target),)


def _as_traced(sites: list[Site], anatomy: Anatomy) -> list[Site]:
    """The sites as the trace describes them."""
    traced = {site.id: site for site in anatomy.sites}
    missing = [site.id for site in sites if site.id not in traced]
    if missing:
        raise InputError(
            f"The recipe's {listing(missing)} did not run on these inputs; apply it without "
            "inputs, or to its own model."
        )
    return [traced[site.id] for site in sites]
