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
from advisor.testing.promises import (
    activation,
    declared,
    every_technique,
    hooks,
    learned,
    training,
)
from advisor.testing.subject import Subject

KEPT, SKIPPED, BROKEN = "kept", "skipped", "broken"
"""What can become of a promise; skipped is one with nothing to judge, or one that is waived."""
_MODULES = (declared, every_technique, training, hooks, activation, learned)
_ORDER = [module.__name__ for module in _MODULES]
"""The modules with the promises, in the order in which they are checked."""
PROMISES.sort(key=lambda each: _ORDER.index(each.judge.__module__))


@dataclass(frozen=True)
class Result:
    """What became of one promise.

    Attributes:
        check: the promise's name.
        promise: the promise, one sentence.
        status: `kept`, `broken`, or `skipped` (nothing to judge, or waived).
        message: why it is broken or skipped.
        place: where it is broken, `snake.py:12`.
        waived: whether it is skipped because of a waiver.
    """

    check: str
    promise: str
    status: str
    message: str = ""
    place: str = ""
    waived: bool = False


@dataclass(frozen=True)
class Check:
    """One promise of one technique, to be called by a test.

    Attributes:
        promise: the promise.
        subject: the technique, whose tries other checks share.
        file: the plugin's file, where the technique's class does not show it.
    """

    promise: Promise
    subject: Subject
    file: Path | None = None

    def __call__(self) -> Result:
        """Raise `AssertionError` with the message where the promise is broken and not waived."""
        result = self.result(waivers(self.subject.technique, {}))
        assert result.status != BROKEN, result.message
        return result

    def __str__(self) -> str:
        return f"{label(self.subject.technique)}-{self.promise.name}"

    def result(self, waive: Mapping[str, str]) -> Result:
        """Judge the promise; one that is waived is not judged."""
        name, text = self.promise.name, self.promise.text
        if name in waive:
            return Result(name, text, SKIPPED, f"waived: {waive[name]}", waived=True)

        # A check yields a fault, or raises one together with the exception that shows its line.
        problem: BaseException | None = None
        try:
            fault = next(self.promise.judge(self.subject), None)
        except Unjudged as why:
            return Result(name, text, SKIPPED, str(why))
        except AssertionError as broken:
            fault, problem = str(broken), broken.__cause__
        except (Exception, SystemExit) as unforeseen:  # a technique can break anything in a check
            fault = f"it raised {explain(unforeseen)}. Change it to work in such a model."
            problem = unforeseen
        if fault is None:
            return Result(name, text, KEPT)

        # Name the line, so that the author need not look for it.
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
        file: the plugin's file, where the technique's class does not show it.
        known: slots of other plugins; by default those of the installed ones.
    """
    # The slots of other plugins must exist too: a technique or a slot may name them.
    own_slots = {slot.name: slot for slot in slots}
    all_slots = dict(load().slots if known is None else known)
    all_slots.update(own_slots)
    in_own_slot = getattr(technique, "slot", None) in own_slots
    subject = Subject(technique, all_slots, in_own_slot)
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


def waivers(technique: Technique, more: Mapping[str, str]) -> dict[str, str]:
    """Reasons by the check that they waive: those of the technique's `waived`, and `more`.

    Raises `InputError` for one without a reason, or of a check that there is not.
    """
    reasons = dict(technique.waived)
    reasons.update(more)
    # A misspelt name would waive nothing, and a missing reason would hide a fault.
    names = [each.name for each in PROMISES]
    who = label(technique)
    for name, reason in reasons.items():
        if name not in names:
            hint = f"{near(name, names)} There are: {listing(names, 40)}."
            raise InputError(f"{who} waives {name!r}, and there is no such check.{hint}")
        if not isinstance(reason, str) or not reason.strip():
            example = f'{{"{name}": "because …"}}'
            raise InputError(
                f"{who} waives {name!r} without a reason. Say why it need not hold: {example}."
            )
    return reasons


def check_technique(
    technique: Technique,
    *,
    slots: Iterable[Slot] = (),
    waive: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> list[Result]:
    """Hold a technique to every promise that it makes, for a plugin's own tests.

    Arguments:
        technique: an instance, as `techniques()` returns it.
        slots: slots of the technique's own plugin.
        waive: by check, the reason why it need not hold, beside the technique's own `waived`.
        file: the plugin's file, where the technique's class does not show it.

    Raises: `AssertionError` with a line for each broken promise, `InputError` for a waiver without
        a reason.
    """
    judged = list(results(checks_of(technique, slots=slots, file=file), waive))
    broken = [result.message for result in judged if result.status == BROKEN]
    assert not broken, "\n".join(broken)
    return judged


def parametrize_with_checks(techniques: Iterable[Technique], slots: Iterable[Slot] = ()) -> Any:
    """A decorator for a pytest function with an argument `check`: one test for each promise of each
    technique.
    """
    import pytest  # only a test that uses it needs it

    checks = []
    for technique in techniques:
        checks += checks_of(technique, slots=slots)
    return pytest.mark.parametrize("check", checks, ids=str)
