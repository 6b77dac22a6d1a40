"""Trace a model again after a swap, and say what is not as it should be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from torch import Tensor, nn

from advisor.errors import InputError, listing
from advisor.model.anatomy import Anatomy, Site
from advisor.model.pointwise import Activation
from advisor.model.swapping.replace import Placed, Undo, set_in
from advisor.model.tracing.recorder import Recorder
from advisor.model.tracing.trace import trace


def verify(
    model: nn.Module, before: Anatomy, sites: list[Site], placed: dict[str, Placed], inputs: Any
) -> None:
    """Raise InputError unless the new activations run at `sites` as often as the old ones, and all
    others as before.
    """
    with _counted(model, placed) as ran:
        after = trace(model, inputs)
    after = _without_insides(after, placed)
    for complaint in _complaints(before, after, sites, ran):
        raise InputError(f"{complaint} Everything was undone.")


def _without_insides(anatomy: Anatomy, placed: dict[str, Placed]) -> Anatomy:
    """The anatomy without what runs inside the new activations, which may be built of others."""
    new = [place.where[place.key] for place in placed.values()]
    inside = {
        id(module) for made in new if isinstance(made, nn.Module) for module in made.modules()
    }
    tops = {id(made) for made in new}

    def outside(site: Site) -> bool:
        owner, module = getattr(site.target, "owner", None), getattr(site.target, "module", None)
        if (
            owner is not None
        ):  # one of the calls of a new module, which now differ in label, is counted by that module
            return id(owner) not in inside and id(module) not in tops
        return id(module) not in inside or id(module) in tops

    return replace(anatomy, sites=tuple(site for site in anatomy.sites if outside(site)))


def _complaints(
    before: Anatomy, after: Anatomy, sites: list[Site], ran: Counter[str]
) -> Iterator[str]:
    """What is not as it should be after a swap of `sites`, whose new activations ran so often."""
    swapped = {site.id for site in sites}
    seen = {site.id: site.calls for site in after.sites}
    changed = _others(before, swapped) != _others(after, swapped)
    # how often a place runs may depend on the data; that the new activation runs there each time
    # may not
    counts = [(site, ran[site.id]) for site in sites]
    unreached = [
        site.id
        for site, count in counts
        if count != seen.get(site.id, count) or (changed and not count)
    ]
    if unreached:
        what = f"{len(unreached)} of {len(sites)} sites still ran the old activation: {listing(unreached)}"
        yield f"After the swap {what}; leave them out with --exclude."
    hidden = swapped & {site.id for site in before.hidden}
    dropped = [site.place for site in after.sites if site.id in hidden and site.label == "output"]
    if dropped:
        why = "the result is not used, because the activation worked in place"
        yield f"{listing(dropped)}: {why}. Assign the result instead of inplace=True."
    if changed and all(count == site.calls for site, count in counts):
        yield "After the swap other activations ran more or less often than before."


def _others(anatomy: Anatomy, swapped: set[str]) -> Counter[str]:
    """How often each kind of activation ran outside the swapped sites."""
    counts: Counter[str] = Counter()
    for site in anatomy.sites:
        if site.id not in swapped:
            counts[site.kind] += site.calls
    return counts


@contextmanager
def _counted(model: nn.Module, placed: dict[str, Placed]) -> Iterator[Counter[str]]:
    """Count how often each new activation runs in one call of the model, the last."""
    ran: Counter[str] = Counter()
    undos: list[Undo] = [model.register_forward_pre_hook(lambda *_: ran.clear()).remove]
    for ident, place in placed.items():
        activation = place.where[place.key]
        count = partial(_count, ran, ident)
        if isinstance(activation, nn.Module):
            undos.append(activation.register_forward_hook(partial(_call, count)).remove)
        else:
            undos.append(set_in(place.where, place.key, partial(_counting, count, activation)))
    try:
        yield ran
    finally:
        for undo in undos:
            undo()


def _count(ran: Counter[str], ident: str) -> None:
    if not Recorder.probes:
        ran[ident] += 1


def _call(count: Undo, *_: Any) -> None:
    count()


def _counting(count: Undo, activation: Activation, x: Tensor) -> Tensor:
    count()
    return activation(x)
