"""The course of a search, as pure functions of the trials so far: which round comes next, what it
asks, who goes on.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState

from advisor.search.plan import DECAY, RATE, Choices, Plan
from advisor.search.sampler import choices_of
from advisor.technique import KEEP
from advisor.work.job import NOT_TRAINED

OPEN, JOIN, FAIR, EXPLORE, TUNE = "open", "join", "fair", "explore", "tune"
TWIN = "twin"
"""Attribute of a trial whose technique gave the same numbers as the user's model."""
QUOTA = 3
"""Trials that every technique and the baseline get before anything else is tried,"""
FAIR_SHARE = 0.6
"""or fewer, equally many, where that would take more than this share of all trials."""
ROUND = 8
"""Trials in a round of exploration: they are asked together and compared with each other."""
LEADERS = 3
"""Arms besides the baseline whose learning rate is tuned at the end."""
TUNE_SHARE = 0.4
"""Share of the trials after the quota that tunes the leaders and the baseline."""
LADDER = tuple(
    10**step for step in (0.0, 0.5, -0.5, 0.25, -0.25, 1.0, -1.0, 0.75, -0.75, 1.5, -1.5)
)
"""Learning rates to try, in this order: multiples of the first one for the quota, of an arm's best
one when it is tuned.
"""
SAME = math.log(10) / 10
"""Learning rates that differ by less, in logarithms, count as the same."""
EDGE = 0.05
"""A best learning rate within this share of the range from its end, in logarithms, widens the range
tenfold,
"""
WIDEST = (1e-6, 10.0)
"""and again, but not beyond these."""


@dataclass(frozen=True)
class Round:
    """Trials `start` to `start + size - 1`, asked together."""

    stage: str
    start: int
    size: int


def next_round(
    plan: Plan, trials: Sequence[FrozenTrial], total: int, sign: float = 1.0
) -> Round | None:
    """The round that is under way, else the next one, or None when the study has its total of
    trials.
    """
    running = [trial for trial in trials if trial.state == TrialState.RUNNING]
    if running:
        first = running[0].user_attrs
        return Round(first["stage"], first["round"], first["size"])
    start = len(trials)
    if start >= total:
        return None
    return next(
        Round(stage, start, min(size, total - start))
        for stage, size in _due(plan, trials, total, sign)
        if size > 0
    )


def _due(
    plan: Plan, trials: Sequence[FrozenTrial], total: int, sign: float
) -> Iterator[tuple[str, int]]:
    """The stages in order, each with the trials that it still wants."""
    start, openers = len(trials), len(plan.alone())
    yield OPEN, openers - start
    yield JOIN, openers + len(joined(plan, trials, sign)) - start
    wanted = quota(plan, trials, total, sign)
    yield FAIR, sum(count < wanted for _, count in by_trials(plan, trials, sign))
    given = sum(trial.user_attrs.get("stage") not in (EXPLORE, TUNE) for trial in trials)
    yield EXPLORE, min(ROUND, total - round((total - given) * TUNE_SHARE) - start)
    yield (
        TUNE,
        2 * (1 + len(leaders(plan, trials, sign))),
    )  # a step up and one down for each, then look again


def homes(plan: Plan, trials: Sequence[FrozenTrial], sign: float) -> list[Choices]:
    """The baseline, and then the arm in which each technique is judged: alone, or joined where it
    was hopeless alone.
    """
    opening = trials[: len(plan.alone())]
    trained = [
        trial
        for trial in opening
        if trial.value is not None and changes(choices_of(plan, trial.params))
    ]
    trained.sort(key=lambda trial: (trial.state == TrialState.COMPLETE, sign * _value(trial)))
    return [plan.baseline, *(_home(plan, trial, trained) for trial in opening[1:])]


def _home(plan: Plan, trial: FrozenTrial, trained: Sequence[FrozenTrial]) -> Choices:
    """The technique with the best technique of another slot where it was hopeless alone.

    A signal that has collapsed says nothing about an activation; with weights that carry the signal
    it can be judged.
    """
    arm = choices_of(plan, trial.params)
    if trial.value is not None or trial.user_attrs.get("ended") != "hopeless":
        return arm
    slot = next(slot for slot, name in arm.items() if name != KEEP)
    pairs = [
        {**choices_of(plan, other.params), slot: arm[slot]}
        for other in trained
        if other.params[slot] == KEEP
    ]
    return [arm, *(pair for pair in pairs if not plan.settled(pair))][-1]


def joined(plan: Plan, trials: Sequence[FrozenTrial], sign: float = 1.0) -> list[Choices]:
    """The homes of those techniques that were hopeless alone and can be joined with another."""
    return [arm for arm in homes(plan, trials, sign) if changes(arm) > 1]


def quota(plan: Plan, trials: Sequence[FrozenTrial], total: int, sign: float) -> int:
    """How many trials the baseline and every technique get, each in its home; what a look has ended
    took no time.
    """
    opened = trials[: len(plan.alone()) + len(joined(plan, trials, sign))]
    trained = sum(not barred(trial) for trial in opened)
    room = (FAIR_SHARE * total - trained) / max(1, len(by_trials(plan, opened, sign)))
    return max(1, min(QUOTA, 1 + math.floor(room)))


def barred(trial: FrozenTrial) -> bool:
    """Whether no learning rate can change what a trial showed: it raised, a look at the model ended
    it, or it is a twin.
    """
    decided = trial.user_attrs.get("ended") == "failed" or trial.user_attrs.get(TWIN, False)
    return decided or (
        trial.value is None and str(trial.user_attrs.get("why")).startswith(NOT_TRAINED)
    )


def by_trials(plan: Plan, trials: Sequence[FrozenTrial], sign: float) -> list[tuple[Choices, int]]:
    """Homes that can be tried again, with the number of their trials, fewest first."""
    found = []
    for arm in homes(plan, trials, sign):
        own = of_arm(plan, trials, arm)
        if not any(map(barred, own)) and plan.absent.isdisjoint(arm.items()):
            found.append((arm, len(own)))
    return sorted(found, key=lambda pair: pair[1])


def of_arm(plan: Plan, trials: Sequence[FrozenTrial], arm: Choices) -> list[FrozenTrial]:
    """The trials of an arm."""
    return [trial for trial in trials if choices_of(plan, trial.params) == arm]


def fixed(plan: Plan, current: Round, trials: Sequence[FrozenTrial], sign: float) -> dict[str, Any]:
    """What is decided about the next trial before the sampler fills in the rest."""
    index = len(trials)
    if current.stage in (OPEN, JOIN):
        choices = [*plan.alone(), *joined(plan, trials, sign)][index]
        return {**choices, **plan.defaults_of(choices)}
    if current.stage == FAIR:
        arm, _ = by_trials(plan, trials[: current.start], sign)[index - current.start]
        return {
            **arm,
            **plan.defaults_of(arm),
            **_next_rate(plan, of_arm(plan, trials, arm), plan.first[RATE]),
        }
    if (
        current.stage == EXPLORE
    ):  # in turn: what leads in two slots, what had the fewest trials, and as the sampler likes
        return [_together(plan, trials, sign), _least_tried(plan, trials), {}][index % 3]
    return _tuned(plan, current, trials, sign)


def _together(plan: Plan, trials: Sequence[FrozenTrial], sign: float) -> dict[str, Any]:
    """The best arm with a technique, joined by the best technique of another slot, where that has
    not been tried.
    """
    best: dict[tuple[str, str], FrozenTrial] = {}
    for arm, trial in best_by_arm(plan, trials, sign):
        for slot, name in arm.items():
            if name != KEEP and (slot, name) not in plan.absent:
                best.setdefault((slot, name), trial)
    ranked = list(best)
    for one, (slot, name) in sorted(
        combinations(ranked, 2), key=lambda pair: sum(map(ranked.index, pair))
    ):
        arm = {**choices_of(plan, best[one].params), slot: name}
        known = (
            of_arm(plan, trials, arm)
            or plan.settled(arm)
            or not plan.absent.isdisjoint(arm.items())
        )
        if slot != one[0] and not known:
            return {**arm, RATE: best[one].params[RATE]}
    return {}


def _least_tried(plan: Plan, trials: Sequence[FrozenTrial]) -> dict[str, Any]:
    """The technique with the fewest trials, so that none is judged on less than the others."""
    worth = Counter(
        (slot, trial.params[slot]) for trial in trials if not barred(trial) for slot in plan.options
    )
    counts = Counter((slot, trial.params[slot]) for trial in trials for slot in plan.options)
    changed = [
        (slot, name) for slot, names in plan.options.items() for name in names if name != KEEP
    ]
    changed = [
        pair for pair in changed if pair not in plan.absent and (worth[pair] or not counts[pair])
    ]
    if not changed:
        return {}
    slot, name = min(changed, key=lambda pair: counts[pair])
    return {slot: name}


def _tuned(
    plan: Plan, current: Round, trials: Sequence[FrozenTrial], sign: float
) -> dict[str, Any]:
    """The next learning rate for the leading arm, or the baseline, that has had the fewest trials:
    a climb on the ladder.
    """
    arms = [plan.baseline, *leaders(plan, trials[: current.start], sign)]
    arm, own = min(
        ((arm, of_arm(plan, trials, arm)) for arm in arms), key=lambda pair: len(pair[1])
    )
    scored = [trial for trial in own if trial.value is not None]
    best = max(
        scored, key=lambda t: (t.state == TrialState.COMPLETE, sign * _value(t)), default=None
    )
    params = {**plan.defaults_of(arm), **(_own(plan, arm, best.params) if best else {})}
    rate = _next_rate(plan, own, params[RATE])
    return {**arm, **params, **rate} if rate else dict(arm)


def _next_rate(plan: Plan, own: Sequence[FrozenTrial], start: float) -> dict[str, float]:
    """The next untried learning rate around `start`, below those at which the arm's loss became
    infinite.
    """
    tried = [trial.params[RATE] for trial in own]
    most = min((trial.params[RATE] for trial in own if _broke(trial)), default=math.inf)
    rates = [
        start * factor
        for factor in LADDER
        if _inside(plan, start * factor) and start * factor < most
    ]
    new = [rate for rate in rates if all(abs(math.log(rate / other)) > SAME for other in tried)]
    return {RATE: new[0]} if new else {}


def _broke(trial: FrozenTrial) -> bool:
    """Whether the loss became infinite in the first epoch; in an exploration it may just have been
    worse than others'.
    """
    attributes = trial.user_attrs
    return (
        trial.value is None
        and attributes.get("ended") == "hopeless"
        and attributes.get("stage") != EXPLORE
    )


def _inside(plan: Plan, rate: float) -> bool:
    return bool(plan.space[RATE]._contains(rate))


def _own(plan: Plan, arm: Choices, params: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: params[name] for name in plan.parameters_of(arm) if name in params and name != DECAY
    }


def widened(plan: Plan, trials: Sequence[FrozenTrial], sign: float) -> Plan:
    """The plan with a range of learning rates that has the best ones of the baseline and the
    leaders well inside.

    Rates that have been tried are always inside, so the range never shrinks.
    """
    arms = [plan.baseline, *leaders(plan, trials, sign)]
    best = [trial.params[RATE] for arm, trial in best_by_arm(plan, trials, sign) if arm in arms]
    space = plan.space[RATE]
    assert isinstance(space, FloatDistribution)  # as the plan makes it
    ends, before = (space.low, space.high), None
    while ends != before:
        ends, before = _wider(ends, best, [trial.params[RATE] for trial in trials]), ends
    return replace(plan, space={**plan.space, RATE: FloatDistribution(*ends, log=True)})


def _wider(
    ends: tuple[float, float], best: Sequence[float], tried: Sequence[float]
) -> tuple[float, float]:
    low, high = ends
    margin = (high / low) ** EDGE
    down = any(rate < low * margin for rate in best) or any(rate < low for rate in tried)
    up = any(rate > high / margin for rate in best) or any(rate > high for rate in tried)
    return min(low, max(low / 10, WIDEST[0])) if down else low, max(
        high, min(high * 10, WIDEST[1])
    ) if up else high


def leaders(
    plan: Plan, trials: Sequence[FrozenTrial], sign: float, most: int = LEADERS
) -> list[Choices]:
    """The arms other than the baseline with the best full trials, best first; none that is another
    one under a second name.
    """
    alike = twins(trials)
    best = [
        arm
        for arm, _ in best_by_arm(plan, trials, sign)
        if arm != plan.baseline and alike.isdisjoint(arm.items())
    ]
    return best[:most]


def best_by_arm(
    plan: Plan, trials: Sequence[FrozenTrial], sign: float
) -> list[tuple[Choices, FrozenTrial]]:
    """Each arm that has a full trial, with its best one, best arm first; ties go to fewer changes,
    then to the earlier trial.
    """
    found: dict[tuple[str, ...], FrozenTrial] = {}
    for trial in trials:
        if trial.state != TrialState.COMPLETE or trial.value is None:
            continue
        key = tuple(choices_of(plan, trial.params).values())
        if key not in found or sign * _value(trial) > sign * _value(found[key]):
            found[key] = trial
    pairs = [(choices_of(plan, trial.params), trial) for trial in found.values()]
    return sorted(
        pairs, key=lambda pair: (-sign * _value(pair[1]), changes(pair[0]), pair[1].number)
    )


def twins(trials: Sequence[FrozenTrial]) -> set[tuple[str, str]]:
    """Techniques, as slot and name, that compute what the user's model computes already."""
    found = [slots_of(trial.params) for trial in trials if trial.user_attrs.get(TWIN)]
    return {(slot, name) for choices in found for slot, name in choices.items() if name != KEEP}


def slots_of(params: Mapping[str, Any]) -> Choices:
    """The technique in each slot, also in slots that no plugin brings any more."""
    return {slot: str(name) for slot, name in params.items() if "." not in slot}


def same_curve(one: Sequence[Mapping[str, Any]], other: Sequence[Mapping[str, Any]]) -> bool:
    """Whether two trainings from one seed are the same computation, by the epochs that both have.

    Rounding may differ and grows with time, so the losses agree to a millionth after the first
    epoch and to a thousandth later.
    """
    pairs = list(zip(one, other, strict=False))
    near = [
        abs(a["loss"] - b["loss"]) <= (1e-3 if i else 1e-6) * abs(b["loss"])
        for i, (a, b) in enumerate(pairs)
    ]
    return bool(pairs) and all(near)


def changes(choices: Choices) -> int:
    """How many slots are not `keep`."""
    return sum(name != KEEP for name in choices.values())


def _value(trial: FrozenTrial) -> float:
    assert trial.value is not None  # callers hold finished trials
    return trial.value


def survivors(plan: Plan, current: Round, ranked: Sequence[tuple[FrozenTrial, float]]) -> set[int]:
    """Numbers of the trials that go on from a rung. `ranked` holds trials with their score, *higher
    is better*, best first.

    A third while exploring, else half, and the best of the user's model as it is; while techniques
    are judged all of the latter and the best of each slot, so that a slow starter is not cut by
    another's curve.
    """
    share = 3 if current.stage == EXPLORE else 2
    kept = {trial.number for trial, _ in ranked[: max(2, math.ceil(len(ranked) / share))]}
    own = [trial.number for trial, _ in ranked if choices_of(plan, trial.params) == plan.baseline]
    if current.stage == EXPLORE:
        return kept
    if current.stage == TUNE:
        return kept.union(own[:1])
    return kept.union(
        own,
        *(
            [trial.number for trial, _ in ranked if trial.params[slot] != KEEP][:1]
            for slot in plan.options
        ),
    )


def hopeless(
    trials: Sequence[FrozenTrial], curves: Mapping[int, Sequence[Mapping[str, Any]]], sign: float
) -> float | None:
    """A training loss before step 20 that no good trial had: a tenth above the worst in the better
    half of the full trials.
    """
    full = [
        trial for trial in trials if trial.state == TrialState.COMPLETE and trial.value is not None
    ]
    full.sort(key=lambda trial: -sign * _value(trial))
    losses = [
        row["early_loss"]
        for trial in full[: len(full) // 2]
        for row in curves.get(trial.number, ())
        if row["early_loss"] is not None
    ]
    return 1.1 * max(losses) if len(losses) >= 3 and max(losses) > 0 else None
