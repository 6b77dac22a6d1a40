"""What is decided about a trial before the sampler fills in the rest: pure functions of history."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

from optuna.distributions import BaseDistribution, FloatDistribution

from advisor.search.arm import Arm
from advisor.search.artefacts import COARSE_TURNS, coarse_numbers
from advisor.search.history import History
from advisor.search.plan import DECAY, RATE, Plan
from advisor.search.stages import arms_in_turn, leaders, unfinished_arms, untried_joined_arms
from advisor.search.trial import Round, Stage, Trial

STEPS = (0, 0.5, -0.5, 0.25, -0.25, 1, -1, 0.75, -0.75, 1.5, -1.5)
"""Learning rates to try, in this order, in powers of ten from where an arm starts."""
SAME_RATE = math.log(10) / 10
"""Learning rates whose logarithms differ by less count as the same."""
EDGE = 0.05
"""A best learning rate within this share of the range from its end, in logarithms, widens it."""
WIDEST = (1e-6, 10.0)
"""The range of learning rates is widened tenfold at a time, but not beyond these."""

Decision = dict[str, Any]
"""Techniques by slot and values by parameter; the sampler chooses what is not in it."""


def decide(history: History, current: Round, plan: Plan | None = None) -> Decision:
    """Choices and parameters that are decided for the next trial of the round.

    Learning rates are decided within the range of `plan`, which may be wider than that of the plan
    that the study began with; None for the latter.
    """
    plan = plan or history.plan
    if current.stage in (Stage.OPEN, Stage.JOIN):
        return first_of_each(history, current)
    if current.stage == Stage.FAIR:
        return further_rate(history, current, plan)
    if current.stage == Stage.WHOLE:
        return best_of_unfinished(history, current)
    if current.stage == Stage.TUNE:
        return climb(history, plan)

    # An exploration takes turns; in the third turn the sampler decides everything.
    turns = (untried_pair, least_tried, free_choice)
    number = len(history.trials)
    turn = turns[number % len(turns)]
    return turn(history)


def first_of_each(history: History, current: Round) -> Decision:
    """The next of the arms that try every technique once, with all parameters at first values."""
    plan, number = history.plan, len(history.trials)
    if current.stage == Stage.OPEN:
        arm = plan.openers()[number]
        # A technique whose plugin is gone by now has no trial; the model as it is has one more.
        return at_defaults(plan, {**arm, **plan.absent_in(arm)})
    arms = untried_joined_arms(history, current.start)
    return at_defaults(plan, arms[number - current.start])


def further_rate(history: History, current: Round, plan: Plan) -> Decision:
    """Another learning rate for the next of the arms that were behind when the round began."""
    # The arms that are behind stand at the front.
    place = len(history.trials) - current.start
    arm, _ = arms_in_turn(history, before=current.start)[place]

    decision = at_defaults(plan, arm)
    name = plan.rate_of(arm)
    return decision | next_rate(plan, history.of_arm(arm), plan.first[name], name)


def best_of_unfinished(history: History, current: Round) -> Decision:
    """The best parameters so far of the next of the arms that had no training to its end when the
    round began.
    """
    arms = unfinished_arms(history, before=current.start)
    arm = arms[len(history.trials) - current.start]
    return {**arm, **best_params(history, arm)}


def at_defaults(plan: Plan, arm: Arm) -> Decision:
    """An arm with all its parameters at their first values."""
    return {**arm, **plan.defaults_of(arm)}


def climb(history: History, plan: Plan) -> Decision:
    """The next learning rate for the leading arm, or the model as it is, with the fewest trials.

    The rates around the best one so far are tried in the order of the ladder, within the range of
    `plan`.
    """
    arms = [plan.baseline, *leaders(history)]
    arm = min(arms, key=lambda each: len(history.of_arm(each)))
    params = best_params(history, arm)
    name = plan.rate_of(arm)
    rate = next_rate(plan, history.of_arm(arm), params[name], name)
    # Where every rate of the ladder is tried, the sampler chooses the parameters.
    if not rate:
        return dict(arm)
    return {**arm, **params, **rate}


def best_params(history: History, arm: Arm) -> dict[str, Any]:
    """The parameters of an arm's best trial, but its weight decay, which has its first value.

    Without a trial that has a score, all have their first values.
    """
    params = history.plan.defaults_of(arm)
    scored = [trial for trial in history.of_arm(arm) if trial.value is not None]
    if not scored:
        return params

    # A full training comes before one that was cut short, whatever their scores.
    best = max(scored, key=lambda trial: (trial.is_complete, history.sign * trial.score))
    for name in params:
        if name in best.params and name != DECAY:
            params[name] = best.params[name]
    return params


def next_rate(plan: Plan, trials: Sequence[Trial], start: float, name: str = RATE) -> Decision:
    """The next untried learning rate around `start`, below those at which the training failed.

    The decision is empty where every rate of the ladder is tried or too high. In an exploration a
    training may just have been worse than others, so it does not count there.

    Arguments:
        plan: with the range of learning rates.
        trials: those of one arm.
        start: the learning rate in the middle of the ladder.
        name: of the parameter that is the arm's learning rate.
    """
    # Where the training failed at a rate, it would fail at a higher one.
    limit = math.inf
    tried = []
    for trial in trials:
        rate = trial.params[name]
        tried.append(rate)
        if trial.could_not_train and trial.stage != Stage.EXPLORE:
            limit = min(limit, rate)

    return untried_rate(plan.space[name], tried, start, limit, name)


def untried_rate(
    space: BaseDistribution,
    tried: Sequence[float],
    start: float,
    limit: float = math.inf,
    name: str = RATE,
) -> Decision:
    """The next learning rate around `start` that is not tried, in the range `space` and below
    `limit`; empty where there is none.
    """
    for step in STEPS:
        rate = start * 10**step
        is_new = all(abs(math.log(rate / other)) > SAME_RATE for other in tried)
        if is_new and rate < limit and space._contains(rate):
            return {name: rate}
    return {}


def untried_pair(history: History) -> Decision:
    """The best arm with a technique, with the best technique of another slot added, if untried."""
    best = best_with_each_technique(history)
    # Pairs of the best arms come first.
    place = {technique: rank for rank, technique in enumerate(best)}
    pairs = list(combinations(best, 2))
    pairs.sort(key=lambda pair: place[pair[0]] + place[pair[1]])

    # The first pair of two slots whose arm is new and can be asked.
    for first, (slot, name) in pairs:
        trial = best[first]
        arm = {**trial.arm, slot: name}
        is_pair = slot != first[0] and not history.plan.conflicts(arm)
        if is_pair and not history.of_arm(arm) and history.can_be_asked(arm):
            # A technique that brings a rate of its own begins with its first one.
            rate = history.plan.rate_of(arm)
            start = trial.params.get(rate, history.plan.first[rate])
            return {**arm, rate: start, **history.plan.held_in(arm)}
    return {}


def best_with_each_technique(history: History) -> dict[tuple[str, str], Trial]:
    """The best full trial with each technique that is loaded, techniques of the best arms first."""
    best: dict[tuple[str, str], Trial] = {}
    for trial in history.best_of_each_arm():
        for technique in trial.techniques:
            if technique not in history.plan.absent:
                best.setdefault(technique, trial)
    return best


def least_tried(history: History) -> Decision:
    """The technique with the fewest trials, so that none is judged on less than the others."""
    candidates = []
    # No further trial could change what an exhausted technique showed.
    for slot, name in history.plan.techniques:
        is_absent = (slot, name) in history.plan.absent
        if not is_absent and not history.is_exhausted(slot, name):
            candidates.append((slot, name))
    if not candidates:
        return {}
    slot, name = min(candidates, key=lambda technique: history.times_asked(*technique))
    return {slot: name}


def numbers_of_artefacts(history: History, current: Round, arm: Arm) -> Decision:
    """The numbers of an arm's techniques that make an artefact, in an exploration: few values, so
    that trials share artefacts, until the arm is one of the leaders.

    The first exploration of an arm has the first values, which other trials of it have, too.
    """
    artefacts = history.plan.artefacts
    own = [f"{slot}.{name}" for slot, name in arm.items() if f"{slot}.{name}" in artefacts]
    if current.stage != Stage.EXPLORE or not own or arm in leaders(history):
        return {}
    explored = [trial for trial in history.of_arm(arm) if trial.stage == Stage.EXPLORE]
    turn = len(explored) % COARSE_TURNS
    plan = history.plan
    numbers: Decision = {}
    for name in own:
        numbers |= coarse_numbers(plan.space, plan.first, f"{name}.", turn)
    return numbers


def free_choice(_history: History) -> Decision:
    """Nothing is decided."""
    return {}


def with_widened_rates(history: History) -> Plan:
    """The plan with a range of learning rates that holds the best ones well inside.

    These are the best rates of the model as it is and of the leaders. Rates that were tried are
    always inside, so the range never shrinks.
    """
    plan = history.plan
    space = plan.space[RATE]
    if plan.has_own_rate:
        return plan
    if not isinstance(space, FloatDistribution):
        raise TypeError(f"{RATE} must be drawn from a range of floats, got {space}")
    best = rates_of_leading_arms(history)
    tried = list(history.tried_rates or ())

    # One step may bring the best rate near the new end; then there is another step.
    before = None
    ends = (space.low, space.high)
    while ends != before:
        before = ends
        ends = wider(ends, best, tried)
    widened = FloatDistribution(*ends, log=True)
    return replace(plan, space={**plan.space, RATE: widened})


def rates_of_leading_arms(history: History) -> list[float]:
    """The learning rates of the best trials of the model as it is and of the leaders."""
    arms = [history.plan.baseline, *leaders(history)]
    rates = []
    for trial in history.best_of_each_arm():
        if trial.arm in arms and history.plan.rate_of(trial.arm) == RATE:
            rates.append(trial.params[RATE])
    return rates


def wider(
    ends: tuple[float, float], best: Sequence[float], tried: Sequence[float]
) -> tuple[float, float]:
    """The range with each end moved tenfold that a best rate is near, or a tried rate is beyond.

    Arguments:
        ends: the lowest and the highest learning rate of the range.
        best: the best learning rates, which should be well inside.
        tried: the learning rates that must be inside.
    """
    low, high = ends
    margin = (high / low) ** EDGE

    # Without any rate, neither end is moved.
    lowest_best = min(best, default=high)
    lowest_tried = min(tried, default=high)
    if lowest_best < low * margin or lowest_tried < low:
        low = min(low, max(low / 10, WIDEST[0]))

    highest_best = max(best, default=0.0)
    highest_tried = max(tried, default=0.0)
    if highest_best > high / margin or highest_tried > high:
        high = max(high, min(high * 10, WIDEST[1]))
    return low, high
