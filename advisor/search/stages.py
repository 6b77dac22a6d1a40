"""The course of a search: which round comes next, what its trials are, and which of them go on.

Every function here is a pure function of the history.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

from optuna.distributions import FloatDistribution

from advisor.search.arm import Arm, count_changes
from advisor.search.history import History
from advisor.search.plan import DECAY, RATE, Plan
from advisor.search.trial import Round, Stage, Trial
from advisor.technique import KEEP
from advisor.training.epoch import Epoch

QUOTA = 3
"""Trials that every technique and the model as it is get before anything else is tried."""
FAIR_SHARE = 0.6
"""They get fewer, equally many, where the quota would take more than this share of all trials."""
ROUND = 8
"""Trials in a round of exploration: they are asked together and compared with each other."""
LEADERS = 3
"""Arms besides the model as it is whose learning rate is tuned at the end."""
TUNE_SHARE = 0.4
"""The share of the trials after the quota that tunes the leaders and the model as it is."""
LADDER = tuple(10**step for step in (0, 0.5, -0.5, 0.25, -0.25, 1, -1, 0.75, -0.75, 1.5, -1.5))
"""Learning rates to try, in this order, as multiples of where an arm starts."""
SAME_RATE = math.log(10) / 10
"""Learning rates whose logarithms differ by less count as the same."""
EDGE = 0.05
"""A best learning rate within this share of the range from its end, in logarithms, widens it."""
WIDEST = (1e-6, 10.0)
"""The range of learning rates is widened tenfold at a time, but not beyond these."""
LOSS_MARGIN = 1.1
"""A training is given up when its early loss is this many times that of every good trial."""
LOSSES_NEEDED = 3
"""Good trials that there must be before a training is given up by its early loss."""


# --- which round comes next ---------------------------------------------------------------------


def next_round(history: History, total: int) -> Round | None:
    """The round that is under way, else the next one, or None when all `total` trials are over."""
    for trial in history.trials:
        if trial.is_running:
            return trial.round
    start = len(history.trials)
    for stage, size in _sizes(history, total):
        if size > 0 and start < total:
            return Round(stage, start, min(size, total - start))
    return None


def _sizes(history: History, total: int) -> Iterator[tuple[Stage, int]]:
    """The stages in order, each with the number of trials that it still wants."""
    start = len(history.trials)
    openers = len(history.plan.each_technique())
    yield Stage.OPEN, openers - start
    yield Stage.JOIN, openers + len(joined_arms(history)) - start

    quota = _quota(history, total)
    yield Stage.FAIR, sum(count < quota for _, count in arms_by_trials(history))

    searched = (Stage.EXPLORE, Stage.TUNE)
    before = sum(trial.stage not in searched for trial in history.trials)
    tuning = round((total - before) * TUNE_SHARE)
    yield Stage.EXPLORE, min(ROUND, total - tuning - start)

    # A step up and a step down the ladder for each arm; then the leaders are chosen again.
    yield Stage.TUNE, 2 * (1 + len(leaders(history)))


def _quota(history: History, total: int) -> int:
    """How many trials each technique and the model as it is get before combinations are tried."""
    plan = history.plan
    opened = len(plan.each_technique()) + len(joined_arms(history))
    # Trials that were not trained took no time, so they use up nothing of the share.
    trained = sum(not trial.is_decided for trial in history.trials[:opened])
    arms = len(arms_by_trials(history, before=opened))
    rounds = (FAIR_SHARE * total - trained) / max(1, arms)
    return max(1, min(QUOTA, 1 + math.floor(rounds)))


# --- the arm in which each technique is judged ----------------------------------------------------


def judged_arms(history: History) -> list[Arm]:
    """The model as it is, then for each technique the arm in which it is judged.

    That is the technique alone. Where it could not train alone, it is joined with the best
    technique
    of another slot: a signal that has died says nothing about an activation, which can be judged
    with weights that carry the signal.
    """
    plan = history.plan
    opening = history.trials[: len(plan.each_technique())]
    partners = [trial for trial in opening if trial.value is not None and trial.techniques]
    partners.sort(key=lambda trial: (trial.is_complete, history.sign * trial.score))
    arms = [plan.baseline]
    for trial in opening[1:]:
        arm = trial.arm
        if trial.could_not_train:
            arm = _with_best_partner(plan, trial, partners) or arm
        arms.append(arm)
    return arms


def _with_best_partner(plan: Plan, trial: Trial, partners: Sequence[Trial]) -> Arm | None:
    """The trial's technique beside the best one of another slot; the last partner is the best."""
    slot, name = trial.techniques[0]
    for partner in reversed(partners):
        pair = {**partner.arm, slot: name}
        if partner.arm[slot] == KEEP and not plan.conflicts(pair):
            return pair
    return None


def joined_arms(history: History) -> list[Arm]:
    """The arms of techniques that could not train alone and are judged beside another one."""
    return [arm for arm in judged_arms(history) if count_changes(arm) > 1]


def arms_by_trials(history: History, before: int | None = None) -> list[tuple[Arm, int]]:
    """Judged arms that can be tried again, with the number of their trials, fewest first.

    Only trials with a number below `before` count; None counts all.
    """
    arms = []
    for arm in judged_arms(history):
        trials = history.of_arm(arm)
        if before is not None:
            trials = [trial for trial in trials if trial.number < before]
        if history.can_be_asked(arm) and not any(trial.is_decided for trial in trials):
            arms.append((arm, len(trials)))
    return sorted(arms, key=lambda pair: pair[1])


def leaders(history: History) -> list[Arm]:
    """The arms other than the model as it is with the best full trials, best first."""
    return [trial.arm for trial in history.best_of_other_arms()[:LEADERS]]


# --- what a trial is, before the sampler fills in the rest ----------------------------------------


def decided(history: History, current: Round) -> dict[str, Any]:
    """Choices and parameters that are decided for the next trial of the round."""
    plan = history.plan
    number = len(history.trials)
    if current.stage in (Stage.OPEN, Stage.JOIN):
        arm = [*plan.each_technique(), *joined_arms(history)][number]
        return {**arm, **plan.defaults_of(arm)}
    if current.stage == Stage.FAIR:
        arm, _ = arms_by_trials(history, before=current.start)[number - current.start]
        rate = _next_rate(plan, history.of_arm(arm), plan.first[RATE])
        return {**arm, **plan.defaults_of(arm), **rate}
    if current.stage == Stage.TUNE:
        return _tuned(history)

    # An exploration takes turns; in the third turn the sampler decides everything.
    turn = number % 3
    if turn == 0:
        return _untried_pair(history)
    return _least_tried(history) if turn == 1 else {}


def _untried_pair(history: History) -> dict[str, Any]:
    """The best arm with a technique, with the best technique of another slot added, if untried."""
    plan = history.plan
    best: dict[tuple[str, str], Trial] = {}
    for trial in history.best_of_each_arm():
        for technique in trial.techniques:
            if technique not in plan.absent:
                best.setdefault(technique, trial)

    ranks = {technique: rank for rank, technique in enumerate(best)}
    pairs = combinations(best, 2)
    for one, (slot, name) in sorted(pairs, key=lambda pair: ranks[pair[0]] + ranks[pair[1]]):
        arm = {**best[one].arm, slot: name}
        is_open = not history.of_arm(arm) and not plan.conflicts(arm)
        if slot != one[0] and is_open and history.can_be_asked(arm):
            return {**arm, RATE: best[one].params[RATE]}
    return {}


def _least_tried(history: History) -> dict[str, Any]:
    """The technique with the fewest trials, so that none is judged on less than the others."""
    plan = history.plan
    candidates = [
        (slot, name)
        for slot, name in plan.techniques
        if (slot, name) not in plan.absent and not history.is_exhausted(slot, name)
    ]
    if not candidates:
        return {}
    slot, name = min(candidates, key=lambda technique: history.times_asked(*technique))
    return {slot: name}


def _tuned(history: History) -> dict[str, Any]:
    """The next learning rate for the leading arm, or the model as it is, that has the fewest
    trials.

    It climbs: the rates around the best one so far are tried in the order of the ladder.
    """
    plan = history.plan
    arms = [plan.baseline, *leaders(history)]
    arm = min(arms, key=lambda each: len(history.of_arm(each)))
    trials = history.of_arm(arm)

    params = plan.defaults_of(arm)
    scored = [trial for trial in trials if trial.value is not None]
    if scored:
        best = max(scored, key=lambda trial: (trial.is_complete, history.sign * trial.score))
        for name in plan.parameters_of(arm):
            if name in best.params and name != DECAY:
                params[name] = best.params[name]

    rate = _next_rate(plan, trials, params[RATE])
    return {**arm, **params, **rate} if rate else dict(arm)


def _next_rate(plan: Plan, trials: Sequence[Trial], start: float) -> dict[str, float]:
    """The next untried learning rate around `start`, below those at which the loss broke."""
    space = plan.space[RATE]
    tried = [trial.params[RATE] for trial in trials]
    broken = [trial.params[RATE] for trial in trials if _loss_broke(trial)]
    for factor in LADDER:
        rate = start * factor
        is_allowed = space._contains(rate) and rate < min(broken, default=math.inf)
        if is_allowed and all(abs(math.log(rate / other)) > SAME_RATE for other in tried):
            return {RATE: rate}
    return {}


def _loss_broke(trial: Trial) -> bool:
    """Whether the training itself failed; in an exploration it may just have been worse."""
    return trial.could_not_train and trial.stage != Stage.EXPLORE


def with_widened_rates(history: History) -> Plan:
    """The plan with a range of learning rates that holds the best ones well inside.

    These are the best rates of the model as it is and of the leaders. Rates that were tried are
    always inside, so the range never shrinks.
    """
    plan = history.plan
    space = plan.space[RATE]
    if not isinstance(space, FloatDistribution):
        raise TypeError(f"{RATE} must be drawn from a range of floats, got {space}")

    arms = [plan.baseline, *leaders(history)]
    best = [trial.params[RATE] for trial in history.best_of_each_arm() if trial.arm in arms]
    tried = list(history.tried_rates or ())
    ends = (space.low, space.high)
    wider = _wider(ends, best, tried)
    while wider != ends:
        ends, wider = wider, _wider(wider, best, tried)
    return replace(plan, space={**plan.space, RATE: FloatDistribution(*ends, log=True)})


def _wider(
    ends: tuple[float, float], best: Sequence[float], tried: Sequence[float]
) -> tuple[float, float]:
    low, high = ends
    margin = (high / low) ** EDGE
    below = any(rate < low * margin for rate in best) or any(rate < low for rate in tried)
    above = any(rate > high / margin for rate in best) or any(rate > high for rate in tried)
    if below:
        low = min(low, max(low / 10, WIDEST[0]))
    if above:
        high = max(high, min(high * 10, WIDEST[1]))
    return low, high


# --- which trials go on ---------------------------------------------------------------------------


def survivors(plan: Plan, current: Round, ranked: Sequence[tuple[Trial, float]]) -> set[int]:
    """Numbers of the trials that go on from a rung.

    `ranked` holds the round's trials with their scores, *higher is better*, best first. A third of
    them goes on in an exploration, else half. Outside explorations the model as it is goes on, too:
    all its trials while techniques are judged, its best one while rates are tuned. While techniques
    are judged, so does the best of each slot: a slow starter is not cut by another's curve.
    """
    share = 3 if current.stage == Stage.EXPLORE else 2
    most = max(2, math.ceil(len(ranked) / share))
    kept = {trial.number for trial, _ in ranked[:most]}
    if current.stage == Stage.EXPLORE:
        return kept

    baseline = [trial.number for trial, _ in ranked if trial.arm == plan.baseline]
    if current.stage == Stage.TUNE:
        return kept.union(baseline[:1])
    kept.update(baseline)
    for slot in plan.options:
        with_technique = [trial.number for trial, _ in ranked if trial.arm[slot] != KEEP]
        kept.update(with_technique[:1])
    return kept


def loss_limit(history: History, current: Round) -> float | None:
    """The training loss before step 20 above which a trial of the round is given up, or None.

    It is a tenth above the worst early loss among the better half of the earlier full trials. Only
    explorations have one: elsewhere a low learning rate, which starts slowly, must be judged, too.
    """
    if current.stage != Stage.EXPLORE:
        return None
    full = history.full_trials(before=current.start)
    better_half = full[: len(full) // 2]
    losses = [trial.early_loss for trial in better_half if trial.early_loss is not None]
    if len(losses) < LOSSES_NEEDED or max(losses) <= 0:
        return None
    return LOSS_MARGIN * max(losses)


def is_same_training(one: Sequence[Epoch], other: Sequence[Epoch]) -> bool:
    """Whether two trainings from one seed are the same computation, by the epochs that both have.

    Rounding may differ and grows with time: the losses agree to a millionth after the first epoch
    and to a thousandth later.
    """
    pairs = list(zip(one, other, strict=False))
    for index, (mine, theirs) in enumerate(pairs):
        tolerance = 1e-3 if index else 1e-6
        if abs(mine.loss - theirs.loss) > tolerance * abs(theirs.loss):
            return False
    return bool(pairs)
