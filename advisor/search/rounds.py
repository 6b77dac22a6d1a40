"""The course of a search, as pure functions of the trials so far: which round comes next, what it asks, who goes on."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from advisor.search.plan import DECAY, RATE, Choices, Plan
from advisor.search.sampler import choices_of
from advisor.technique import KEEP

OPEN, JOIN, EXPLORE, TUNE = "open", "join", "explore", "tune"
ROUND = 8
"""Trials in a round of exploration: they are asked together and compared with each other."""
LEADERS = 3
"""Arms besides the baseline whose learning rate is tuned at the end."""
TUNE_SHARE = 0.4
"""Share of the trials after the opening that tunes the leaders and the baseline."""
LADDER = (1.0, 10**0.5, 10**-0.5, 10.0, 0.1, 10**0.25, 10**-0.25, 10**1.5)
"""Learning rates that every leading arm and the baseline are tried with, in this order, as multiples of the first one."""

Curve = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Round:
    """Trials `start` to `start + size - 1`, asked together."""

    stage: str
    start: int
    size: int


def next_round(plan: Plan, trials: Sequence[FrozenTrial], total: int) -> Round | None:
    """The round that is under way, else the next one, or None when the study has its total of trials."""
    running = [trial for trial in trials if trial.state == TrialState.RUNNING]
    if running:
        first = running[0].user_attrs
        return Round(first["stage"], first["round"], first["size"])
    start, openers = len(trials), len(plan.alone())
    if start >= total:
        return None
    if start < openers:
        return Round(OPEN, start, min(openers, total) - start)
    openers += len(joined(plan, trials))
    if start < openers:
        return Round(JOIN, start, min(openers, total) - start)
    reserve = round((total - openers) * TUNE_SHARE)
    if start < total - reserve:
        return Round(EXPLORE, start, min(ROUND, total - reserve - start))
    return Round(TUNE, start, min(math.ceil(reserve / 2), total - start))


def joined(plan: Plan, trials: Sequence[FrozenTrial], sign: float = 1.0) -> list[Choices]:
    """What a technique is tried with that was hopeless alone: the best technique of another slot.

    A signal that has collapsed says nothing about an activation; with weights that carry the signal it can be judged.
    """
    opening = trials[: len(plan.alone())]
    untrained = [trial for trial in opening if trial.value is None and trial.user_attrs.get("ended") == "hopeless"]
    trained = [trial for trial in opening if trial.value is not None and changes(choices_of(plan, trial.params))]
    trained.sort(key=lambda trial: (trial.state == TrialState.COMPLETE, sign * _value(trial)))
    found = []
    for arm in (choices_of(plan, trial.params) for trial in untrained):
        slot = next(slot for slot, name in arm.items() if name != KEEP)
        pairs = [{**choices_of(plan, trial.params), slot: arm[slot]} for trial in trained if trial.params[slot] == KEEP]
        pairs = [pair for pair in pairs if not plan.settled(pair)]
        found.extend(pairs[-1:])
    return found


def fixed(plan: Plan, current: Round, trials: Sequence[FrozenTrial], sign: float) -> dict[str, Any]:
    """What is decided about the next trial before the sampler fills in the rest."""
    index = len(trials)
    if current.stage in (OPEN, JOIN):
        choices = [*plan.alone(), *joined(plan, trials, sign)][index]
        return {**choices, **plan.defaults_of(choices)}
    if current.stage == EXPLORE:
        return {} if index % 2 else _least_tried(plan, trials)
    return _tuned(plan, current, trials, sign)


def _least_tried(plan: Plan, trials: Sequence[FrozenTrial]) -> dict[str, Any]:
    """The technique with the fewest trials, so that none is judged on less than the others."""
    counts = Counter((slot, trial.params.get(slot)) for trial in trials for slot in plan.options)
    changed = [(slot, name) for slot, names in plan.options.items() for name in names if name != KEEP]
    changed = [pair for pair in changed if pair not in plan.absent]
    if not changed:
        return {}
    slot, name = min(changed, key=lambda pair: counts[pair])
    return {slot: name}


def _tuned(plan: Plan, current: Round, trials: Sequence[FrozenTrial], sign: float) -> dict[str, Any]:
    """The next learning rate of the ladder for the leading arm, or the baseline, that has had the fewest trials."""
    arms = [plan.baseline, *leaders(plan, trials[: current.start], sign)]
    tried = [[trial for trial in trials if choices_of(plan, trial.params) == arm] for arm in arms]
    arm, own = min(zip(arms, tried, strict=True), key=lambda pair: len(pair[1]))
    best = max(
        (trial for trial in own if trial.value is not None),
        key=lambda t: (t.state == TrialState.COMPLETE, sign * _value(t)),
        default=None,
    )
    params = {**plan.defaults_of(arm), **(_own(plan, arm, best.params) if best else {})}
    rates = [trial.params[RATE] for trial in own]
    for factor in LADDER:
        rate = plan.first[RATE] * factor
        if _inside(plan, rate) and all(abs(math.log(rate / other)) > 0.2 for other in rates):
            return {**arm, **params, RATE: rate}
    return dict(arm)


def _inside(plan: Plan, rate: float) -> bool:
    distribution = plan.space[RATE]
    return bool(distribution._contains(rate))


def _own(plan: Plan, arm: Choices, params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: params[name] for name in plan.parameters_of(arm) if name in params and name != DECAY}


def leaders(plan: Plan, trials: Sequence[FrozenTrial], sign: float, most: int = LEADERS) -> list[Choices]:
    """The arms other than the baseline with the best full trials, best first."""
    best = best_by_arm(plan, trials, sign)
    return [arm for arm, _ in best if arm != plan.baseline][:most]


def best_by_arm(plan: Plan, trials: Sequence[FrozenTrial], sign: float) -> list[tuple[Choices, FrozenTrial]]:
    """Each arm that has a full trial, with its best one, best arm first; ties go to fewer changes, then to the earlier trial."""
    found: dict[tuple[str, ...], FrozenTrial] = {}
    for trial in trials:
        if trial.state != TrialState.COMPLETE or trial.value is None:
            continue
        key = tuple(choices_of(plan, trial.params).values())
        if key not in found or sign * _value(trial) > sign * _value(found[key]):
            found[key] = trial
    pairs = [(choices_of(plan, trial.params), trial) for trial in found.values()]
    return sorted(pairs, key=lambda pair: (-sign * _value(pair[1]), changes(pair[0]), pair[1].number))


def changes(choices: Choices) -> int:
    """How many slots are not `keep`."""
    return sum(name != KEEP for name in choices.values())


def _value(trial: FrozenTrial) -> float:
    assert trial.value is not None  # callers hold finished trials
    return trial.value


def score(curve: Curve, epoch: int) -> float:
    """The score of a trial after `epoch`: the mean over the last third of its epochs, at most three.

    Never the best epoch, which is biased upwards; the mean halves the seeds that a comparison needs.
    """
    known = [row["score"] for row in curve if row["epoch"] <= epoch]
    last = known[-max(1, min(3, len(known) // 3)) :]
    return float(sum(last) / len(last))


def survivors(plan: Plan, current: Round, ranked: Sequence[tuple[FrozenTrial, float]]) -> set[int]:
    """Numbers of the trials that go on from a rung. `ranked` holds trials with their score, *higher is better*, best first.

    The first trial, the user's model as it is, always goes on. In the openings half go on, and the best of each slot, so
    that a slow starter is not cut by another's curve; later a third, at least two; while arms are tuned, two of each.
    """
    if current.stage == TUNE:
        groups = [choices_of(plan, trial.params) for trial, _ in ranked]
        return {trial.number for i, (trial, _) in enumerate(ranked) if groups[:i].count(groups[i]) < 2}
    opening = current.stage in (OPEN, JOIN)
    share = 2 if opening else 3
    kept = {trial.number for trial, _ in ranked[: max(2, math.ceil(len(ranked) / share))]}
    if opening:
        kept.add(0)
        for slot in plan.options:
            kept |= {trial.number for trial, _ in [pair for pair in ranked if pair[0].params[slot] != KEEP][:1]}
    return kept


def hopeless(trials: Sequence[FrozenTrial], curves: Mapping[int, Curve], sign: float) -> float | None:
    """A training loss before step 20 that no good trial had: a tenth above the worst in the better half of the full trials."""
    full = [trial for trial in trials if trial.state == TrialState.COMPLETE and trial.value is not None]
    full.sort(key=lambda trial: -sign * _value(trial))
    losses = [
        row["early_loss"]
        for trial in full[: len(full) // 2]
        for row in curves.get(trial.number, ())
        if row["early_loss"] is not None
    ]
    return 1.1 * max(losses) if len(losses) >= 3 and max(losses) > 0 else None
