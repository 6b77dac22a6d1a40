"""Confirmation: the leading arms and the baseline again, on fresh seeds that the search never saw."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from advisor.search.coordinator import Search
from advisor.search.pilot import estimate
from advisor.search.rounds import twins
from advisor.training.goal import Goal
from advisor.verdict.arms import Candidate, Results, Trained, at_rates_of, baselines, candidates, choose, mean
from advisor.verdict.fresh import LOOKS, Fresh, Seed, seeds
from advisor.verdict.rows import RowGain, row_gain
from advisor.verdict.statistics import Gain, chosen_overlap, paired_gain, precise_enough, verdict

SELECT, ESTIMATE = "select", "estimate"
SELECT_SEEDS = 3
"""Fresh seeds that choose among the candidates; the gain is then measured on other seeds, which did not choose it."""
SECONDS = 120.0
"""Trainings beyond the first look take no longer than this, by an estimate that is the same on every machine."""


@dataclass(frozen=True)
class Evidence:
    """What the confirmation found.

    Attributes:
        baseline: the user's model, tuned; `given` is the same at the rates that the search began with.
        best: the arm that was chosen to be compared with it; the baseline itself where there is no other.
        others: all arms that were confirmed, without the baseline.
        selected: results by label on the seeds that chose the best arm.
        results: results of baseline and best arm on the seeds that measure the gain, with their test scores.
        gain: of the best arm over the baseline.
        min_gain: the smallest gain worth a change, in units of the metric.
        verdict: `change`, `keep` or `undecided`.
        rows: the gain on the test rows, with the interval that their number allows.
    """

    baseline: Candidate
    best: Candidate
    others: Sequence[Candidate]
    selected: Results
    results: Results
    gain: Gain
    min_gain: float
    verdict: str
    given: Candidate | None = None
    rows: RowGain | None = None

    @property
    def chosen(self) -> Candidate:
        """The arm to use."""
        return self.best if self.verdict == "change" else self.baseline


def confirm(search: Search, trainings: float = math.inf) -> Evidence:
    """Choose the best arm on some fresh seeds and measure its gain over the baseline on others; score the test rows once.

    One arm enters the seeds that measure, so nothing is chosen there and nothing is to be corrected for. With a time limit,
    `trainings` full trainings at most: then fewer arms and seeds, but never fewer than three seeds.
    """
    first = min(search.shared.study.seeds, max(3, int(min(trainings, 1e6) // 2)))
    others = candidates(search.plan, search.trials(), search.sign, search.database.costs(search.name))
    if trainings < math.inf:
        others = others[: max(1, int((trainings - 2 * first) // SELECT_SEEDS - 2))]
    fresh, expected = Fresh(search), 0.0
    own, selected = _selected(fresh, search, others)
    baseline = best = own[0]
    min_gain = _worth(search, selected.get(baseline.label, ()))
    if others:
        best = choose(others, selected, search.sign, min_gain)
        baseline = _at_best_rates(fresh, best, baseline, selected, search.sign)
        expected = search.sign * (mean(selected[best.label]) - mean(selected[baseline.label]))
    pair = [baseline, best] if others else [baseline]
    wanted = _measured(fresh, search, pair, first, expected, min_gain, trainings - SELECT_SEEDS * (len(others) + 2))
    results = fresh.score(ESTIMATE, pair, wanted)
    gain = _gain(search, results, wanted) if others else _alone(search, results[0])
    tested = fresh.test(ESTIMATE, pair, wanted[:first])
    rows = _rows(fresh, search, pair, wanted[:first])
    return Evidence(
        baseline=baseline,
        best=best,
        others=others,
        selected=selected,
        results={arm.label: [*t, *r[first:]] for arm, t, r in zip(pair, tested, results, strict=True)},
        gain=gain,
        min_gain=min_gain,
        verdict=final_verdict(gain, min_gain, *_on_test(search.shared.goal, tested, rows)) if others else "keep",
        given=own[-1],
        rows=rows,
    )


def _selected(fresh: Fresh, search: Search, others: Sequence[Candidate]) -> tuple[list[Candidate], dict[str, list[Trained]]]:
    """The baseline at its better rates, on seeds that choose, and as given; and what every arm scored on these seeds."""
    own = baselines(search.plan, search.trials(), search.sign)
    if not others:
        return own, {}
    scored = fresh.score(SELECT, [*own, *others], seeds(SELECT_SEEDS, 0))
    best = max(range(len(own)), key=lambda i: search.sign * mean(scored[i]))
    labels = [own[best].label, *(arm.label for arm in others)]
    return [own[best], own[-1]], dict(zip(labels, [scored[best], *scored[len(own) :]], strict=True))


def _worth(search: Search, results: Sequence[Trained]) -> float:
    own, goal = search.shared.study.min_gain, search.shared.goal
    if own is not None:
        return own
    return goal.worth(mean(results)) if results else goal.metric.min_gain


def _at_best_rates(
    fresh: Fresh, best: Candidate, baseline: Candidate, selected: dict[str, list[Trained]], sign: float
) -> Candidate:
    """The baseline at the best arm's learning rate and weight decay, where that suits it better than its own."""
    twin = at_rates_of(best, baseline)
    if twin.key == baseline.key:
        return baseline
    results = fresh.score(SELECT, [twin], seeds(SELECT_SEEDS, 0))[0]
    if sign * mean(results) <= sign * mean(selected[baseline.label]):
        return baseline
    selected[baseline.label] = results
    return twin


def _measured(
    fresh: Fresh, search: Search, pair: Sequence[Candidate], first: int, expected: float, min_gain: float, trainings: float
) -> list[Seed]:
    """The seeds that measure the gain: as many as the noise and the gain on other seeds ask for, and the budget allows."""
    seconds = max(estimate(search.shared, search.plan.rungs[-1]), 1e-9)
    most = max(2.0 * first, min(trainings, SECONDS / seconds))
    for look in range(LOOKS):
        wanted = seeds(first, look)
        results = fresh.score(ESTIMATE, pair, wanted, keep=first)
        last = look == LOOKS - 1 or 2 * len(seeds(first, look + 1)) > most
        if last or len(pair) < 2 or precise_enough(_gain(search, results, wanted), min_gain, expected):
            break
    return wanted


def _gain(search: Search, results: Sequence[Sequence[Trained]], wanted: Sequence[Seed]) -> Gain:
    """The gain of the last of `results` over the first, *higher is better*."""
    one, other = ([search.sign * r.score for r in results[i]] for i in (0, -1))
    overlap = chosen_overlap(search.shared.overlap, len(search.plan.alone()) - 1)
    return paired_gain(one, other, overlap, [seed.split for seed in wanted])


def _alone(search: Search, results: Sequence[Trained]) -> Gain:
    """The gain of the model over itself; identical where that is all that the techniques are."""
    scores = [r.score for r in results]
    return replace(paired_gain(scores, scores), identical=bool(twins(search.trials())))


BORNE_OUT = 0.84
"""Standard errors that a gain on the test rows must be above zero: with four parts in five of confidence."""


def final_verdict(gain: Gain, min_gain: float, on_test: float = math.inf, error: float = 0.0) -> str:
    """The verdict; what the test rows do not bear out is not recommended.

    All seeds draw from the same rows, so an arm that was chosen for suiting these rows suits them on fresh seeds, too. Only
    the test rows, which nothing was chosen by, can tell. `error` is the standard error of the gain `on_test`.
    """
    said = verdict(gain, min_gain)
    return "undecided" if said == "change" and on_test <= BORNE_OUT * error else said


def _on_test(goal: Goal, tested: Sequence[Sequence[Trained]], rows: RowGain | None) -> tuple[float, float]:
    """The gain on the test rows and its standard error; certain where they say nothing: of speed, or of broken trainings."""
    pairs = [(a.test, b.test) for a, b in zip(tested[0], tested[-1], strict=True)]
    gains = [goal.sign * (b - a) for a, b in pairs if a is not None and b is not None]
    if goal.reach is not None or not gains:
        return math.inf, 0.0
    seeds_error = statistics.stdev(gains) / math.sqrt(len(gains)) if len(gains) > 1 else 0.0
    return statistics.fmean(gains), math.hypot(seeds_error, rows.error if rows else 0.0)


def _rows(fresh: Fresh, search: Search, pair: Sequence[Candidate], wanted: Sequence[Seed]) -> RowGain | None:
    """The gain on the test rows; None where the baseline is alone, or a training broke."""
    answers = [(fresh.answers(ESTIMATE, pair[0], seed), fresh.answers(ESTIMATE, pair[-1], seed)) for seed in wanted]
    found = [(one, other) for one, other in answers if one is not None and other is not None]
    if len(pair) < 2 or len(found) < len(answers):
        return None
    return row_gain(search.shared.objective.metric, found, search.shared.study.seed)
