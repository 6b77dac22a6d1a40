"""Promises about what a technique declares: its name, slot, source and space."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from advisor.diagnosis.finding import BOUNDS
from advisor.errors import listing, near
from advisor.host.validate import name_fault, slot_fault, space_fault
from advisor.technique import KEEP
from advisor.testing.promise import Unjudged, promise
from advisor.testing.subject import Subject


@promise(at=("name", "__init__"))
def named(subject: Subject) -> Iterator[str]:
    """A technique's name is letters, digits, _ and -, without blanks, and not keep."""
    fault = name_fault(subject.technique)
    if fault:
        yield f"{fault} Change the name: it is typed after --only and stands in the database."
    if getattr(subject.technique, "name", None) == KEEP:
        yield "its name is that of the user's own model in every slot. Change the name."


@promise(at=("slot",))
def placed(subject: Subject) -> Iterator[str]:
    """A technique is for a slot that some plugin brings."""
    slot = getattr(subject.technique, "slot", None)
    if not isinstance(slot, str) or slot not in subject.slots:
        hint = near(str(slot), subject.slots)
        yield f"its slot is {slot!r}.{hint} Change it to one of {listing(subject.slots)}, or bring it with a slots() hook."


@promise(at=("cite", "name"))
def cited(subject: Subject) -> Iterator[str]:
    """A technique says in one line where it is from."""
    cite = subject.technique.cite
    if not isinstance(cite, str) or not cite.strip() or "\n" in cite:
        yield f'its cite is {cite!r}. Change it to authors and year, cite="Misra 2019", or to "unpublished".'


@promise(at=("space", "apply", "name"))
def legal_space(subject: Subject) -> Iterator[str]:
    """A space maps names to Float, Int or Choice, and holds the values that are tried first."""
    fault = space_fault(subject.technique)
    if fault:
        yield f"{fault} Change the default or widen the space."


@promise(at=("space", "apply", "name"))
def takes_its_space(subject: Subject) -> Iterator[str]:
    """What is called with the parameters of the space takes each of them by its name."""
    technique = subject.technique
    called = getattr(technique, "factory", technique.apply)
    takes = _takes(called)
    for name in technique.space:
        if takes is not None and name not in takes:
            who = getattr(called, "__qualname__", type(called).__name__)
            yield f"its space has {name!r}, which {who} does not take.{near(name, takes)} It takes {listing(takes) or 'nothing'}."


def _takes(called: Callable[..., Any]) -> list[str] | None:
    """Names that a function or class can be called with; None where any will do or none are known."""
    try:
        given = inspect.signature(called).parameters.values()
    except ValueError:  # of some built-in functions nothing is known
        return None
    named = [
        each.name for each in given if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)
    ]
    return (
        None
        if any(each.kind is each.VAR_KEYWORD for each in given)
        else [name for name in named if name != "run"]
    )


@promise(at=("mends",))
def mends_what_is_found(subject: Subject) -> Iterator[str]:
    """A technique mends findings that a diagnosis can have."""
    for kind in subject.technique.mends:
        if kind not in BOUNDS:
            yield f"it mends {kind!r}.{near(kind, BOUNDS)} Change it to kinds of findings: {listing(BOUNDS, 40)}."


@promise(at=("slots", "slot"))
def ordered(subject: Subject) -> Iterator[str]:
    """A slot of a plugin's own has a plain name, says what it is, and is ordered by slots that
    exist.
    """
    if not subject.own_slot:
        raise Unjudged("its slot is another plugin's")
    slot = subject.slots[subject.technique.slot]
    fault = slot_fault(slot)
    if fault:
        yield fault
    if not slot.about.strip():
        yield f'slot {slot.name!r} does not say what it is. Change it to Slot({slot.name!r}, "what sits there").'
    for name in (*slot.after, *slot.before):
        if name not in subject.slots or name == slot.name:
            yield (
                f"slot {slot.name!r} is ordered by {name!r}, and there is no other slot of that name."
                f"{near(name, subject.slots)} Change it to one of {listing(subject.slots)}."
            )
