"""Techniques that make a recipe together: the arms in which a study tries them so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from advisor.host.host import Host
from advisor.search.arm import Arm, Skip
from advisor.technique import KEEP


def whole_recipes(
    options: Mapping[str, Sequence[str]], skipped: Iterable[Skip], host: Host
) -> dict[str, Arm]:
    """By a technique (`slot.name`) the others with which it makes a recipe, by slot.

    Of those alone all of whose techniques are searched; one that does not fit is left out.

    Arguments:
        options: names of the techniques that are searched and fit, by slot.
        skipped: those that are searched and do not fit.
        host: the loaded plugins.
    """
    unfit = {(each.slot, each.technique) for each in skipped}
    found: dict[str, Arm] = {}
    for slot, names in options.items():
        for name in names:
            technique = host.find(slot, name)
            if technique is None or name == KEEP:
                continue
            others = {k: v for k, v in technique.beside.items() if (k, v) not in unfit}
            if others and all(v in options.get(k, ()) for k, v in others.items()):
                found[f"{slot}.{name}"] = others
    return found


def recipe_arms(baseline: Arm, beside: Mapping[str, Arm]) -> list[Arm]:
    """The arms of these recipes, each with everything else kept."""
    arms = []
    for full_name, others in beside.items():
        slot, _, name = full_name.partition(".")
        arms.append({**baseline, **others, slot: name})
    return arms
