"""Which arms are worth confirming, and which of them is to be compared with the user's model."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from advisor.search.arm import Arm, arm_label, count_changes, techniques_in
from advisor.search.history import History
from advisor.search.plan import NUISANCE, Plan
from advisor.search.stages import LEADERS
from advisor.search.trial import Trial
from advisor.technique import KEEP, RATE

NOTICEABLE_SECONDS = 0.5
"""Techniques that take less time than this before training count as taking none."""
NOTICEABLE_SHARE = 0.3
"""So do those that take less than this share of a training."""
COST_FACTOR = 4
"""The factor in the whole time of a training that makes a step of an arm's cost."""


@dataclass(frozen=True)
class Candidate:
    """An arm with its parameters, as the search left it.

    Attributes:
        arm: one technique per slot.
        params: the parameters that are free in the arm.
        searched: its score in the search, too good by selection; None where it has none.
        extra: time that its techniques take before training begins, in trainings. It is measured in
            one process, side by side, so it does not depend on how busy the machine is.
        rate_name: the parameter that is its learning rate.
    """

    arm: Arm
    params: Mapping[str, Any]
    searched: float | None
    extra: float = 0.0
    rate_name: str = RATE

    @property
    def rate(self) -> float:
        """Its learning rate."""
        return float(self.params[self.rate_name])

    @property
    def label(self) -> str:
        """`activation=elu initializer=he`, or `keep`."""
        return arm_label(self.arm)

    @property
    def changes(self) -> int:
        """How many slots differ from the user's model."""
        return count_changes(self.arm)

    @property
    def cost_step(self) -> int:
        """0 for an arm that trains at once; one more for each factor of 4 in the whole time.

        The steps are coarse because seconds are noisy.
        """
        # What nobody notices costs nothing.
        if self.extra < NOTICEABLE_SHARE:
            return 0
        return 1 + int(math.log(1 + self.extra, COST_FACTOR))

    def with_rates_of(self, other: Candidate) -> Candidate:
        """An arm like this at the learning rate and weight decay of another one.

        Its score in the search stays that of its own best rate.
        """
        rates = {name: other.params[name] for name in NUISANCE}
        return replace(self, params={**self.params, **rates})

    def without(self, slots: Collection[str]) -> Candidate:
        """The arm with these slots kept, and without the parameters of their techniques."""
        arm = {**self.arm, **dict.fromkeys(slots, KEEP)}
        gone = tuple(f"{slot}.{self.arm[slot]}." for slot in slots)
        params = {name: each for name, each in self.params.items() if not name.startswith(gone)}
        rate = self.rate_name if self.rate_name in params else RATE
        return Candidate(arm, params, searched=None, rate_name=rate)

    def json_params(self) -> str:
        """Its parameters as the database has them."""
        return json.dumps(dict(self.params), sort_keys=True)


@dataclass(frozen=True)
class Candidates:
    """What the search has to confirm.

    Attributes:
        start: the model as it is, at the rates that the search began with.
        baseline: the model as it is, at the best rates that the search found.
        others: the arms worth confirming, the most promising first.
        duplicates: slot and name of techniques that compute what the user's model does already.
    """

    start: Candidate
    baseline: Candidate
    others: list[Candidate]
    duplicates: list[tuple[str, str]]

    @property
    def baselines(self) -> list[Candidate]:
        """The model as it is at both pairs of rates, or at one where they are the same."""
        if self.start is self.baseline:
            return [self.baseline]
        return [self.baseline, self.start]


@dataclass(frozen=True)
class FreshScore:
    """What one arm reached on one fresh seed.

    Attributes:
        score: on the validation rows; None where the training broke.
        seconds: of the training with its techniques.
        test: score of the test rows; None where they were not scored.
        why: why the training, or the scoring of the test rows, broke; empty where it did not.
    """

    score: float | None
    seconds: float
    test: float | None = None
    why: str = ""


Results = Mapping[str, Sequence[FreshScore]]
"""What arms reached on fresh seeds, by label; the i-th of each share a seed."""


class Noise(NamedTuple):
    """The deviation of an arm's gain from seed to seed, and its degrees of freedom."""

    deviation: float
    freedom: int


@dataclass(frozen=True)
class Breakage:
    """How often an arm broke on fresh seeds.

    Attributes:
        times: seeds on which it did.
        seeds: on which it was trained.
        why: the first reason; empty where there is none.
    """

    times: int
    seeds: int
    why: str = ""

    def __str__(self) -> str:
        reason = f" ({self.why})" if self.why else ""
        return f"{self.times} of {self.seeds} fresh seeds{reason}"


UNFINISHED = 2
"""Arms that are confirmed though the search has trained none to its end."""
NEVER = Breakage(0, 0)
"""That of an arm that was not trained on fresh seeds."""


def breakage(results: Sequence[FreshScore]) -> Breakage:
    """How often an arm with these results broke."""
    reasons = [result.why for result in results if result.why]
    return Breakage(len(reasons), len(results), reasons[0] if reasons else "")


def scores_in(results: Sequence[FreshScore]) -> list[float]:
    """The scores of the trainings that did not break."""
    return [result.score for result in results if result.score is not None]


def mean_score(results: Sequence[FreshScore]) -> float:
    """Mean score over the seeds that have one; there must be one."""
    return statistics.fmean(scores_in(results))


def soundness(results: Sequence[FreshScore], sign: float) -> tuple[int, float]:
    """What results are ranked by, the higher the better: an arm that broke ranks behind those that
    broke less, and then the mean counts.
    """
    scores = scores_in(results)
    return -breakage(results).times, sign * statistics.fmean(scores) if scores else -math.inf


def mean_seconds(results: Sequence[FreshScore]) -> float:
    """Mean seconds of a training, with its techniques."""
    return statistics.fmean([result.seconds for result in results])


# --- from the search to the candidates ----------------------------------------------------------


def find_candidates(history: History) -> Candidates:
    """The model as it is, the three best other arms, and the best one with each change undone.

    Raises `ValueError` where the model as it is was never trained to its end.
    """
    # The model as it is gets its best rates and the first ones: fresh seeds say which are better.
    plan = history.plan
    tuned = history.best_of_baseline()
    if tuned is None:
        raise ValueError("the model as it is has no full trial, so nothing can be compared with it")
    baseline = candidate_of(plan, tuned)
    start = candidate_of(plan, history.trials[0])
    if start.params == baseline.params:
        start = baseline

    # The best arm without one of its changes says what that change brings. Where the search has
    # not tried it, it gets the best arm's rates.
    arms = [candidate_of(plan, trial) for trial in history.best_of_other_arms()]
    # Where the time was up before any other arm came to its end, those that came farthest go on.
    if not arms:
        arms = [
            replace(candidate_of(plan, trial), searched=None)
            for trial in history.best_unfinished()[:UNFINISHED]
        ]
    others = {candidate.label: candidate for candidate in arms[:LEADERS]}
    by_label = {candidate.label: candidate for candidate in arms}
    for undone in each_change_undone(arms[0].arm if arms else {}):
        # What is known to change nothing beside the others is no change of its own.
        empty = history.without_effect(undone)
        arm = {**undone, **dict.fromkeys(empty, KEEP)}
        if not count_changes(arm):
            continue
        label = arm_label(arm)
        if label not in others:
            params = {name: arms[0].params[name] for name in plan.parameters_of(arm)}
            new = Candidate(arm, params, searched=None, rate_name=plan.rate_of(arm))
            others[label] = by_label.get(label) or new

    return Candidates(
        start=start,
        baseline=baseline,
        others=list(others.values()),
        duplicates=sorted(history.identical),
    )


def candidate_of(plan: Plan, trial: Trial) -> Candidate:
    """The arm of a trial with the parameters of that trial."""
    # Seconds of its slots are those that its techniques took; training has a part of its own.
    before = sum(trial.costs.get(slot, 0.0) for slot in plan.options)
    extra = 0.0
    if before >= NOTICEABLE_SECONDS:
        extra = before / max(trial.costs.get("training", 0.0), 1e-9)
    params, rate = free_params(plan, trial), plan.rate_of(trial.arm)
    return Candidate(dict(trial.arm), params, trial.value, extra, rate)


def free_params(plan: Plan, trial: Trial) -> dict[str, Any]:
    """The values of the parameters that are free in a trial's arm, its slots left out."""
    return {name: trial.params[name] for name in plan.parameters_of(trial.arm)}


def each_change_undone(arm: Arm) -> Iterator[Arm]:
    """The arm without one of its changes, for each; nothing where that leaves the baseline."""
    changed = techniques_in(arm)
    if len(changed) > 1:
        for slot, _ in changed:
            yield {**arm, slot: KEEP}


# --- choosing among the candidates --------------------------------------------------------------


def choose(
    candidates: Sequence[Candidate], results: Results, sign: float, min_gain: float
) -> Candidate:
    """The candidate with the best mean; of those that tie with it, one with the fewest changes.

    Of these the best again, unless one that is worse by less than a change is worth takes less time
    before training begins. An arm that broke on a seed ranks behind those that did not.
    """
    # Where every arm broke, too few seeds are left to call any two of them a tie.
    sound = [each for each in candidates if not breakage(results[each.label]).times]
    if not sound:
        return max(candidates, key=lambda each: soundness(results[each.label], sign))
    candidates = sound

    means = {each.label: sign * mean_score(results[each.label]) for each in candidates}
    best = max(candidates, key=lambda each: means[each.label])
    tied = [each for each in candidates if are_tied(results, best, each, min_gain)]

    # Fewer changes go before the better score, and lower cost before a gain not worth having.
    fewest = min(each.changes for each in tied)
    simple = [each for each in tied if each.changes == fewest]
    top = max(means[each.label] for each in simple)
    good = [each for each in simple if top - means[each.label] <= min_gain]
    return min(good, key=lambda each: (each.cost_step, -means[each.label]))


def are_tied(results: Results, one: Candidate, other: Candidate, min_gain: float) -> bool:
    """Whether two arms differ by no more than is worth a change, or than the error of the mean.

    The error is the standard error of their paired difference.
    """
    differences = paired_differences(results[other.label], results[one.label])
    error = statistics.stdev(differences) / math.sqrt(len(differences))
    return abs(statistics.fmean(differences)) <= max(min_gain, error)


def gain_noise(results: Results, baseline: Candidate, others: Sequence[Candidate]) -> Noise:
    """How an arm's gain over the baseline varies from seed to seed, pooled over arms."""
    # Each arm gives a variance around its own gain, weighted by its degrees of freedom.
    freedoms = []
    squares = []
    for arm in others:
        if arm.label in results:
            gains = paired_differences(results[baseline.label], results[arm.label])
            freedom = len(gains) - 1
            if freedom < 1:
                continue
            freedoms.append(freedom)
            squares.append(freedom * statistics.variance(gains))
    if not sum(freedoms):
        return Noise(0.0, 0)
    variance = sum(squares) / sum(freedoms)
    return Noise(math.sqrt(variance), sum(freedoms))


def paired_differences(one: Sequence[FreshScore], other: Sequence[FreshScore]) -> list[float]:
    """How much more `other` scored than `one`, on each seed where neither broke.

    An arm that was dropped on the way has the first seeds only.
    """
    differences = []
    for a, b in zip(one, other, strict=False):
        if a.score is not None and b.score is not None:
            differences.append(b.score - a.score)
    return differences


def complete_pairs(one: Sequence[FreshScore], other: Sequence[FreshScore]) -> list[int]:
    """The places of the seeds on which neither of two arms broke."""
    both = enumerate(zip(one, other, strict=False))
    return [place for place, (a, b) in both if a.score is not None and b.score is not None]
