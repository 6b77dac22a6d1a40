"""Confirmation: the leading arms and the baseline again, on seeds that the search never saw."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from torch import Tensor

from advisor.errors import SearchError
from advisor.search.pilot import estimate
from advisor.search.search import Search
from advisor.study import Study
from advisor.training.criterion import Criterion
from advisor.verdict.bootstrap import row_gain
from advisor.verdict.candidates import (
    COST_FACTOR,
    NEVER,
    Breakage,
    Candidate,
    Candidates,
    FreshScore,
    Results,
    breakage,
    choose,
    complete_pairs,
    count_close,
    find_candidates,
    gain_noise,
    mean_score,
    paired_differences,
    scores_in,
    soundness,
)
from advisor.verdict.fresh_seeds import FreshSeedRuns, Seed, first_draws, growing_seeds
from advisor.verdict.records import RowGain, Verdict
from advisor.verdict.statistics import Gain, chosen_overlap, paired_gain, precise_enough, verdict

FEWEST_PAIRS = 3
"""Pairs in which neither training broke that a gain is measured on at least."""
SELECT_SEEDS = 3
"""Fresh seeds that choose among the candidates. The gain is measured on other seeds."""
BASELINE_PAIRS = 2
"""Pairs of rates at which the baseline is expected to be trained on the seeds that choose: its best
and its first, or its best and those of the best arm. They may turn out to be one or three.
"""
SECONDS = 120.0
"""Seeds are added for no longer than this, by an estimate that is the same on every machine."""
MANY_TRAININGS = 1e6
"""Stands for no limit: more than any confirmation trains."""
TEST_ERRORS = 0.84
"""A change needs a gain on the test rows of this many standard errors (one-sided confidence 80 %).
"""


@dataclass(frozen=True)
class Evidence:
    """What the confirmation measured.

    Attributes:
        start: the user's model as it is, at the rates that the search began with.
        baseline: the user's model as it is, at its best rates.
        best: the arm that was chosen to be compared with it; the baseline itself where there is no
            other.
        others: all arms that were confirmed, without the baseline.
        selected: results by label on the seeds that chose the best arm.
        results: results of baseline and best arm on the seeds that measure the gain and on which
            neither broke, with their test scores.
        gain: of the best arm over the baseline.
        min_gain: the smallest gain worth a change, in units of the metric.
        verdict: what is to be done.
        row_gain: the gain on the test rows, with the interval that their number allows.
        baseline_broke, best_broke: how often they broke on the seeds that measure.
        unmeasured: the arm that was chosen to be compared, and broke too often to have a gain.
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
    baseline_broke: Breakage = NEVER
    best_broke: Breakage = NEVER
    unmeasured: Candidate | None = None

    @property
    def sampled(self) -> str:
        """What more of would make the answer surer: `rows`, or `groups` of rows."""
        return "groups" if self.row_gain is not None and self.row_gain.groups else "rows"

    @property
    def left_out(self) -> int:
        """Pairs of seeds that do not count because one of their trainings broke."""
        return self.baseline_broke.seeds - len(self.results[self.baseline.label])

    @property
    def is_less_sound(self) -> bool:
        """Whether the arm that was measured broke more often than the baseline."""
        return self.best_broke.times > self.baseline_broke.times

    @property
    def chosen(self) -> Candidate:
        """The arm to use."""
        return self.best if self.verdict == Verdict.CHANGE else self.baseline


@dataclass(frozen=True)
class Selection:
    """The result of the seeds that select an arm.

    Attributes:
        criterion: what arms are compared by.
        baseline: the model as it is, at the rates that suit it best.
        best: the arm to compare with it; the baseline itself where there is no other.
        selected: results of all arms on these seeds, by label.
        expected: the gain of the best arm on these seeds.
        min_gain: the smallest gain worth a change.
        overlap: the overlap of the splits, raised for the number of arms that the best one was
            chosen from (`chosen_overlap`).
    """

    criterion: Criterion
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

    def gain(self, results: Sequence[Sequence[FreshScore]], seeds: Sequence[Seed]) -> Gain:
        """The gain of the best arm over the baseline, *higher is better*.

        `results` are those of `pair`, one for each of `seeds`. Seeds on which one of them broke do
        not count.
        """
        sign = self.criterion.sign
        places = complete_pairs(results[0], results[-1])
        baseline = [sign * score for score in scores_in([results[0][i] for i in places])]
        best = [sign * score for score in scores_in([results[-1][i] for i in places])]
        return paired_gain(baseline, best, self.overlap, [seeds[i].split for i in places])


def confirm(search: Search, trainings: float = math.inf) -> Evidence:
    """Choose the best arm on some fresh seeds and measure its gain over the baseline on others.

    One arm enters the seeds that measure, so nothing is chosen there. The test rows are scored
    once, at the end. With a time limit there are `trainings` full trainings at most: then fewer
    arms and seeds, but never fewer than three seeds.
    """
    prepared, study = search.prepared, search.prepared.study
    trainings = min(trainings, MANY_TRAININGS)
    first = min(study.seeds, max(3, int(trainings // 2)))
    runs = FreshSeedRuns(search)

    # The seeds that choose train the other arms, and the baseline at two pairs of rates or three.
    candidates = find_candidates(search.history)
    most = max(1, int((trainings - 2 * first) // SELECT_SEEDS - BASELINE_PAIRS))
    candidates = replace(candidates, others=candidates.others[:most])
    others = runs.with_effect(candidates.others)
    candidates = replace(candidates, others=others)
    criterion = search.history.criterion
    selection = choose_pair(runs, candidates, criterion, study, prepared.overlap)

    # The seeds that measure: the first ones, and more where two trainings each fit what is left.
    left = trainings - SELECT_SEEDS * (len(others) + BASELINE_PAIRS)
    seconds = (
        max(estimate(prepared, search.plan.epochs), 1e-9) * COST_FACTOR**selection.best.cost_step
    )
    most_seeds = max(2.0 * first, min(left, SECONDS / seconds)) / 2
    seeds = seeds_to_measure(runs, selection, first, most_seeds)
    # Trains the last list of seeds, which the rule has not trained; the others are read.
    results = runs.score("estimate", selection.pair, seeds)

    # An arm that broke on nearly all of them has no gain, and is not compared.
    unmeasured = None
    if len(complete_pairs(results[0], results[-1])) < FEWEST_PAIRS:
        check_baseline(study.name, results)
        unmeasured, selection = selection.best, replace(selection, best=selection.baseline)

    # The test rows, which nothing was chosen by, are scored with the first of the seeds that count.
    pair = selection.pair
    places = complete_pairs(results[0], results[len(pair) - 1])
    tested_seeds = [seeds[place] for place in places[:first]]
    tested = runs.score_test_rows("estimate", pair, tested_seeds)
    scored = runs.score("estimate", pair, seeds)
    broke = [breakage(each) for each in scored]
    on_rows = None
    if selection.best is not selection.baseline:
        gain = selection.gain(results, seeds)
        groups = prepared.source.test_groups(search.plan.batch)
        on_rows = gain_on_rows(runs, selection, tested_seeds, study.seed, groups)
        on_test = gain_on_test(criterion, tested, on_rows)
        decision = final_verdict(gain, selection.min_gain, *on_test)
        # What breaks more often than the model as it is does not train better.
        if broke[-1].times > broke[0].times:
            decision = Verdict.KEEP
    else:
        # The model over itself: identical where that is all that the techniques are.
        scores = scores_in(results[0])
        gain = replace(paired_gain(scores, scores), identical=bool(candidates.duplicates))
        decision = Verdict.KEEP

    counted = {}
    for arm, every in zip(pair, scored, strict=True):
        counted[arm.label] = [every[place] for place in places]
    return Evidence(
        start=candidates.start,
        baseline=selection.baseline,
        best=selection.best,
        others=others,
        selected=selection.selected,
        results=counted,
        gain=gain,
        min_gain=selection.min_gain,
        verdict=decision,
        row_gain=on_rows,
        baseline_broke=broke[0],
        best_broke=breakage(results[-1]) if unmeasured else broke[-1],
        unmeasured=unmeasured,
    )


def check_baseline(study: str, results: Sequence[Sequence[FreshScore]]) -> None:
    """Raise `SearchError` where it is the model as it is that broke too often for a comparison.

    `results` are those of the baseline, and of the arm that it is compared with.
    """
    own, other = breakage(results[0]), breakage(results[-1])
    if own.times >= other.times or len(scores_in(results[0])) < FEWEST_PAIRS:
        raise broken_baseline(study, own)


def broken_baseline(study: str, broke: Breakage) -> SearchError:
    """The error about a model that breaks on fresh seeds."""
    return SearchError(
        f"Study {study!r}: the model as it is broke on {broke}, so nothing can be compared with "
        "it. Mend it, or ask with another number of --seeds."
    )


# --- the seeds that choose ----------------------------------------------------------------------


def choose_pair(
    runs: FreshSeedRuns,
    candidates: Candidates,
    criterion: Criterion,
    study: Study,
    overlap: float,
) -> Selection:
    """Train all candidates, the baseline at each of its rates, and choose the arms to measure.

    Raises `SearchError` where the baseline broke on all seeds.
    """
    baselines, others, min_gain = candidates.baselines, candidates.others, study.min_gain
    if not others:
        own = candidates.baseline
        least = criterion.metric.min_gain if min_gain is None else min_gain
        return Selection(criterion, own, own, {}, 0.0, least, overlap)

    # The baseline is the better of those that the search has.
    sign, seeds = criterion.sign, first_draws(SELECT_SEEDS)
    scored = runs.score("select", [*baselines, *others], seeds)
    place = max(range(len(baselines)), key=lambda i: soundness(scored[i], sign))
    baseline = baselines[place]
    selected = {baseline.label: scored[place]}
    if not scores_in(scored[place]):
        raise broken_baseline(study.name, breakage(scored[place]))
    for arm, results in zip(others, scored[len(baselines) :], strict=True):
        selected[arm.label] = results
    if min_gain is None:
        min_gain = criterion.worth(mean_score(selected[baseline.label]))
    trained = [arm for arm in others if scores_in(selected[arm.label])]
    if not trained:
        return Selection(criterion, baseline, baseline, selected, 0.0, min_gain, overlap)
    best = choose(trained, selected, sign, min_gain)

    # The baseline also gets the best arm's rates: else a change could win by a rate that the
    # user's model was never tried with.
    at_its_rates = baseline.with_rates_of(best)
    if at_its_rates.params != baseline.params:
        results = runs.score("select", [at_its_rates], seeds)[0]
        if soundness(results, sign) > soundness(selected[baseline.label], sign):
            baseline = at_its_rates
            selected[baseline.label] = results

    # The more arms were close, the more the best one may owe to these rows, so the overlap is
    # raised.
    gains = paired_differences(selected[baseline.label], selected[best.label])
    expected = sign * statistics.fmean(gains) if gains else 0.0
    deviation = gain_noise(selected, baseline, others).deviation
    arms = count_close(candidates.best_scores, best, sign, deviation)
    grown = chosen_overlap(overlap, arms)
    return Selection(criterion, baseline, best, selected, expected, min_gain, grown)


# --- the seeds that measure ---------------------------------------------------------------------


def seeds_to_measure(
    runs: FreshSeedRuns, selection: Selection, first: int, most: float
) -> list[Seed]:
    """The seeds that measure the gain: `first` of them, and more up to `most` where they tell more.

    They are as many as the noise and the gain on other seeds ask for.
    """
    growing = growing_seeds(first)
    for seeds, more in pairwise(growing):
        results = runs.score("estimate", selection.pair, seeds, keep=first)
        if selection.best is selection.baseline or len(more) > most:
            return seeds
        # A gain that cannot be measured on these seeds may be on more of them.
        if len(complete_pairs(results[0], results[-1])) < FEWEST_PAIRS:
            continue
        if precise_enough(selection.gain(results, seeds), selection.min_gain, selection.expected):
            return seeds
    return growing[-1]


def gain_on_rows(
    runs: FreshSeedRuns,
    selection: Selection,
    seeds: Sequence[Seed],
    seed: int,
    groups: Tensor | None,
) -> RowGain | None:
    """The gain on the test rows, resampled with `seed`, over the seeds on which no arm broke.

    `groups` is the group of each test row. None where there is no such seed.
    """
    pairs = []
    for fresh in seeds:
        baseline = runs.answers("estimate", selection.baseline, fresh)
        best = runs.answers("estimate", selection.best, fresh)
        if baseline is not None and best is not None:
            pairs.append((baseline, best))
    return None if not pairs else row_gain(selection.criterion.metric, pairs, seed, groups)


def gain_on_test(
    criterion: Criterion, tested: Sequence[Sequence[FreshScore]], rows: RowGain | None
) -> tuple[float, float]:
    """The gain on the test rows and its standard error.

    Infinite, so that it blocks no change, where arms are compared by speed (`reach`) or no training
    was scored.
    """
    gains = []
    for one, other in zip(tested[0], tested[-1], strict=True):
        if one.test is not None and other.test is not None:
            gains.append(criterion.sign * (other.test - one.test))
    if criterion.reach is not None or not gains:
        return math.inf, 0.0

    # Seeds and rows are independent sources of error.
    by_seed = statistics.stdev(gains) / math.sqrt(len(gains)) if len(gains) > 1 else 0.0
    by_row = rows.error if rows is not None else 0.0
    return statistics.fmean(gains), math.hypot(by_seed, by_row)


def final_verdict(
    gain: Gain, min_gain: float, on_test: float = math.inf, error: float = 0.0
) -> Verdict:
    """The verdict; what the test rows do not support is not recommended.

    All seeds draw from the same rows, so an arm that was chosen for suiting these rows suits them
    on fresh seeds, too. Only the test rows, which nothing was chosen by, can tell. `error` is the
    standard error of the gain `on_test`.
    """
    decision = verdict(gain, min_gain)
    if decision != Verdict.CHANGE or on_test > TEST_ERRORS * error:
        return decision
    return Verdict.UNDECIDED if gain.shrunk >= min_gain else Verdict.KEEP
