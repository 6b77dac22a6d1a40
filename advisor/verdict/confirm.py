"""Confirmation: the leading arms and the baseline again, on fresh seeds that the search never saw."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from optuna.trial import FrozenTrial

from advisor.search import rounds
from advisor.search.coordinator import Event, Search, arm_label
from advisor.search.job import Job, Outcome
from advisor.search.plan import NUISANCE, Choices, Plan
from advisor.technique import KEEP
from advisor.training.seeds import mix
from advisor.verdict.statistics import Gain, paired_gain, verdict

SELECT, ESTIMATE = "select", "estimate"
SELECT_SEEDS = 3
"""Fresh seeds that choose among the candidates; the gain is then measured on other seeds, which did not choose it."""
FOLDER = "confirm"


@dataclass(frozen=True)
class Candidate:
    """An arm with its parameters, as found by the search. `searched` is its score there, too good by selection."""

    choices: Choices
    params: Mapping[str, Any]
    searched: float | None

    @property
    def label(self) -> str:
        """`activation=elu initializer=he`, or `keep`."""
        return arm_label(self.choices)

    @property
    def changes(self) -> int:
        """How many slots differ from the user's model."""
        return rounds.changes(self.choices)


@dataclass(frozen=True)
class Trained:
    """One arm on one fresh seed."""

    score: float
    seconds: float
    test: float | None = None


class Confirmation:
    """Trains candidates on fresh seeds; what the database has already is not trained again."""

    def __init__(self, search: Search) -> None:
        self.search = search
        self.database, self.name, self.plan = search.database, search.name, search.plan

    def score(self, phase: str, candidates: Sequence[Candidate], seeds: int, test: bool = False) -> dict[str, list[Trained]]:
        """Results by candidate label, one per seed in order. With `test` the final models also score the test rows."""
        wanted = {(c.label, i): c for c in candidates for i in range(seeds)}
        known = self._known(phase)
        jobs = {}
        for (name, i), candidate in wanted.items():
            kept = known.get(_key(candidate, self._seed(phase, i)))
            if kept is None or (test and kept.test is None):
                jobs[name, i] = self._job(phase, candidate, i, test)
        for done, ((name, i), outcome) in enumerate(self.search.crew.run(jobs), start=1):
            self._keep(phase, wanted[name, i], i, outcome)
            what = "test rows scored" if test else f"fresh seed {i + 1} of {seeds}"
            self.search.on(Event("test" if test else "confirm", done, len(jobs), f"{name}: {what}"))
            self.search.spend()
        known = self._known(phase)
        return {c.label: [known[_key(c, self._seed(phase, i))] for i in range(seeds)] for c in candidates}

    def _seed(self, phase: str, index: int) -> int:
        return mix(self.search.shared.study.seed, phase, index)

    def _known(self, phase: str) -> dict[tuple[str, str, int], Trained]:
        rows = [row for row in self.database.confirmations(self.name) if row["phase"] == phase]
        return {(r["arm"], r["params"], r["seed"]): Trained(r["score"], r["seconds"], r["test"]) for r in rows}

    def _job(self, phase: str, candidate: Candidate, index: int, test: bool) -> Job:
        seed, epochs, folder = self._seed(phase, index), self.plan.rungs[-1], self.search.folder
        state = str(folder / FOLDER / f"{mix(*_key(candidate, seed))}.pt") if phase == ESTIMATE else None
        return Job(
            question=self.search.shared.question,
            params={**candidate.choices, **candidate.params},
            seed=seed,
            split=seed,
            batch=self.plan.batch,
            from_epoch=epochs if test else 0,
            to_epoch=epochs,
            load=state if test else None,
            save=None if test else state,
            cache=str(folder / "cache"),
            test=test,
            device=str(self.search.shared.device),
        )

    def _keep(self, phase: str, candidate: Candidate, index: int, outcome: Outcome) -> None:
        key = _key(candidate, self._seed(phase, index))
        before = self._known(phase).get(key)
        score = (
            rounds.score([vars(e) for e in outcome.curve], self.plan.rungs[-1]) if outcome.curve and not outcome.ended else None
        )
        if before is not None:
            score, seconds = before.score, before.seconds
        else:
            score = self._worst() if score is None else score
            seconds = sum(outcome.costs.values())
        row = {"phase": phase, "arm": key[0], "params": key[1], "seed": key[2]}
        self.database.save_confirmation(self.name, {**row, "score": score, "seconds": seconds, "test": outcome.test})

    def _worst(self) -> float:
        """The score of a run that broke on a fresh seed: the worst that the search saw. Leaving it out would hide the failure."""
        sign = self.search.sign
        seen = [t.value for t in self.search.trials() if t.value is not None]
        return min(seen, key=lambda value: sign * value)


def _key(candidate: Candidate, seed: int) -> tuple[str, str, int]:
    return candidate.label, json.dumps(dict(candidate.params), sort_keys=True), seed


def candidates(plan: Plan, trials: Sequence[FrozenTrial], sign: float) -> tuple[Candidate, list[Candidate]]:
    """The tuned baseline, and the arms worth confirming: the three best, and the best one with each of its changes undone."""
    best = rounds.best_by_arm(plan, trials, sign)
    baseline = next(_candidate(plan, arm, trial.params, trial.value) for arm, trial in best if arm == plan.baseline)
    others = [(arm, trial) for arm, trial in best if arm != plan.baseline]
    found = [_candidate(plan, arm, trial.params, trial.value) for arm, trial in others[: rounds.LEADERS]]
    own = {arm_label(arm): _candidate(plan, arm, trial.params, trial.value) for arm, trial in others}
    for arm in _undone(found[0].choices) if found else []:
        simpler = own.get(arm_label(arm)) or _candidate(plan, arm, found[0].params, None)
        if simpler.label not in {c.label for c in found}:
            found.append(simpler)
    return baseline, found


def _candidate(plan: Plan, arm: Choices, params: Mapping[str, Any], searched: float | None) -> Candidate:
    return Candidate(dict(arm), {name: params[name] for name in plan.parameters_of(arm)}, searched)


def _undone(choices: Choices) -> list[Choices]:
    """The arm with one change undone at a time; none for an arm with one change, which is the baseline then."""
    changed = [slot for slot, name in choices.items() if name != KEEP]
    return [{**choices, slot: KEEP} for slot in changed] if len(changed) > 1 else []


def choose(options: Sequence[Candidate], results: Mapping[str, Sequence[Trained]], sign: float, min_gain: float) -> Candidate:
    """The candidate with the best mean; among those that it does not clearly beat, the simplest.

    That is the one with the fewest changes, then the cheapest,
    where a factor of two in seconds counts, if it is a second at least.
    """
    means = {c.label: sign * statistics.fmean(r.score for r in results[c.label]) for c in options}
    seconds = {c.label: min(r.seconds for r in results[c.label]) for c in options}  # the least disturbed training
    best = max(options, key=lambda c: means[c.label])
    tied = [c for c in options if means[best.label] - means[c.label] <= max(min_gain, _error(results, best, c))]
    cheapest = min(seconds[c.label] for c in tied)
    return min(tied, key=lambda c: (c.changes, _dearer(seconds[c.label], cheapest), -means[c.label]))


def _dearer(seconds: float, cheapest: float) -> int:
    """How many times a training takes twice as long as the cheapest; less than a second more is nothing."""
    return 0 if seconds - cheapest < 1.0 else int(math.log2(seconds / max(cheapest, 0.1)))


def _error(results: Mapping[str, Sequence[Trained]], one: Candidate, other: Candidate) -> float:
    """Standard error of the mean paired difference of two candidates."""
    if one is other:
        return 0.0
    differences = [a.score - b.score for a, b in zip(results[one.label], results[other.label], strict=True)]
    return statistics.stdev(differences) / math.sqrt(len(differences))


@dataclass(frozen=True)
class Evidence:
    """What the confirmation found.

    Attributes:
        baseline: the user's model, tuned.
        best: the arm that was chosen to be compared with it; the baseline itself where there is no other.
        others: all arms that were confirmed, without the baseline.
        selected: results by label on the seeds that chose the best arm.
        results: results of baseline and best arm on the seeds that measure the gain, with their test scores.
        gain: of the best arm over the baseline.
        min_gain: the smallest gain worth a change, in units of the metric.
        verdict: `change`, `keep` or `undecided`.
    """

    baseline: Candidate
    best: Candidate
    others: Sequence[Candidate]
    selected: Mapping[str, Sequence[Trained]]
    results: Mapping[str, Sequence[Trained]]
    gain: Gain
    min_gain: float
    verdict: str

    @property
    def chosen(self) -> Candidate:
        """The arm to use."""
        return self.best if self.verdict == "change" else self.baseline


def confirm(search: Search, trainings: float = math.inf) -> Evidence:
    """Choose the best arm on some fresh seeds and measure its gain over the baseline on others; score the test rows once.

    With a time limit, `trainings` full trainings at most: then fewer arms and seeds, but never fewer than three seeds.
    """
    study, metric, sign = search.shared.study, search.shared.objective.metric, search.sign
    baseline, others = candidates(search.plan, search.trials(), sign)
    confirmation, seeds = Confirmation(search), study.seeds
    if trainings < math.inf:
        others = others[: max(1, int((trainings - 2 * seeds) // SELECT_SEEDS - 2))]
        seeds = min(seeds, max(3, int(trainings // 2)))
    selected = confirmation.score(SELECT, [baseline, *others], SELECT_SEEDS) if others else {}
    best = choose(others, selected, sign, metric.worth(_mean(selected[baseline.label]))) if others else baseline
    baseline = _at_rates_of(best, baseline, confirmation, selected, sign)
    pair = [baseline, best] if others else [baseline]
    results = confirmation.score(ESTIMATE, pair, seeds)
    gain = gain_between(results[baseline.label], results[best.label], sign, search.shared.overlap)
    min_gain = metric.worth(_mean(results[baseline.label])) if study.min_gain is None else study.min_gain
    said = verdict(gain, min_gain) if others else "keep"
    results = confirmation.score(ESTIMATE, pair, seeds, test=True)
    return Evidence(baseline, best, others, selected, results, gain, min_gain, said)


def _at_rates_of(
    best: Candidate, baseline: Candidate, confirmation: Confirmation, selected: dict[str, list[Trained]], sign: float
) -> Candidate:
    """The baseline at the best arm's learning rate and weight decay, where that suits it better than its own.

    Else a change could win by a rate that the user's model was never tried with.
    """
    rates = {name: best.params[name] for name in NUISANCE}
    twin = replace(baseline, params={**baseline.params, **rates})
    if twin.params == baseline.params:
        return baseline
    results = confirmation.score(SELECT, [twin], SELECT_SEEDS)[twin.label]
    if sign * _mean(results) <= sign * _mean(selected[baseline.label]):
        return baseline
    selected[baseline.label] = results
    return twin


def _mean(results: Sequence[Trained]) -> float:
    return statistics.fmean(r.score for r in results)


def gain_between(one: Sequence[Trained], other: Sequence[Trained], sign: float, overlap: float) -> Gain:
    """The paired gain of `other` over `one`, *higher is better*."""
    return paired_gain([sign * r.score for r in one], [sign * r.score for r in other], overlap)
