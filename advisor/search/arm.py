"""Arms: one technique per slot, with every parameter still free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from advisor.record import Record
from advisor.technique import KEEP

Arm = dict[str, str]
"""The name of the technique in each slot, slots in the order in which they are applied."""


@dataclass(frozen=True, eq=False)
class Skip(Record):
    """A technique that cannot be tried on a task, and why."""

    slot: str
    technique: str
    why: str


def arm_of(params: Mapping[str, Any]) -> Arm:
    """The technique in each slot among a trial's parameters, also in slots no plugin brings now."""
    # The full name of a parameter has a dot; that of a slot has none.
    return {slot: str(name) for slot, name in params.items() if "." not in slot}


def techniques_in(arm: Mapping[str, str]) -> list[tuple[str, str]]:
    """Slot and name of every technique of an arm, those that keep a slot left out."""
    return [(slot, name) for slot, name in arm.items() if name != KEEP]


def count_changes(arm: Mapping[str, str]) -> int:
    """How many slots of an arm are not kept."""
    return len(techniques_in(arm))


def arm_label(arm: Mapping[str, str]) -> str:
    """`activation=elu initializer=he` for what an arm changes, or `keep`."""
    words = [f"{slot}={name}" for slot, name in techniques_in(arm)]
    return " ".join(words) or KEEP
