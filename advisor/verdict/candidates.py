"""Which arms are worth confirming, and which of them is to be compared with the user's model."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from optuna.trial import FrozenTrial

from advisor.search import stages
from advisor.search.plan import NUISANCE, Choices, Plan
from advisor.search.search import arm_label
from advisor.technique import KEEP


@dataclass(frozen=True)
class Candidate:
    """An arm with its parameters, as found by the search. `searched` is its score there, too good
    by selection.

    `extra` is what its techniques take before training begins, in trainings: measured in one
    process, side by side, it does not depend on how busy the machine is.
    """

    choices: Choices
    params: Mapping[str, Any]
    searched: float | None
    extra: float = 0.0

    @property
    def label(self) -> str:
        """`activation=elu initializer=he`, or `keep`."""
        return arm_label(self.choices)

    @property
    def changes(self) -> int:
        """How many slots differ from the user's model."""
        return stages.changes(self.choices)

    @property
    def key(self) -> tuple[str, str]:
        """Arm and parameters, as the database knows them."""
        return self.label, json.dumps(dict(self.params), sort_keys=True)


@dataclass(frozen=True)
class Trained:
    """One arm on one fresh seed."""

    score: float
    seconds: float
    test: float | None = None


NOTICED = 0.5
"""Seconds that a person would notice."""
Costs = Mapping[int, Mapping[str, float]]
"""Seconds by part, by trial number."""
Results = Mapping[str, Sequence[Trained]]
"""What arms scored on fresh seeds, by label; the i-th of each share a seed."""


def mean(results: Sequence[Trained]) -> float:
    """Mean score over the seeds."""
    return statistics.fmean(r.score for r in results)


def mean_seconds(results: Sequence[Trained]) -> float:
    """Mean seconds of a training, with its techniques."""
    return statistics.fmean(r.seconds for r in results)


def baselines(plan: Plan, trials: Sequence[FrozenTrial], sign: float) -> list[Candidate]:
    """The user's model as it is: at the best rates that the search found for it, and as given, at
    the usual ones.
    """
    found = [
        _candidate(plan, arm, t.params, t.value)
        for arm, t in stages.best_by_arm(plan, trials, sign)
        if arm == plan.baseline
    ]
    first = trials[0]
    given = _candidate(plan, plan.baseline, first.params, first.value)
    return [*found, *(given for tuned in found[:1] if tuned.key != given.key)]


def candidates(
    plan: Plan, trials: Sequence[FrozenTrial], sign: float, costs: Costs
) -> list[Candidate]:
    """The arms worth confirming: the three best, and the best one with each of its changes undone."""
    alike = stages.twins(trials)
    best = [
        (arm, trial)
        for arm, trial in stages.best_by_arm(plan, trials, sign)
        if arm != plan.baseline and alike.isdisjoint(arm.items())
    ]
    others = [
        replace(
            _candidate(plan, arm, trial.params, trial.value),
            extra=_extra(plan, costs.get(trial.number, {})),
        )
        for arm, trial in best
    ]
    found, own = others[: stages.LEADERS], {arm.label: arm for arm in others}
    for arm in _undone(found[0].choices) if found else []:
        simpler = own.get(arm_label(arm)) or _candidate(plan, arm, found[0].params, None)
        if simpler.label not in {c.label for c in found}:
            found.append(simpler)
    return found


def _extra(plan: Plan, parts: Mapping[str, float]) -> float:
    before = sum(parts.get(slot, 0.0) for slot in plan.options)
    return before / max(parts.get("training", 0.0), 1e-9) if before >= NOTICED else 0.0


def one_seed(
    results: Results, baseline: Candidate, others: Sequence[Candidate]
) -> tuple[float, int]:
    """Deviation of an arm's gain from seed to seed, pooled over arms, and its degrees of freedom."""
    own = results.get(baseline.label, ())
    pairs = [
        list(zip(own, results[arm.label], strict=True)) for arm in others if arm.label in results
    ]
    freedom = sum(len(found) - 1 for found in pairs)
    squares = sum(
        (len(found) - 1) * statistics.variance([b.score - a.score for a, b in found])
        for found in pairs
    )
    return (math.sqrt(squares / freedom), freedom) if freedom else (0.0, 0)


def rivals(
    plan: Plan, trials: Sequence[FrozenTrial], sign: float, best: Candidate, spread: float
) -> int:
    """How many arms did so well in the search that another seed could have made them the best one,
    that one included.
    """
    best_ones = [
        trial for arm, trial in stages.best_by_arm(plan, trials, sign) if arm != plan.baseline
    ]
    found = [sign * trial.value for trial in best_ones if trial.value is not None]
    top = sign * best.searched if best.searched is not None else max(found, default=0.0)
    return max(1, sum(top - score <= 2 * spread for score in found))


def at_rates_of(arm: Candidate, baseline: Candidate) -> Candidate:
    """The baseline at another arm's learning rate and weight decay.

    Else a change could win by a rate that the user's model was never tried with. Its score in the
    search stays that of its own best rate.
    """
    rates = {name: arm.params[name] for name in NUISANCE}
    return replace(baseline, params={**baseline.params, **rates})


def _candidate(
    plan: Plan, arm: Choices, params: Mapping[str, Any], searched: float | None
) -> Candidate:
    return Candidate(dict(arm), {name: params[name] for name in plan.parameters_of(arm)}, searched)


def _undone(choices: Choices) -> list[Choices]:
    """The arm with one change undone at a time; none for an arm with one change, which is the
    baseline then.
    """
    changed = [slot for slot, name in choices.items() if name != KEEP]
    return [{**choices, slot: KEEP} for slot in changed] if len(changed) > 1 else []


def choose(
    options: Sequence[Candidate], results: Results, sign: float, min_gain: float
) -> Candidate:
    """The candidate with the best mean; of those that it does not clearly beat, one with the fewest
    changes.

    Of these the best again, unless one that is worse by less than a change is worth takes less
    before training begins.
    """
    means = {c.label: sign * mean(results[c.label]) for c in options}
    best = max(options, key=lambda c: means[c.label])
    near = [c for c in options if tied(results, best, c, min_gain)]
    simple = [c for c in near if c.changes == min(c.changes for c in near)]
    top = max(means[c.label] for c in simple)
    return min(
        (c for c in simple if top - means[c.label] <= min_gain),
        key=lambda c: (dearness(c), -means[c.label]),
    )


DEARER = 4
"""A factor in the whole time of a training that makes a step of `dearness`."""
DEAR = 0.3
"""Time before training, in trainings, from which it counts when arms tie; less than half a second
never does.
"""


def dearness(arm: Candidate) -> int:
    """0 for an arm that is trained at once, more for each factor `DEARER` in the whole time.
    Coarse: seconds are noisy.
    """
    return 0 if arm.extra < DEAR else 1 + int(math.log(1 + arm.extra, DEARER))


def tied(results: Results, one: Candidate, other: Candidate, min_gain: float) -> bool:
    """Whether two arms differ by less than is worth a change, or than the standard error of their
    paired difference.
    """
    differences = [
        a.score - b.score for a, b in zip(results[one.label], results[other.label], strict=True)
    ]
    error = statistics.stdev(differences) / math.sqrt(len(differences))
    return abs(statistics.fmean(differences)) <= max(min_gain, error)
