"""Confirmation: the leading arms and the baseline again, on fresh seeds that the search never saw."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from advisor.search.pilot import estimate
from advisor.search.search import Search
from advisor.training.criterion import Criterion
from advisor.training.metrics import Metric
from advisor.verdict.bootstrap import row_gain
from advisor.verdict.candidates import (
    COST_FACTOR,
    Candidate,
    Candidates,
    FreshScore,
    Results,
    choose,
    count_close,
    find_candidates,
    gain_noise,
    mean_score,
)
from advisor.verdict.fresh_seeds import FreshSeedRuns, Seed, first_draws, growing_seeds
from advisor.verdict.recommendation import RowGain, Verdict
from advisor.verdict.statistics import Gain, chosen_overlap, paired_gain, precise_enough, verdict

SELECT_SEEDS = 3
"""Fresh seeds that choose among the candidates. The gain is measured on other seeds."""
SECONDS = 120.0
"""More seeds than the first take no longer than this, by an estimate that is the same everywhere."""
MANY_TRAININGS = 1e6
"""Trainings that a confirmation may take without a time limit: more than any takes."""
BORNE_OUT = 0.84
"""Standard errors that a gain on the test rows must be above zero: a confidence of four in five."""


@dataclass(frozen=True)
class Evidence:
    """What the confirmation measured.

    Attributes:
        start: the user's model as it is, at the rates that the search began with.
        baseline: the same at its best rates.
        best: the arm that was chosen to be compared with it; the baseline itself where there is no
            other.
        others: all arms that were confirmed, without the baseline.
        selected: results by label on the seeds that chose the best arm.
        results: results of baseline and best arm on the seeds that measure the gain, with their
            test scores.
        gain: of the best arm over the baseline.
        min_gain: the smallest gain worth a change, in units of the metric.
        verdict: what is to be done.
        row_gain: the gain on the test rows, with the interval that their number allows.
    """

    start: Candidate
    baseline: Candidate
    best: Candidate
    others: Sequence[Candidate]
    selected: Results
    results: Results
    gain: Gain
    min_gain: float
    verdict: Verdict
    row_gain: RowGain | None = None

    @property
    def chosen(self) -> Candidate:
        """The arm to use."""
        return self.best if self.verdict == Verdict.CHANGE else self.baseline


@dataclass(frozen=True)
class Chosen:
    """What the first fresh seeds chose.

    Attributes:
        baseline: the model as it is, at the rates that suit it best.
        best: the arm to compare with it; the baseline itself where there is no other.
        selected: results of all arms on these seeds, by label.
        expected: the gain of the best arm on these seeds.
        min_gain: the smallest gain worth a change.
        overlap: what overlapping splits share, grown by the number of arms among which the rows may
            have chosen.
    """

    baseline: Candidate
    best: Candidate
    selected: Results
    expected: float
    min_gain: float
    overlap: float

    @property
    def pair(self) -> list[Candidate]:
        """The arms to be measured: the baseline alone where there is no other."""
        return [self.baseline] if self.best is self.baseline else [self.baseline, self.best]


def confirm(search: Search, trainings: float = math.inf) -> Evidence:
    """Choose the best arm on some fresh seeds and measure its gain over the baseline on others.

    One arm enters the seeds that measure, so nothing is chosen there. The test rows are scored
    once, at the end. With a time limit there are `trainings` full trainings at most: then fewer
    arms and seeds, but never fewer than three seeds.
    """
    prepared, study = search.prepared, search.prepared.study
    trainings = min(trainings, MANY_TRAININGS)
    first = min(study.seeds, max(3, int(trainings // 2)))
    criterion = search.history.criterion
    runs = FreshSeedRuns(search)

    # Some seeds choose; what is left of the time goes to those that measure.
    candidates = find_candidates(search.history)
    most = max(1, int((trainings - 2 * first) // SELECT_SEEDS - 2))
    candidates = replace(candidates, others=candidates.others[:most])
    chosen = _choose(runs, candidates, criterion, study.min_gain, prepared.overlap)
    left = trainings - SELECT_SEEDS * (len(candidates.others) + 2)
    seconds = max(estimate(prepared, search.plan.epochs), 1e-9) * COST_FACTOR**chosen.best.cost_step
    seeds = _seeds_to_measure(
        runs, chosen, criterion.sign, first, max(2.0 * first, min(left, SECONDS / seconds))
    )

    results = runs.score("estimate", chosen.pair, seeds)
    tested = runs.score_test_rows("estimate", chosen.pair, seeds[:first])
    on_rows = None
    if candidates.others:
        gain = _measured_gain(chosen, results, seeds, criterion.sign)
        on_rows = _gain_on_rows(runs, chosen, seeds[:first], criterion.metric, study.seed)
        decision = final_verdict(gain, chosen.min_gain, *_on_test(criterion, tested, on_rows))
    else:
        # The model over itself: identical where that is all that the techniques are.
        scores = [result.score for result in results[0]]
        gain = replace(paired_gain(scores, scores), identical=bool(candidates.duplicates))
        decision = Verdict.KEEP

    scored = {}
    for arm, with_test, every in zip(chosen.pair, tested, results, strict=True):
        scored[arm.label] = [*with_test, *every[first:]]
    return Evidence(
        start=candidates.start,
        baseline=chosen.baseline,
        best=chosen.best,
        others=candidates.others,
        selected=chosen.selected,
        results=scored,
        gain=gain,
        min_gain=chosen.min_gain,
        verdict=decision,
        row_gain=on_rows,
    )


# --- choosing -----------------------------------------------------------------------------------


def _choose(
    runs: FreshSeedRuns,
    candidates: Candidates,
    criterion: Criterion,
    min_gain: float | None,
    overlap: float,
) -> Chosen:
    """Train all candidates, the baseline at each of its rates, and choose.

    `min_gain` is the user's; None for the metric's own.
    """
    baselines, others = candidates.baselines, candidates.others
    if not others:
        if min_gain is None:
            min_gain = criterion.metric.min_gain
        baseline = candidates.baseline
        return Chosen(baseline, baseline, {}, 0.0, min_gain, overlap)

    # The baseline is the better of the two that the search has.
    sign, seeds = criterion.sign, first_draws(SELECT_SEEDS)
    scored = runs.score("select", [*baselines, *others], seeds)
    own = max(range(len(baselines)), key=lambda i: sign * mean_score(scored[i]))
    baseline = baselines[own]
    selected = {baseline.label: scored[own]}
    for arm, results in zip(others, scored[len(baselines) :], strict=True):
        selected[arm.label] = results
    if min_gain is None:
        min_gain = criterion.worth(mean_score(selected[baseline.label]))
    best = choose(others, selected, sign, min_gain)

    # Else a change could win by a rate that the user's model was never tried with.
    other_rates = baseline.with_rates_of(best)
    if other_rates.params != baseline.params:
        results = runs.score("select", [other_rates], seeds)[0]
        if sign * mean_score(results) > sign * mean_score(selected[baseline.label]):
            baseline = other_rates
            selected[baseline.label] = results

    expected = sign * (mean_score(selected[best.label]) - mean_score(selected[baseline.label]))
    deviation = gain_noise(selected, baseline, others).deviation
    close = count_close(candidates.best_scores, best, sign, deviation)
    return Chosen(baseline, best, selected, expected, min_gain, chosen_overlap(overlap, close))


# --- measuring ----------------------------------------------------------------------------------


def _seeds_to_measure(
    runs: FreshSeedRuns, chosen: Chosen, sign: float, first: int, most: float
) -> list[Seed]:
    """The seeds that measure the gain, at least `first` and for at most `most` trainings.

    They are as many as the noise and the gain on other seeds ask for.
    """
    growing = growing_seeds(first)
    for seeds, more in pairwise(growing):
        results = runs.score("estimate", chosen.pair, seeds, keep=first)
        gain = _measured_gain(chosen, results, seeds, sign)
        is_precise = precise_enough(gain, chosen.min_gain, chosen.expected)
        if is_precise or chosen.best is chosen.baseline or 2 * len(more) > most:
            return seeds
    return growing[-1]


def _measured_gain(
    chosen: Chosen, results: Sequence[Sequence[FreshScore]], seeds: Sequence[Seed], sign: float
) -> Gain:
    """The gain of the last of `results` over the first, *higher is better*."""
    baseline = [sign * result.score for result in results[0]]
    other = [sign * result.score for result in results[-1]]
    return paired_gain(baseline, other, chosen.overlap, [seed.split for seed in seeds])


def _gain_on_rows(
    runs: FreshSeedRuns, chosen: Chosen, seeds: Sequence[Seed], metric: Metric, resampling: int
) -> RowGain | None:
    """The gain on the test rows; None where a training broke."""
    pairs = []
    for seed in seeds:
        one = runs.answers("estimate", chosen.baseline, seed)
        other = runs.answers("estimate", chosen.best, seed)
        if one is None or other is None:
            return None
        pairs.append((one, other))
    return row_gain(metric, pairs, resampling)


def _on_test(
    criterion: Criterion, tested: Sequence[Sequence[FreshScore]], rows: RowGain | None
) -> tuple[float, float]:
    """The gain on the test rows and its standard error.

    The gain is infinite, which contradicts nothing, where the test rows say nothing: of speed, or
    of trainings that broke.
    """
    gains = []
    for one, other in zip(tested[0], tested[-1], strict=True):
        if one.test is not None and other.test is not None:
            gains.append(criterion.sign * (other.test - one.test))
    if criterion.reach is not None or not gains:
        return math.inf, 0.0
    by_seed = statistics.stdev(gains) / math.sqrt(len(gains)) if len(gains) > 1 else 0.0
    by_row = rows.error if rows is not None else 0.0
    return statistics.fmean(gains), math.hypot(by_seed, by_row)


def final_verdict(
    gain: Gain, min_gain: float, on_test: float = math.inf, error: float = 0.0
) -> Verdict:
    """The verdict; what the test rows do not bear out is not recommended.

    All seeds draw from the same rows, so an arm that was chosen for suiting these rows suits them
    on fresh seeds, too. Only the test rows, which nothing was chosen by, can tell. `error` is the
    standard error of the gain `on_test`.
    """
    decision = verdict(gain, min_gain)
    if decision != Verdict.CHANGE or on_test > BORNE_OUT * error:
        return decision
    return Verdict.UNDECIDED if gain.shrunk >= min_gain else Verdict.KEEP
