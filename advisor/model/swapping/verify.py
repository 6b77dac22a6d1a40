"""Trace a model again after a swap, and say what is not as it should be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from torch import Tensor, nn

from advisor.errors import InputError, listing
from advisor.model.anatomy import Anatomy, Site
from advisor.model.pointwise import Activation
from advisor.model.probing import is_probing
from advisor.model.swapping.replace import Installed, set_in
from advisor.model.swapping.report import Undo
from advisor.model.tracing.trace import trace


def verify(
    model: nn.Module,
    before: Anatomy,
    sites: list[Site],
    installed: Mapping[str, Installed],
    inputs: Any,
) -> Anatomy | None:
    """Raise InputError unless the new activations run at `sites` as often as the old ones, and all
    others as before.

    Returns what the model is made of now; None where functions run at sites, which are traced as
    what counts their runs.
    """
    with _runs_counted(model, installed) as runs:
        traced = trace(model, inputs)
    after = _without_insides(traced, installed)
    for complaint in _complaints(before, after, sites, runs):
        raise InputError(f"{complaint} Everything was undone.")
    has_modules = all(isinstance(place.activation, nn.Module) for place in installed.values())
    return traced if has_modules else None


def _without_insides(anatomy: Anatomy, installed: Mapping[str, Installed]) -> Anatomy:
    """The anatomy without what runs inside the new activations, which may be built of others."""
    tops: set[int] = set()
    inside: set[int] = set()
    for place in installed.values():
        tops.add(id(place.activation))
        if isinstance(place.activation, nn.Module):
            inside.update(map(id, place.activation.modules()))

    sites = []
    for site in anatomy.sites:
        owner = getattr(site.target, "owner", None)
        module = getattr(site.target, "module", None)
        if owner is None:
            is_outside = id(module) not in inside or id(module) in tops
        else:
            # The calls of one new module may differ in label now; the module counts them all.
            is_outside = id(owner) not in inside and id(module) not in tops
        if is_outside:
            sites.append(site)
    return replace(anatomy, sites=tuple(sites))


def _complaints(
    before: Anatomy, after: Anatomy, sites: list[Site], runs: Counter[str]
) -> Iterator[str]:
    """What is not as it should be after a swap of `sites`, whose new activations ran so often."""
    swapped = {site.id for site in sites}
    calls_after = {site.id: site.calls for site in after.sites}
    others_changed = _others(before, swapped) != _others(after, swapped)

    # How often a place runs may depend on the data; but the new activation must run there each
    # time.
    unreached = []
    for site in sites:
        count = runs[site.id]
        never_ran = count == 0 and others_changed
        if never_ran or count != calls_after.get(site.id, count):
            unreached.append(site.id)
    if unreached:
        yield (
            f"After the swap {len(unreached)} of {len(sites)} sites still ran the old activation: "
            f"{listing(unreached)}; leave them out with --exclude."
        )

    # An activation whose result goes nowhere looks like an output.
    hidden = swapped & {site.id for site in before.hidden}
    dropped = [site.place for site in after.sites if site.id in hidden and site.label == "output"]
    if dropped:
        yield (
            f"{listing(dropped)}: the result is not used, because the activation worked in place. "
            "Assign the result instead of inplace=True."
        )
    if others_changed and all(runs[site.id] == site.calls for site in sites):
        yield "After the swap other activations ran more or less often than before."


def _others(anatomy: Anatomy, swapped: set[str]) -> Counter[str]:
    """How often each kind of activation ran outside the swapped sites."""
    counts: Counter[str] = Counter()
    for site in anatomy.sites:
        if site.id not in swapped:
            counts[site.kind] += site.calls
    return counts


# ---------------------------------------------------------------- counting


@contextmanager
def _runs_counted(model: nn.Module, installed: Mapping[str, Installed]) -> Iterator[Counter[str]]:
    """Count how often each new activation runs in one call of the model, the last."""
    runs: Counter[str] = Counter()
    undos: list[Undo] = [model.register_forward_pre_hook(lambda *_: runs.clear()).remove]
    for ident, place in installed.items():
        activation = place.activation
        count = partial(_count, runs, ident)
        if isinstance(activation, nn.Module):
            undos.append(activation.register_forward_hook(count).remove)
        else:
            counting = partial(_count_and_call, count, activation)
            undos.append(set_in(place.mapping, place.key, counting))
    try:
        yield runs
    finally:
        for undo in undos:
            undo()


def _count(runs: Counter[str], ident: str, *_hook_arguments: Any) -> None:
    """Count a run, unless the tracer calls the activation only to learn what it does."""
    if not is_probing():
        runs[ident] += 1


def _count_and_call(count: Undo, activation: Activation, x: Tensor) -> Tensor:
    count()
    return activation(x)
