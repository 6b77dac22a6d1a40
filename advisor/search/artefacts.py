"""Techniques that make an artefact before a training: how much of it a study pays for, and at which
of its numbers, so that trials share it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from advisor.errors import explain
from advisor.readable import counted
from advisor.space import Float, Int, Parameter
from advisor.technique import Technique
from advisor.training.run import Run
from advisor.user_code import user_faults

COARSE = (0.25, 0.75)
"""Where in its range, or its logarithm, a number of an artefact is tried besides at its first."""
COARSE_TURNS = 1 + len(COARSE)
"""Values of each such number before its arm leads."""


def bounded(technique: Technique, run: Run, seconds: float) -> tuple[dict[str, Parameter], str]:
    """The space of a technique whose artefact takes at most so many seconds, and what is told.

    The passes are bounded, not below the fewest that the technique's own space has; another number
    that makes a pass dearer than at its first value stays at or below that. Nothing is told where
    nothing is changed.

    Arguments:
        technique: it fits the run, and makes an artefact.
        run: of the model as it is.
        seconds: on a laptop's core, as `Technique.pass_seconds` counts them.
    """
    space, first = dict(technique.space), technique.defaults()
    passes = space.get(technique.passes)
    if not isinstance(passes, Int):
        return space, ""
    try:
        one = technique.pass_seconds(run, **first)
        if not one > 0 or one * passes.high <= seconds:
            return space, ""
        dearer = {name: space[name] for name in dearer_numbers(technique, run, one)}
    except user_faults() as problem:  # a plugin's bug costs the bound, not the study
        return space, f"its cost is not known: pass_seconds raised {explain(problem)}"

    most = max(passes.low, min(passes.high, math.floor(seconds / one)))
    usual = min(most, first[technique.passes])
    space[technique.passes] = replace(passes, high=most, default=usual)
    for name, parameter in dearer.items():
        assert isinstance(parameter, Int | Float)  # a choice has no upper end
        space[name] = replace(parameter, high=first[name], default=first[name])
    told = counted(most, "pass", "passes")
    return space, f"{told}, its fewest" if most * one > seconds else f"{told} at most"


def dearer_numbers(technique: Technique, run: Run, one: float) -> Iterator[str]:
    """The numbers of a technique that at their upper ends make a pass cost more than `one`, its
    seconds at their first values. Raises what a plugin raises.
    """
    first = technique.defaults()
    for name, parameter in technique.space.items():
        if name == technique.passes or not isinstance(parameter, Int | Float):
            continue
        if technique.pass_seconds(run, **{**first, name: parameter.high}) > one:
            yield name


def coarse(distribution: BaseDistribution, first: Any, turn: int) -> Any:
    """One of the few values at which a number of an artefact is tried before its arm leads.

    Turn 0 has the first value, the others a low and a high one, or further choices.
    """
    if turn == 0 or distribution.single():
        return first
    if isinstance(distribution, CategoricalDistribution):
        others = [each for each in distribution.choices if each != first]
        return others[(turn - 1) % len(others)]
    assert isinstance(distribution, FloatDistribution | IntDistribution)  # there are no others
    share = COARSE[turn - 1]
    low, high = float(distribution.low), float(distribution.high)
    if distribution.log:
        value = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
    else:
        value = low + share * (high - low)
    return round(value) if isinstance(distribution, IntDistribution) else float(f"{value:.3g}")


def coarse_numbers(
    space: Mapping[str, BaseDistribution], first: Mapping[str, Any], own: str, turn: int
) -> dict[str, Any]:
    """The coarse values of all numbers of a technique, whose full names begin with `own`."""
    names = [name for name in space if name.startswith(own)]
    return {name: coarse(space[name], first[name], turn) for name in names}


def told_of_artefacts(artefacts: Mapping[str, str], share: float) -> str:
    """How artefacts are bounded, in a sentence; empty where none is.

    `artefacts` are those of a plan, or some of them.
    """
    told = [f"{name.replace('.', ' ')} has {how}" for name, how in artefacts.items() if how]
    if not told:
        return ""
    return f"{'; '.join(told)}: so it costs about {share:g} trainings (--artefact-share)"
