"""What is asked of some sides, and whether a comparison in the database was begun with it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from advisor import __version__
from advisor.comparing.comparison import Comparison
from advisor.comparing.same_data import digest_of
from advisor.comparing.sides import OpenSide, Side
from advisor.content.difference import difference, listed
from advisor.content.study_content import Content
from advisor.errors import InputError
from advisor.verdict.evidence import LOOK_LEVELS

DIGITS = 6
"""Letters of a digest that make a comparison's own name another one than that of the next edit."""


@dataclass(frozen=True)
class Question:
    """What is asked of some sides.

    Attributes:
        sides: as the user names them; the others are compared with the first.
        name: of the comparison; None for one that follows from what is compared.
        trials: learning rates that are tried for each side; None for each side's own rate.
        pairs: that measure; None for as many as the first pairs ask for.
        min_gain: the smallest gain worth a change; None for that of the first side.
    """

    sides: Sequence[Side]
    name: str | None = None
    trials: int | None = None
    pairs: int | None = None
    min_gain: float | None = None


def plan_of(question: Question, sides: Sequence[OpenSide]) -> dict[str, Any]:
    """What is compared, as the database keeps it, with a digest of all of it.

    How many pairs measure, and what is worth a change, may be asked otherwise the next time.
    """
    first = sides[0].prepared
    settings = {"seed": first.study.seed, "rates": question.trials, "metric": first.criterion.name}
    parts = [part_of(side) for side in sides]
    # A label is only a name.
    bare = [{key: each for key, each in part.items() if key != "label"} for part in parts]
    plain = {"settings": settings, "sides": parts, "versions": {"advisor": __version__}}
    return {**plain, "digest": digest_of([settings, bare])}


def part_of(side: OpenSide) -> dict[str, Any]:
    """One side as the database keeps it."""
    return {
        "label": side.label,
        "choices": dict(side.side.choices),
        "params": dict(side.params),
        "epochs": side.epochs if side.has_own_epochs else None,
        "batch": side.batch,
        "content": side.prepared.content.to_json(),
    }


def default_name(sides: Sequence[OpenSide], digest: str) -> str:
    """A name by what is compared: the same edit has it again, and another edit has another one."""
    words = re.sub(r"[^\w.]+", "-", sides[0].prepared.study.name).strip("-").lower()
    return f"{words[:80]}-compared-{digest[:DIGITS]}"


def check_begun(name: str, begun: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """Raise `InputError` where a comparison of this name was begun with something else."""
    if begun.get("digest") == asked["digest"]:
        return
    changed = [
        f"{key} was {before} and is {asked['settings'].get(key)}"
        for key, before in begun["settings"].items()
        if before != asked["settings"].get(key)
    ]
    for before, now in zip(begun["sides"], asked["sides"], strict=False):
        changed += [f"{now['label']}: {each}" for each in changes_of(before, now)]
    raise InputError(
        f"Comparison {name!r} was begun differently: "
        f"{listed(changed) or 'it had other sides'}. Leave --name out, give another one, or "
        f"delete this one: advisor studies delete {name}."
    )


def changes_of(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What is another one in a side, one short sentence each."""
    changed = []
    for key in ("choices", "params", "epochs", "batch"):
        if before[key] != now[key]:
            changed.append(f"{key} was {before[key]} and is {now[key]}")
    old, new = Content.from_json(before["content"]), Content.from_json(now["content"])
    if old is not None and new is not None:
        changed += difference(old, new).sentences
    return changed


def still_answers(answered: Comparison, question: Question) -> bool:
    """Whether an answer is what is asked now: no other smallest gain, and no more pairs."""
    if question.min_gain not in (None, answered.min_gain):
        return False
    measured = max(len(side.scores) for side in answered.sides)
    is_measured = any(gain.identical is None for gain in answered.gains)
    if not is_measured or question.pairs is None or question.pairs <= measured:
        return True
    return len(answered.looks) >= len(LOOK_LEVELS)  # no level is left for another look
