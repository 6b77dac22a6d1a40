"""A study that has begun goes on with techniques that it did not have: its trials stay evidence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from advisor.host.host import Host
from advisor.search.plan import Plan
from advisor.search.trial import Trial
from advisor.technique import KEEP, Wanted

Pair = tuple[str, str]
"""Slot and name of a technique."""


def newcomers(begun: Plan, asked: Plan, host: Host) -> list[Pair]:
    """The techniques that fit the study now and that it did not have when it was begun.

    Of what advisor itself brings only those count that the study now names: with a new version of
    advisor a finished study still answers.

    Arguments:
        begun: the plan of the study.
        asked: the plan that a new study would have now.
        host: the loaded plugins.
    """
    built_in = {plugin.name for plugin in host.plugins if plugin.built_in}
    before = Wanted.by(begun.identity)
    there = set(begun.techniques)
    found = []
    for slot, name in asked.techniques:
        technique = host.find(slot, name)
        if technique is None or (slot, name) in there:
            continue
        is_named_now = not before.has(technique, host.slots[slot])
        if is_named_now or host.owner[f"{slot}.{name}"] not in built_in:
            found.append((slot, name))
    return found


def not_asked_any_more(begun: Plan, asked: Plan, host: Host) -> list[Pair]:
    """The loaded techniques of a study that the names in `only` and `also` leave out now."""
    now = Wanted.by(asked.identity)
    left_out = []
    for slot, name in begun.techniques:
        technique = host.find(slot, name)
        if technique is not None and not now.has(technique, host.slots[slot]):
            left_out.append((slot, name))
    return left_out


def widened(begun: Plan, asked: Plan, joining: Sequence[Pair], trials: Sequence[Trial]) -> Plan:
    """The plan of a study with the techniques that join it.

    Arguments:
        begun: the plan of the study.
        asked: the plan that a new study would have now.
        joining: slot and name of the techniques that join; none where only the names changed.
        trials: those of the study.
    """
    # What is tried and what does not fit is told by what was asked last.
    identity = {**begun.identity, **Wanted.by(asked.identity).names}
    skipped = [skip for skip in begun.skipped if (skip.slot, skip.technique) not in joining]
    known = {(skip.slot, skip.technique) for skip in skipped} | set(begun.techniques)
    new = [skip for skip in asked.skipped if (skip.slot, skip.technique) not in known]
    plan = replace(begun, identity=identity, skipped=[*skipped, *new])
    if not joining:
        return plan

    options = {slot: list(names) for slot, names in begun.options.items()}
    names = []
    for slot, name in joining:
        options.setdefault(slot, [KEEP]).append(name)
        names.append(f"{slot}.{name}")
    own = tuple(f"{name}." for name in names)
    return replace(
        plan,
        options=options,
        space={**begun.space, **{n: s for n, s in asked.space.items() if n.startswith(own)}},
        first={**begun.first, **{n: v for n, v in asked.first.items() if n.startswith(own)}},
        artefacts={
            **begun.artefacts,
            **{n: told for n, told in asked.artefacts.items() if n in names},
        },
        settles={**begun.settles, **{n: s for n, s in asked.settles.items() if n in names}},
        rates={**begun.rates, **{n: s for n, s in asked.rates.items() if n in names}},
        later={**begun.later, str(first_of_them(begun, trials)): names},
    )


def first_of_them(begun: Plan, trials: Sequence[Trial]) -> int:
    """The number of the trial that tries the first of the techniques which join now."""
    # A round that is under way is gone through first, and so are those that were to open.
    ends = [trial.round.end for trial in trials if trial.is_running]
    return max([len(trials), *ends, 1 + max(begun.openers())])


def seconds_for(
    plan: Plan, joining: Sequence[Pair], begun: Plan, spent: float, limit: float
) -> Plan:
    """The plan with the time that techniques which join are given in a study with a limit.

    They get as much as each arm before them has taken, and what the confirmation took is not lost
    to the search.

    Arguments:
        plan: with the techniques that join.
        joining: slot and name of these techniques.
        begun: the plan before.
        spent: seconds that the study has taken.
        limit: seconds after which its search ends; infinite without a limit.
    """
    if not math.isfinite(limit):
        return plan
    share = spent * len(joining) / len(begun.openers())
    more = begun.more_seconds + max(0.0, spent - limit - begun.more_seconds) + share
    return replace(plan, more_seconds=more)
