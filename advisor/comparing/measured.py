"""Pairs of fresh seeds for all sides, and what they show."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import scipy.stats

from advisor.comparing.sides import OpenSide
from advisor.search.search import Listener, Search
from advisor.store.study_records import StudyRecords
from advisor.training.criterion import Criterion
from advisor.verdict.candidates import Breakage, Candidate, FreshScore, breakage, complete_pairs
from advisor.verdict.fresh_seeds import FreshSeedRuns, Phase, Seed, first_draws
from advisor.verdict.records import Evidence
from advisor.verdict.statistics import paired_gain
from advisor.work.executors import Crew
from advisor.work.job import Job

FEWEST_PAIRS = 3
"""Pairs in which neither training broke that a gain is measured on at least."""
CHOOSING_PAIRS = 3
"""Pairs that only set how many pairs measure."""
LARGE, CLEAR = 4.0, 2.0
"""Deviations of the paired differences from which a gain needs 5 pairs, and from which 10."""


@dataclass(frozen=True)
class SideCandidate(Candidate):
    """A side as an arm that is trained on fresh seeds.

    Attributes:
        name: the label of the side.
    """

    name: str = ""

    @property
    def label(self) -> str:
        """What the side is called."""
        return self.name


@dataclass(frozen=True)
class Runs:
    """What the trainings of fresh seeds need.

    Attributes:
        crew: runs them.
        records: where they are kept.
        folder: for their files.
        on: told what there is to show.
        book_time: called after each of them.
    """

    crew: Crew
    records: StudyRecords
    folder: Path
    on: Listener
    book_time: Callable[[], None]


@dataclass(frozen=True)
class MeasuredSide:
    """What the pairs of one side and the first show; numbers are None where too many broke.

    Attributes:
        evidence: what they show.
        mean, low, high, p: of the gain, with its 95 % interval for all sides at once.
        seeds: pairs in which neither training broke.
        detectable, needed: as in `SideGain`.
        broke: how often the side broke.
    """

    evidence: Evidence
    seeds: int
    broke: Breakage
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    detectable: float | None = None
    needed: int | None = None


@dataclass(frozen=True)
class MeasuredSides:
    """What the pairs of all sides show.

    Attributes:
        scored: results by label, one for each seed that measured.
        others: of each side but the first, in their order.
        min_gain: the smallest gain worth a change.
        rows: how many rows were measured.
    """

    scored: Mapping[str, Sequence[FreshScore]]
    others: Sequence[MeasuredSide]
    min_gain: float
    rows: int


class PairRuns(FreshSeedRuns):
    """Trains sides, each by its own study, on fresh seeds."""

    def __init__(self, runs: Runs, sides: Sequence[OpenSide]) -> None:
        self._jobs = {side.label: side.job("a fresh seed") for side in sides}
        first = sides[0].prepared
        super().__init__(cast(Search, _SearchOfSides(runs, sides[0], first.criterion)))

    def _training(self, phase: Phase, arm: Candidate, seed: Seed, save: str | None) -> Job:
        own = self._jobs[arm.label]
        general = super()._training(phase, arm, seed, save)
        return replace(
            own,
            params={**arm.arm, **arm.params},
            seed=general.seed,
            split=general.split,
            save=save,
            cache=general.cache,
            name=general.name,
        )


class _SearchOfSides:
    """What `FreshSeedRuns` reads of a search, for sides that have none."""

    def __init__(self, runs: Runs, first: OpenSide, criterion: Criterion) -> None:
        self.prepared, self.folder, self.crew = first.prepared, runs.folder, runs.crew
        self.records, self.on, self.book_time = runs.records, runs.on, runs.book_time
        self.plan = _Length(first.batch, first.epochs)
        self.history = _NoTrials(criterion)


@dataclass(frozen=True)
class _Length:
    batch: int
    epochs: int


@dataclass(frozen=True)
class _NoTrials:
    criterion: Criterion
    trials: Sequence[Any] = ()


def candidate_of(side: OpenSide, params: Mapping[str, Any]) -> SideCandidate:
    """A side at some rates, as an arm."""
    return SideCandidate(dict(side.side.choices), dict(params), searched=None, name=side.label)


def tuned(
    runs: Runs, sides: Sequence[OpenSide], tried: Sequence[Sequence[Mapping[str, Any]]]
) -> list[OpenSide]:
    """Each side at the best of the rates that were tried for it, on the first choosing seed.

    A side that broke at each of them keeps its own.
    """
    own, sign = PairRuns(runs, sides), sides[0].prepared.criterion.sign
    best = []
    for side, rates in zip(sides, tried, strict=True):
        arms = [candidate_of(side, params) for params in rates]
        results = own.score("select", arms, first_draws(1))
        scores = [each[0].score for each in results]
        reached = [(sign * score, -i) for i, score in enumerate(scores) if score is not None]
        place = -max(reached)[1] if reached else 0
        best.append(replace(side, params=rates[place]))
    return best


def measured(
    runs: Runs, sides: Sequence[OpenSide], pairs: int | None, min_gain: float | None
) -> MeasuredSides:
    """Train all sides on fresh seeds in pairs, and say what they show.

    Arguments:
        runs: what the trainings need.
        sides: the first one, and those that are compared with it.
        pairs: how many measure; None for a number by the choosing pairs.
        min_gain: the smallest gain worth a change; None for the metric's own.
    """
    own, criterion = PairRuns(runs, sides), sides[0].prepared.criterion
    arms = [candidate_of(side, side.params) for side in sides]
    chosen = own.score("select", arms, first_draws(CHOOSING_PAIRS))
    if min_gain is None:
        scores = [each.score for each in chosen[0] if each.score is not None]
        min_gain = criterion.worth(statistics.fmean(scores)) if scores else 0.0
    many = pairs or pairs_by(chosen, criterion.sign)

    seeds = first_draws(many)
    results = own.score("estimate", arms, seeds, keep=many)
    results = own.score_test_rows("estimate", arms, seeds)
    overlap = sides[0].prepared.overlap
    level = 1 - 0.05 / (len(sides) - 1)
    others = [judged(results[0], each, criterion, min_gain, overlap, level) for each in results[1:]]
    facts = sides[0].prepared.facts
    scored = {arm.label: each for arm, each in zip(arms, results, strict=True)}
    return MeasuredSides(scored, others, min_gain, facts.sizes["test"] + facts.sizes["valid"])


def pairs_by(chosen: Sequence[Sequence[FreshScore]], sign: float) -> int:
    """How many pairs measure, by the least clear of the sides on the choosing seeds."""
    clearness = []
    for other in chosen[1:]:
        places = complete_pairs(chosen[0], other)
        differences = [
            sign * ((other[i].score or 0.0) - (chosen[0][i].score or 0.0)) for i in places
        ]
        if len(differences) < CHOOSING_PAIRS:
            return 10
        deviation = statistics.stdev(differences)
        mean = abs(statistics.fmean(differences))
        clearness.append(mean / deviation if deviation else LARGE)
    least = min(clearness)
    return 5 if least >= LARGE else 10 if least >= CLEAR else 20


def judged(
    first: Sequence[FreshScore],
    other: Sequence[FreshScore],
    criterion: Criterion,
    min_gain: float,
    overlap: float,
    level: float,
) -> MeasuredSide:
    """What the pairs of one side and the first show."""
    places, broke = complete_pairs(first, other), breakage(other)
    if len(places) < FEWEST_PAIRS:
        evidence = Evidence.WORSE if broke.times > breakage(first).times else Evidence.OPEN
        return MeasuredSide(evidence, len(places), broke)
    one = [criterion.sign * (first[i].score or 0.0) for i in places]
    two = [criterion.sign * (other[i].score or 0.0) for i in places]
    gain = paired_gain(one, two, overlap)
    t = scipy.stats.t(max(1, gain.seeds - 1))
    reach = float(t.ppf(0.5 + level / 2)) * gain.error
    surely = float(t.ppf(0.5 + (0.8 + level / 5) / 2)) * gain.error
    low, high = gain.mean - reach, gain.mean + reach
    return MeasuredSide(
        evidence=evidence_of(gain.mean, low, high, gain.mean - surely, min_gain),
        seeds=gain.seeds,
        broke=broke,
        mean=gain.mean,
        low=low,
        high=high,
        p=gain.p,
        detectable=gain.detectable,
        needed=gain.needed,
    )


def evidence_of(mean: float, low: float, high: float, surely: float, min_gain: float) -> Evidence:
    """What a gain with its 95 % interval shows; `surely` is the low end of the 99 % interval."""
    if surely > 0 and mean >= min_gain:
        return Evidence.BETTER
    if high < 0:
        return Evidence.WORSE
    if -min_gain < low and high < min_gain:
        return Evidence.EQUIVALENT
    if high < min_gain and low > -min_gain:
        return Evidence.NOT_BETTER
    return Evidence.OPEN
