"""Techniques that make a recipe together: the arms in which a study tries them so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from advisor.host.host import Host
from advisor.search.arm import Arm
from advisor.technique import KEEP


def whole_recipes(options: Mapping[str, Sequence[str]], host: Host) -> dict[str, Arm]:
    """By a technique (`slot.name`) the others with which it makes a recipe, by slot.

    Of those alone all of whose techniques are among the `options`, the names by slot.
    """
    found: dict[str, Arm] = {}
    for slot, names in options.items():
        for name in names:
            technique = host.find(slot, name)
            others = {} if technique is None or name == KEEP else dict(technique.beside)
            fit = [other in options.get(each, ()) for each, other in others.items()]
            if others and all(fit):
                found[f"{slot}.{name}"] = others
    return found


def recipe_arms(baseline: Arm, beside: Mapping[str, Arm]) -> list[Arm]:
    """The arms of these recipes, each with everything else kept."""
    arms = []
    for full_name, others in beside.items():
        slot, _, name = full_name.partition(".")
        arms.append({**baseline, **others, slot: name})
    return arms
