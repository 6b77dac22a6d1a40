"""Runs the promises over a technique, and says which are kept, which are broken, and where."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from advisor.errors import InputError, explain, listing, near
from advisor.host.host import load
from advisor.technique import Slot, Technique
from advisor.testing.fault_line import place_of
from advisor.testing.promise import PROMISES, Promise, Unjudged, promises_of
from advisor.testing.promises import activation, declared, every_technique, learned
from advisor.testing.subject import Subject

KEPT, SKIPPED, BROKEN = "kept", "skipped", "broken"
ROOMS = (declared, every_technique, activation, learned)
"""The modules whose promises there are, in the order in which they are checked."""
PROMISES.sort(key=lambda each: [room.__name__ for room in ROOMS].index(each.judge.__module__))


@dataclass(frozen=True)
class Result:
    """What became of one promise: `kept`, `broken`, or `skipped` (nothing to judge, or waived) with
    a message that says why.
    """

    check: str
    promise: str
    status: str
    message: str = ""
    place: str = ""
    waived: bool = False


@dataclass(frozen=True)
class Check:
    """One promise of one technique, to be called by a test."""

    promise: Promise
    subject: Subject
    file: Path | None = None

    def __call__(self) -> Result:
        """Raise `AssertionError` with the message where the promise is broken and not waived."""
        found = self.result(waivers(self.subject.technique, {}))
        assert found.status != BROKEN, found.message
        return found

    def __str__(self) -> str:
        return f"{label(self.subject.technique)}-{self.promise.name}"

    def result(self, waive: Mapping[str, str]) -> Result:
        """Judge the promise; one that is waived is not judged."""
        name, text = self.promise.name, self.promise.text
        if name in waive:
            return Result(name, text, SKIPPED, f"waived: {waive[name]}", waived=True)
        try:
            fault, problem = next(self.promise.judge(self.subject), None), None
        except Unjudged as why:
            return Result(name, text, SKIPPED, str(why))
        except AssertionError as broken:
            fault, problem = str(broken), broken.__cause__
        except Exception as unforeseen:  # a technique can break anything that a check does with it
            fault, problem = (
                f"it raised {explain(unforeseen)}. Change it to work in such a model.",
                unforeseen,
            )
        if fault is None:
            return Result(name, text, KEPT)
        technique = self.subject.technique
        place = place_of(technique, self.promise.at, problem, self.file)
        message = f'{place} {label(technique)} breaks "{self.promise.quoted}": {fault}'
        return Result(name, text, BROKEN, message, place)


def checks_of(
    technique: Technique,
    *,
    slots: Iterable[Slot] = (),
    file: Path | None = None,
    known: Mapping[str, Slot] | None = None,
) -> list[Check]:
    """The checks of the promises that a technique makes by what it is.

    Arguments:
        technique: an instance, as `techniques()` returns it.
        slots: slots of the technique's own plugin.
        file: the plugin's file, where the technique's class does not tell.
        known: slots of other plugins; by default those of the installed ones.
    """
    own = {slot.name: slot for slot in slots}
    subject = Subject(
        technique,
        {**(load().slots if known is None else known), **own},
        getattr(technique, "slot", None) in own,
    )
    return [Check(each, subject, file) for each in promises_of(technique)]


def results(checks: Iterable[Check], waive: Mapping[str, str] | None = None) -> Iterator[Result]:
    """The result of each check, in order. Raises `InputError` for a waiver without a reason or of
    no check.
    """
    for check in checks:
        yield check.result(waivers(check.subject.technique, waive or {}))


def label(technique: Technique) -> str:
    """A technique's name, or its class where it has none."""
    return str(getattr(technique, "name", type(technique).__name__))


def waivers(technique: Technique, given: Mapping[str, str]) -> dict[str, str]:
    """Reasons by the check that they waive: those of the technique's `waived`, and those given.

    Raises `InputError` for one without a reason, or of a check that there is not.
    """
    found = {**dict(technique.waived), **given}
    names = [each.name for each in PROMISES]
    who = label(technique)
    for name, reason in found.items():
        if name not in names:
            there = f"{near(name, names)} There are: {listing(names, 40)}."
            raise InputError(f"{who} waives {name!r}, and there is no such check.{there}")
        if not isinstance(reason, str) or not reason.strip():
            raise InputError(
                f'{who} waives {name!r} without a reason. Say why it need not hold: {{"{name}": "because …"}}.'
            )
    return found


def check_technique(
    technique: Technique,
    *,
    slots: Iterable[Slot] = (),
    waive: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> list[Result]:
    """Hold a technique to every promise that it makes, for a plugin's own tests.

    `slots` are those that its plugin brings; `waive` maps a check to the reason why it need not
    hold, beside the technique's own `waived`.

    Raises `AssertionError` with a line for each broken promise, `InputError` for a waiver without a
    reason.
    """
    found = list(results(checks_of(technique, slots=slots, file=file), waive))
    broken = [result.message for result in found if result.status == BROKEN]
    assert not broken, "\n".join(broken)
    return found


def parametrize_with_checks(techniques: Iterable[Technique], slots: Iterable[Slot] = ()) -> Any:
    """A decorator for a pytest function with an argument `check`: one test for each promise of each
    technique.
    """
    import pytest  # only a test that uses it needs it

    found = [check for technique in techniques for check in checks_of(technique, slots=slots)]
    return pytest.mark.parametrize("check", found, ids=str)
