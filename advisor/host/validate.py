"""What is wrong with a slot or a technique as a plugin declares it, in one sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from advisor.named_query import NamedQuery
from advisor.space import Choice, Float, Int
from advisor.technique import Slot, Technique

RESERVED = ("training",)
"""Names that begin the names of other parameters, such as `training.lr`."""


def slot_fault(slot: Any) -> str | None:
    """What is wrong with what `slots()` returned, or None."""
    if not isinstance(slot, Slot) or not isinstance(slot.name, str) or not slot.name.isidentifier():
        return f"slots() must return advisor.Slot objects with a plain name, got {slot!r}."
    # Parameters are called `slot.technique.name`, so that a slot's name begins theirs.
    if slot.name in RESERVED:
        return (
            f"a slot cannot be called {slot.name!r}: parameters such as {slot.name}.lr "
            "have this name. Call it otherwise."
        )
    for field in ("after", "before"):
        value = getattr(slot, field)
        if not isinstance(value, (tuple, list)):
            return f"slot {slot.name!r}: {field} must be a tuple of names, got {value!r}."
    return None


def technique_fault(technique: Any) -> str | None:
    """What is wrong with what `techniques()` returned, or None."""
    if not isinstance(technique, Technique):
        hint = " Return an instance: write Name(), not Name." if isinstance(technique, type) else ""
        return f"techniques() must return advisor.Technique objects, got {technique!r}.{hint}"
    fault = name_fault(technique)
    if fault is None and not isinstance(getattr(technique, "slot", None), str):
        fault = f'technique {technique.name!r} does not say which slot it is for: set slot = "…".'
    return fault or space_fault(technique)


def query_fault(query: Any) -> str | None:
    """What is wrong with what `queries()` returned, or None."""
    if not isinstance(query, NamedQuery):
        return f"queries() must return advisor.NamedQuery objects, got {query!r}."
    if not isinstance(query.name, str) or not re.fullmatch(r"[A-Za-z_][\w-]*", query.name):
        return f"a question's name is letters, digits, '_' and '-', got {query.name!r}."
    who = f"question {query.name!r}"
    for field in ("about", "sql", "order"):
        if not isinstance(getattr(query, field), str):
            return f"{who}: {field} must be text, got {getattr(query, field)!r}."
    if not re.match(r"\s*(select|with)\b", query.sql, re.IGNORECASE):
        return f"{who}: sql must be a SELECT, got {query.sql!r:.60}."
    words = {} if query.words is None else query.words
    if not isinstance(words, Mapping) or not all(str(word).isidentifier() for word in words):
        return f"{who}: words must map names to what they mean, got {words!r}."
    return None


def name_fault(technique: Technique) -> str | None:
    """What is wrong with a technique's name, or None."""
    # The name stands on command lines, in parameters and in the database.
    name = getattr(technique, "name", None)
    if isinstance(name, str) and re.fullmatch(r"[A-Za-z_][\w-]*", name):
        return None
    return (
        "a technique's name is letters, digits, '_' and '-', "
        f"got {name!r} in {type(technique).__name__}."
    )


def space_fault(technique: Technique) -> str | None:
    """What is wrong with a technique's space and the values that are tried first, or None."""
    who, space = f"technique {technique.name!r}", technique.space
    kinds = "advisor.Float, Int or Choice"
    if not isinstance(space, Mapping):
        return f"{who}: space must map names to {kinds}, got {space!r}."
    for name, parameter in space.items():
        if not isinstance(parameter, (Float, Int, Choice)):
            return f"{who}: space[{name!r}] must be {kinds}, got {parameter!r}."
    rate = space.get(technique.rate)
    if technique.rate and not (isinstance(rate, Float) and rate.log and rate.low > 0):
        return (
            f"{who}: rate is {technique.rate!r}, and its space has no such range; a learning rate "
            "is an advisor.Float above 0, with log=True."
        )
    # The defaults come from the signature of `apply`, which may say something else than the space.
    for name, value in technique.defaults().items():
        if not space[name].holds(value):
            return (
                f"{who}: {name!r} is tried first with {value!r}, "
                f"which its space does not hold: {space[name]}."
            )
    return None
