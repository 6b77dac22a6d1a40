"""Which round of a search comes next, and which arms it is about: pure functions of the history.

A search opens with the model as it is and each technique alone. It gives every technique as many
trials as the model, and a training to its end, explores combinations, and tunes the learning rates
of the leading arms.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Sequence

from advisor.search.arm import Arm, count_changes
from advisor.search.history import ArmKey, History
from advisor.search.plan import Plan
from advisor.search.trial import Round, Stage, Trial
from advisor.study import Study
from advisor.technique import KEEP

QUOTA = 3
"""Trials that every technique and the model as it is get before anything else is tried."""
FAIR_SHARE = 0.6
"""The quota is lowered, for all alike, where it would take more than this share of the trials."""
LEADERS = 3
"""Arms besides the model as it is whose learning rate is tuned at the end."""
TUNE_SHARE = 0.4
"""The share of the trials after the quota that tunes the leaders and the model as it is."""
MANY = 64
"""Trials of a round that take seconds to ask for."""


def begins_ahead(current: Round, study: Study) -> bool:
    """Whether the first trials of a round are begun while the others are asked for.

    That is so where there are many combinations, and no limit of time, at which what is begun would
    have to be taken back.
    """
    return current.stage == Stage.EXPLORE and current.size >= MANY and study.minutes is None


def next_round(history: History, total: int) -> Round | None:
    """The round that is under way, else the next one, or None when all `total` trials are over."""
    for trial in history.trials:
        if trial.is_running:
            return trial.round

    start = len(history.trials)
    left = trials_in_all(history.plan, total) - start
    if left <= 0:
        return None
    # No round goes beyond the trial that opens with a technique which joined.
    ahead = [number - start for number in history.plan.openers() if number > start]
    for stage, size in sizes_of_stages(history, total):
        if size > 0:
            until = left if stage is Stage.OPEN else min([left, *ahead])
            return Round(stage, start, min(size, until))
    return None


def trials_in_all(plan: Plan, total: int) -> int:
    """How many trials a search has for which `total` are asked.

    There are more where techniques joined it when it had as good as none left: each of them gets as
    many as there were for each arm by then, and one for a training to its end.
    """
    before = 0
    for generation in plan.generations():
        start = min(generation)
        if before:
            total = max(total, start + len(generation) * (math.ceil(start / before) + 1))
        before += len(generation)
    return total


def sizes_of_stages(history: History, total: int) -> Iterator[tuple[Stage, int]]:
    """The stages in order, each with the number of trials that it still wants.

    The number is zero or negative for a stage that has had its trials.
    """
    start = len(history.trials)
    in_all = trials_in_all(history.plan, total)

    # Each technique alone; then those that could not train alone, each beside a partner.
    for generation in history.plan.generations():
        if start in generation:
            yield Stage.OPEN, max(generation) + 1 - start
    yield Stage.JOIN, len(untried_joined_arms(history, start))

    # Where no rate can be tried, the same arm would give the same training again.
    if history.plan.has_own_rate:
        yield Stage.EXPLORE, in_a_round(history.plan, new_arms(history, in_all - start))
        return

    # One more trial for every arm that has not met the quota, or joined and had fewer than others.
    quota, usual = trials_for_each(history, total), usual_trials(history)
    behind = 0
    for arm, count in arms_in_turn(history):
        behind += count < max(quota, usual.get(history.key(arm), 0))
    yield Stage.FAIR, behind

    # A technique that was cut each time would be judged by its first epochs.
    yield Stage.WHOLE, len(unfinished_arms(history))

    # Combinations, until only the trials are left that tune.
    left = in_all - tuning_trials(history, in_all) - start
    yield Stage.EXPLORE, in_a_round(history.plan, left)

    # A step up and a step down the ladder for each arm; then the leaders are chosen again.
    arms = 1 + len(leaders(history))
    yield Stage.TUNE, 2 * arms


def in_a_round(plan: Plan, left: int) -> int:
    """How many of so many combinations are asked together: also the one that would be left over,
    which a round of its own would compare with nothing.
    """
    usual = plan.asked_together
    return left if left <= usual + 1 else usual


def new_arms(history: History, left: int) -> int:
    """How many of the trials that are left could be other trainings, where the learning rate is not
    searched.

    Without a parameter of a technique's own that may vary they are the arms that were not tried.
    """
    plan = history.plan
    if any(not each.single() for each in plan.space.values()):
        return left
    tried = {tuple(trial.asked_arm[slot] for slot in plan.options) for trial in history.trials}
    return min(left, math.prod(map(len, plan.options.values())) - len(tried))


def arms_in_turn(history: History, before: int | None = None) -> list[tuple[Arm, int]]:
    """As `arms_by_trials`, but first those of techniques that joined and have had fewer trials than
    was usual for the arms before them.
    """
    usual = usual_trials(history)
    arms = arms_by_trials(history, before)
    return sorted(arms, key=lambda pair: pair[1] >= usual.get(history.key(pair[0]), 0))


def usual_trials(history: History) -> dict[ArmKey, int]:
    """For each arm of a technique that joined, the trials that the arms before it had had alone.

    It is not more than there are trials for it, as `trials_in_all` counts them.
    """
    usual: dict[ArmKey, int] = {}
    first, *later = history.plan.generations()
    opened = len(first)
    for generation in later:
        start = min(generation)
        had = [count for arm, count in arms_by_trials(history, start) if count_changes(arm)]
        for arm in judged_of(history, generation) if had else ():
            usual[history.key(arm)] = min(statistics.median_low(had), math.ceil(start / opened))
        opened += len(generation)
    return usual


def trials_for_each(history: History, total: int) -> int:
    """How many trials each technique and the model as it is get before combinations are tried.

    Techniques that joined later are not counted: they change nothing for those before them.
    """
    first, *later = history.plan.generations()
    end = min(later[0]) if later else None
    opened = len(first) + len(joined_arms(history, end))
    # Techniques that further trials cannot change use up nothing of the share.
    trained = 0
    for trial in history.trials[:opened]:
        if not trial.is_final:
            trained += 1

    # Each arm has one trial; the rest of the share is for further ones.
    arms = len(arms_by_trials(history, before=opened if end is None else min(opened, end)))
    further = (FAIR_SHARE * total - trained) / max(1, arms)
    quota = 1 + math.floor(further)
    return max(1, min(QUOTA, quota))


def tuning_trials(history: History, total: int) -> int:
    """How many of `total` trials tune: a share of those that come after the quota is met.

    Of the trials before techniques joined none is counted: those that come after are shared anew.
    """
    before = 0
    begun = min(history.plan.generations()[-1])
    for trial in history.trials:
        if trial.number < begun or trial.stage not in (Stage.EXPLORE, Stage.TUNE):
            before += 1
    return round((total - before) * TUNE_SHARE)


def leaders(history: History) -> list[Arm]:
    """The arms other than the model as it is with the best full trials, best first."""
    best = history.best_of_other_arms()
    return [trial.arm for trial in best[:LEADERS]]


def arms_by_trials(history: History, before: int | None = None) -> list[tuple[Arm, int]]:
    """Judged arms that can be tried again, with the number of their trials, fewest first.

    Only trials with a number below `before` count; None counts all.
    """
    end = len(history.trials) if before is None else before
    arms = []
    for arm in judged_arms(history, end):
        trials = [trial for trial in history.of_arm(arm) if trial.number < end]
        is_final = any(trial.is_final for trial in trials)
        if history.can_be_asked(arm) and not is_final:
            arms.append((arm, len(trials)))
    # Arms with equally many trials stay in the order of the plan.
    arms.sort(key=lambda arm_and_count: arm_and_count[1])
    return arms


def unfinished_arms(history: History, before: int | None = None) -> list[Arm]:
    """Judged arms that train, and that no trial has trained to its end.

    Only trials with a number below `before` count; None counts all.
    """
    arms = []
    for arm, count in arms_by_trials(history, before):
        trials = history.of_arm(arm)[:count]
        is_trained = any(trial.value is not None for trial in trials)
        had_its_turn = any(trial.is_complete or trial.stage is Stage.WHOLE for trial in trials)
        if is_trained and not had_its_turn:
            arms.append(arm)
    return arms


def joined_arms(history: History, before: int | None = None) -> list[Arm]:
    """The arms of techniques that could not train alone and are judged beside another one.

    `before` is as for `judged_arms`.
    """
    opened = list(history.plan.openers().values())
    judged = judged_arms(history, before)
    return [arm for arm in judged if count_changes(arm) > 1 and arm not in opened]


def untried_joined_arms(history: History, before: int) -> list[Arm]:
    """Those of them that no trial with a number below `before` was asked with."""
    asked = [trial.asked_arm for trial in history.trials[:before]]
    arms = joined_arms(history, before)
    return [arm for arm in arms if arm not in asked and history.can_be_asked(arm)]


def judged_arms(history: History, before: int | None = None) -> list[Arm]:
    """The model as it is, then for each technique the arm in which it is judged.

    That is the technique alone. Where it could not train alone, it is joined with the best
    technique of another slot: a signal that has died says nothing about an activation, which can be
    judged with weights that carry the signal.

    Techniques whose first trial has a number below `before` count; None counts all that were tried.
    """
    end = len(history.trials) if before is None else min(before, len(history.trials))
    arms = [history.plan.baseline]
    for generation in history.plan.generations():
        opened = [number for number in generation if number < end]
        arms += judged_of(history, opened)
    return arms


def judged_of(history: History, numbers: Iterable[int]) -> list[Arm]:
    """The arms in which the techniques are judged that trials of these numbers were first to try.

    The trials are all those of a generation. Partners are found among them and those before them.
    """
    opened = [number for number in numbers if number < len(history.trials)]
    known = [number for number in history.plan.openers() if opened and number <= max(opened)]
    partners = partners_among(history, [history.trials[number] for number in known])
    arms = []
    for number in opened:
        trial = history.trials[number]
        joined = None
        # Techniques that make a recipe are judged as it is.
        if trial.could_not_train and len(trial.techniques) == 1:
            joined = beside_best_partner(history, trial, partners)
        # The first of all is the model as it is.
        if number:
            arms.append(joined or trial.arm)
    return arms


def partners_among(history: History, first_trials: Sequence[Trial]) -> list[Trial]:
    """Trials of one technique that have a score, the best one last.

    A full training is better than one that was cut short, whatever their scores.
    """
    partners = []
    for trial in first_trials:
        if trial.value is not None and len(trial.techniques) == 1:
            partners.append(trial)
    partners.sort(key=lambda partner: (partner.is_complete, history.sign * partner.score))
    return partners


def beside_best_partner(history: History, trial: Trial, partners: Sequence[Trial]) -> Arm | None:
    """The trial's one technique beside the best one of another slot, or None where there is none.

    Arguments:
        history: the trials so far, with their plan.
        trial: the one that could not train, with one technique.
        partners: trials with a score, the best one last.
    """
    slot, name = trial.techniques[0]
    for partner in reversed(partners):
        pair = {**partner.arm, slot: name}
        if partner.arm[slot] == KEEP and not history.plan.conflicts(pair):
            return pair
    return None
