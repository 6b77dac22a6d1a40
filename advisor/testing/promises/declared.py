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
    # The slot may be one of the same plugin, or of any that is installed.
    slot = getattr(subject.technique, "slot", None)
    if not isinstance(slot, str) or slot not in subject.slots:
        yield (
            f"its slot is {slot!r}.{near(str(slot), subject.slots)} "
            f"Change it to one of {listing(subject.slots)}, or bring it with a slots() hook."
        )


@promise(at=("cite", "name"))
def cited(subject: Subject) -> Iterator[str]:
    """A technique says in one line where it is from."""
    cite = subject.technique.cite
    if not isinstance(cite, str) or not cite.strip() or "\n" in cite:
        yield (
            f"its cite is {cite!r}. "
            'Change it to authors and year, cite="Misra 2019", or to "unpublished".'
        )


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
    # The parameters of an activation go to its factory, those of others to apply().
    function = getattr(technique, "factory", technique.apply)
    arguments = _arguments(function)
    if arguments is None:
        return
    for name in technique.space:
        if name not in arguments:
            who = getattr(function, "__qualname__", type(function).__name__)
            hint = f"{near(name, arguments)} It takes {listing(arguments) or 'nothing'}."
            yield f"its space has {name!r}, which {who} does not take.{hint}"


def _arguments(function: Callable[..., Any]) -> list[str] | None:
    """Names that a function or class can be called with; None where any will do or the signature
    is not known.
    """
    try:
        signature = inspect.signature(function)
    except ValueError:  # some built-in functions have no signature
        return None
    names = []
    for argument in signature.parameters.values():
        if argument.kind is argument.VAR_KEYWORD:
            return None
        if argument.kind in (argument.POSITIONAL_OR_KEYWORD, argument.KEYWORD_ONLY):
            names.append(argument.name)
    return [name for name in names if name != "run"]


@promise(at=("mends",))
def mends_what_is_found(subject: Subject) -> Iterator[str]:
    """A technique mends findings that a diagnosis can have."""
    for kind in subject.technique.mends:
        if kind not in BOUNDS:
            yield (
                f"it mends {kind!r}.{near(kind, BOUNDS)} "
                f"Change it to kinds of findings: {listing(BOUNDS, 40)}."
            )


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
        example = f'Slot({slot.name!r}, "what sits there")'
        yield f"slot {slot.name!r} does not say what it is. Change it to {example}."
    # The host ignores slots that are not loaded; a slot that no plugin brings is a slip.
    for name in (*slot.after, *slot.before):
        if name not in subject.slots or name == slot.name:
            fault = f"slot {slot.name!r} is ordered by {name!r}, and there is no other slot of that"
            hint = f"{near(name, subject.slots)} Change it to one of {listing(subject.slots)}."
            yield f"{fault} name.{hint}"
