"""The seeds that choose one of the candidates, and one pair of rates of the baseline."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from advisor.errors import SearchError
from advisor.training.criterion import Criterion
from advisor.verdict.candidates import (
    Breakage,
    Candidate,
    Candidates,
    FreshScore,
    Results,
    breakage,
    choose,
    mean_score,
    scores_in,
    soundness,
)
from advisor.verdict.fresh_run import Later
from advisor.verdict.fresh_seeds import FreshSeedRuns
from advisor.verdict.racing import LEAST_SEEDS, NUMBERS_OF_PAIRS, pairs_for, still_possible

CHOOSING_SEEDS = 3
"""Fresh seeds that choose among the candidates. The gain is measured on other seeds."""
MOST_PAIRS = NUMBERS_OF_PAIRS[-1][1]
"""Pairs that measure where little is known, or where trainings break."""


@dataclass(frozen=True)
class Selection:
    """What the seeds that choose have chosen.

    Attributes:
        criterion: what arms are compared by.
        baseline: the model as it is, at the rates that suit it best.
        best: the arm to compare with it; the baseline itself where there is no other.
        results: those of all arms, by label; an arm that could not become the best has fewer.
        min_gain: the smallest gain worth a change, in units of the metric.
        pairs: of measuring seeds that the gain needs.
    """

    criterion: Criterion
    baseline: Candidate
    best: Candidate
    results: Results
    min_gain: float
    pairs: int

    @property
    def pair(self) -> list[Candidate]:
        """The arms to be measured: the baseline alone where there is no other."""
        return [self.baseline] if self.best is self.baseline else [self.baseline, self.best]


def broken_baseline(study: str, broke: Breakage) -> SearchError:
    """The error about a model that breaks on fresh seeds."""
    return SearchError(
        f"Study {study!r}: the model as it is broke on {broke}, so nothing can be compared with "
        "it. Mend it, or ask with another number of --seeds."
    )


def choose_arm(
    runs: FreshSeedRuns,
    candidates: Candidates,
    criterion: Criterion,
    min_gain: float | None,
    study: str,
    pairs: int = 0,
) -> Selection:
    """Race all candidates, the baseline at each of its rates, and choose the two to be measured.

    So many `pairs` will measure them at least: workers that would wait begin with those.

    Raises `SearchError` where the baseline broke on all seeds. `study` is its name, for that.
    """
    baselines, others = candidates.baselines, candidates.others
    if not others:
        own = candidates.baseline
        least = criterion.metric.min_gain if min_gain is None else min_gain
        return Selection(criterion, own, own, {}, least, NUMBERS_OF_PAIRS[0][1])

    # The baseline is the better of those that the search has.
    sign = criterion.sign
    arms = [*baselines, *others]
    next_asked = partial(likely_next, arms, len(baselines), sign, pairs)
    scored = race(runs, arms, len(baselines), sign, next_asked)
    baseline, own_results = _best_rates(baselines, scored[: len(baselines)], sign)
    if not scores_in(own_results):
        raise broken_baseline(study, breakage(own_results))
    results = {baseline.label: own_results}
    for arm, found in zip(others, scored[len(baselines) :], strict=True):
        results[arm.label] = found
    if min_gain is None:
        min_gain = criterion.worth(mean_score(own_results))

    # What was dropped on the way cannot be the best; what broke on all seeds cannot either.
    whole = [arm for arm in others if len(results[arm.label]) == CHOOSING_SEEDS]
    trained = [arm for arm in whole if scores_in(results[arm.label])]
    if not trained:
        return Selection(criterion, baseline, baseline, results, min_gain, MOST_PAIRS)
    best = choose(trained, results, sign, min_gain)

    # The baseline also gets the best arm's rates: else a change could win by a rate that the
    # user's model was never tried with.
    at_its_rates = baseline.with_rates_of(best)
    if at_its_rates.params != baseline.params:
        both = [baseline, at_its_rates]
        # Where one arm is trained by itself, no seed waits for the one before.
        later = Later("measure", [best], range(pairs))
        runs.score("choose", [at_its_rates], range(CHOOSING_SEEDS), later=later)
        baseline, own_results = _best_rates(both, race(runs, both, len(both), sign), sign)
        results[baseline.label] = own_results
    return Selection(
        criterion, baseline, best, results, min_gain, _pairs(results, baseline, best, sign)
    )


def _best_rates(
    arms: Sequence[Candidate], scored: Sequence[Sequence[FreshScore]], sign: float
) -> tuple[Candidate, Sequence[FreshScore]]:
    """The best of several rates of one arm that were trained on all seeds, and its results."""
    whole = [i for i, results in enumerate(scored) if len(results) == CHOOSING_SEEDS]
    place = max(whole, key=lambda i: soundness(scored[i], sign))
    return arms[place], scored[place]


def likely_next(
    arms: Sequence[Candidate],
    baselines: int,
    sign: float,
    pairs: int,
    scored: Sequence[Sequence[FreshScore]],
) -> Later:
    """What is most likely asked for after the last choosing seed, by those before: the baseline at
    the rates of the arm that leads, or that arm's measuring seeds.
    """

    def leading(places: Iterable[int]) -> Candidate:
        """The best of the arms at some places, by the seeds that it was trained on."""
        return arms[max(places, key=lambda i: (len(scored[i]), soundness(scored[i], sign)))]

    own, best = leading(range(baselines)), leading(range(baselines, len(arms)))
    at_its_rates = own.with_rates_of(best)
    if at_its_rates.params == own.params:
        return Later("measure", [best], range(pairs))
    return Later("choose", [at_its_rates], range(CHOOSING_SEEDS if pairs else 0))


def race(
    runs: FreshSeedRuns,
    arms: Sequence[Candidate],
    baselines: int,
    sign: float,
    next_asked: Callable[[Sequence[Sequence[FreshScore]]], Later | None] = lambda scored: None,
) -> list[list[FreshScore]]:
    """Results of arms seed by seed; after each seed what cannot become the best is dropped.

    The first so many arms are the baseline at its rates, which race among themselves. `next_asked`
    says what workers begin with that would wait at the last seed.
    """
    # Where they are computed as one, a seed more costs less than to wait and see who needs it.
    if runs.are_together(arms, range(CHOOSING_SEEDS)):
        return runs.score("choose", arms, range(CHOOSING_SEEDS))
    results: list[list[FreshScore]] = [[] for _ in arms]
    running = list(range(len(arms)))
    for seed in range(CHOOSING_SEEDS):
        # Only what breaks is dropped before: the first seeds are trained together.
        seeds = range(LEAST_SEEDS) if seed < LEAST_SEEDS else [seed]
        later = next_asked(results) if seed + 1 == CHOOSING_SEEDS else None
        trained = runs.score(
            "choose", [arms[i] for i in running], seeds, of=CHOOSING_SEEDS, later=later
        )
        for i, scored in zip(running, trained, strict=True):
            results[i].append(scored[seeds.index(seed)])
        possible = set(still_possible(_matrix(results, sign), range(baselines)))
        running = list(_left(running, possible, baselines))
    return results


def _left(running: Sequence[int], possible: set[int], baselines: int) -> Iterator[int]:
    """The arms that go on: of the baselines, and of the others, all where none is possible."""
    for runners in ([i for i in running if i < baselines], [i for i in running if i >= baselines]):
        left = [i for i in runners if i in possible]
        yield from left or runners


def _matrix(results: Sequence[Sequence[FreshScore]], sign: float) -> NDArray[np.float64]:
    """Scores `(arms, seeds)`, higher is better; NaN where an arm has none."""
    seeds = max(map(len, results))
    matrix = np.full((len(results), seeds), math.nan)
    for row, each in zip(matrix, results, strict=True):
        row[: len(each)] = [math.nan if one.score is None else sign * one.score for one in each]
    return matrix


def _pairs(results: Results, baseline: Candidate, best: Candidate, sign: float) -> int:
    """How many pairs measure the gain of the best arm."""
    # That an arm breaks more often than another takes many pairs to tell.
    if any(breakage(results[arm.label]).times for arm in (baseline, best)):
        return MOST_PAIRS
    if is_erratic(results, baseline, best):
        return MOST_PAIRS
    labels = list(results)
    matrix = _matrix(list(results.values()), sign)
    return pairs_for(matrix, labels.index(baseline.label), labels.index(best.label))


def is_erratic(results: Results, baseline: Candidate, best: Candidate) -> bool:
    """Whether one of two arms scored otherwise in the search than on the seeds that chose, by as
    much as the two differ on these.

    A training that collapses on some seeds may do so on all of few, which then differ by little.
    """
    means = [mean_score(results[arm.label]) for arm in (baseline, best)]
    gap = abs(means[1] - means[0])
    for arm, mean in zip((baseline, best), means, strict=True):
        if arm.searched is not None and abs(arm.searched - mean) >= gap > 0:
            return True
    return False
