"""How long the trainings of a search are: longer than usual only where the order of the leading
arms depends on it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations, pairwise

from advisor.readable import counted
from advisor.search.plan import Plan
from advisor.search.pruning import Ranked
from advisor.search.ranges import rungs_of
from advisor.search.stages import LEADERS
from advisor.search.trial import Trial
from advisor.training.criterion import Criterion, count_last
from advisor.training.epoch import Epoch

LOST = 1 / 3
"""A lead over the model as it is that loses more than this share of itself is another lead."""

Curves = Mapping[int, Sequence[Epoch]]
"""Learning curves by the numbers of their trials."""


def leading(plan: Plan, trials: Ranked) -> list[Trial]:
    """The trials whose order says how long trainings are: the model as it is, then the best others.

    `trials` have come to the end of a training of the usual length.
    """
    baseline = [trial for trial, _ in trials if trial.arm == plan.baseline]
    others = [trial for trial, _ in trials if trial.arm != plan.baseline]
    return baseline[:1] + others[:LEADERS]


def order_changes(criterion: Criterion, curves: Curves, epochs: int) -> bool:
    """Whether twice as long a training is worth it and orders the arms otherwise.

    It is worth it where the model as it is gains by it. Another order has an arm that breaks, a
    lead over the model as it is that comes or goes, or two arms in turned places, each by more than
    what is worth a change and the noise.

    Arguments:
        criterion: what arms are compared by.
        curves: of trainings of twice so many epochs, the model as it is first; shorter ones broke.
        epochs: of the shorter training.
    """
    baseline, *others = curves.values()
    if len(baseline) < 2 * epochs:
        return False
    worth = criterion.worth(criterion.score(baseline, epochs))
    gained = criterion.score(baseline, 2 * epochs) - criterion.score(baseline, epochs)
    if criterion.sign * gained <= worth:
        return False
    if any(len(curve) < 2 * epochs for curve in others):
        return True
    return any(
        is_another_lead(*leads(criterion, other, baseline, epochs), worth) for other in others
    ) or any(
        are_turned(*leads(criterion, one, other, epochs), worth)
        for one, other in combinations(others, 2)
    )


def leads(
    criterion: Criterion, one: Sequence[Epoch], other: Sequence[Epoch], epochs: int
) -> tuple[float, float, float]:
    """By how much one training is better than another after `epochs` and after twice as many, and
    the noise of the difference between the two.
    """
    before, after = (
        criterion.sign * (criterion.score(one, length) - criterion.score(other, length))
        for length in (epochs, 2 * epochs)
    )
    gaps = [mine.score - theirs.score for mine, theirs in zip(one, other, strict=True)]
    halves = (gaps[epochs // 2 : epochs], gaps[epochs:])
    noise = math.sqrt(sum(variance_of_steps(half) for half in halves) / count_last(epochs))
    return before, after, noise


def variance_of_steps(values: Sequence[float]) -> float:
    """The variance of values around their course, by the steps between them (von Neumann 1941)."""
    steps = [(after - before) ** 2 / 2 for before, after in pairwise(values)]
    return sum(steps) / max(1, len(steps))


def is_another_lead(before: float, after: float, noise: float, worth: float) -> bool:
    """Whether a lead, which may be none or below 0, came or went, or lost a large share."""
    if abs(after - before) <= worth + noise:
        return False
    if abs(before) <= worth:
        return abs(after) > worth
    return math.copysign(1, before) * after < (1 - LOST) * abs(before)


def are_turned(before: float, after: float, noise: float, worth: float) -> bool:
    """Whether one of two arms was clearly better before, and the other one is after."""
    is_clear = min(abs(before), abs(after)) > worth and abs(after - before) > worth + noise
    return is_clear and before * after < 0


def settled(plan: Plan, epochs: int, looked: int, steps: int) -> Plan:
    """The plan whose full trials have so many epochs.

    Arguments:
        plan: of a search whose opening round has come to the usual number of epochs.
        epochs: of a full trial.
        looked: epochs to which the leading arms were trained to see that; 0 where they were not.
        steps: in an epoch.
    """
    settled = replace(plan, longest=0, looked=looked)
    if epochs == plan.epochs:
        return settled
    return replace(settled, rungs=rungs_of(epochs, steps), opening=[*plan.rungs, epochs])


def told_of_length(plan: Plan) -> str:
    """How long a full training is, and why, in a sentence.

    The length of the plan is settled.
    """
    epochs = counted(plan.epochs, "epoch")
    if plan.opening:
        return (
            f"trials train for {epochs}: after {plan.opening[-2]} the leading arms were in another "
            "order"
        )
    if plan.looked > plan.epochs:
        return (
            f"trials train for {epochs}: {plan.looked} leave the leading arms in the same order, "
            "or bring nothing"
        )
    return f"trials train for {epochs}"
