"""What is wrong with a slot or a technique as a plugin declares it, in one sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from advisor.space import Choice, Float, Int
from advisor.technique import Slot, Technique

RESERVED = ("training",)
"""Names that begin the names of other parameters, such as `training.lr`."""


def slot_fault(slot: Any) -> str | None:
    """What is wrong with what `slots()` returned, or None."""
    if not isinstance(slot, Slot) or not isinstance(slot.name, str) or not slot.name.isidentifier():
        return f"slots() must return advisor.Slot objects with a plain name, got {slot!r}."
    if slot.name in RESERVED:
        return f"a slot cannot be called {slot.name!r}: parameters such as {slot.name}.lr have this name. Call it otherwise."
    for field in ("after", "before"):
        if not isinstance(getattr(slot, field), (tuple, list)):
            return f"slot {slot.name!r}: {field} must be a tuple of names, got {getattr(slot, field)!r}."
    return None


def technique_fault(technique: Any) -> str | None:
    """What is wrong with what `techniques()` returned, or None."""
    if not isinstance(technique, Technique):
        hint = " Return an instance: write Name(), not Name." if isinstance(technique, type) else ""
        return f"techniques() must return advisor.Technique objects, got {technique!r}.{hint}"
    return name_fault(technique) or _place_fault(technique) or space_fault(technique)


def name_fault(technique: Technique) -> str | None:
    """What is wrong with a technique's name, or None."""
    name = getattr(technique, "name", None)
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_][\w-]*", name):
        return f"a technique's name is letters, digits, '_' and '-', got {name!r} in {type(technique).__name__}."
    return None


def _place_fault(technique: Technique) -> str | None:
    if isinstance(getattr(technique, "slot", None), str):
        return None
    return f'technique {technique.name!r} does not say which slot it is for: set slot = "…".'


def space_fault(technique: Technique) -> str | None:
    """What is wrong with a technique's space and the values that are tried first, or None."""
    name, space = technique.name, technique.space
    if not isinstance(space, Mapping):
        return f"technique {name!r}: space must map names to advisor.Float, Int or Choice, got {space!r}."
    for key, parameter in space.items():
        if not isinstance(parameter, (Float, Int, Choice)):
            return f"technique {name!r}: space[{key!r}] must be advisor.Float, Int or Choice, got {parameter!r}."
    for key, value in technique.defaults().items():
        if not space[key].holds(value):
            return f"technique {name!r}: {key!r} is tried first with {value!r}, which its space does not hold: {space[key]}."
    return None
