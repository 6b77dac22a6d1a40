"""Pairs of fresh seeds for all sides, and what they show."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from advisor.comparing.sides import OpenSide
from advisor.events import Listener
from advisor.store.study_records import StudyRecords
from advisor.training.floor import Simple
from advisor.training.floors import floors
from advisor.verdict.candidates import Candidate, FreshScore
from advisor.verdict.evidence import PRINTED_LEVEL, level_of_each
from advisor.verdict.fresh_run import SeedPlace
from advisor.verdict.fresh_seeds import FreshSeedRuns
from advisor.verdict.looks import levels_of_looks, with_look
from advisor.verdict.measuring import PairedResult, RowFacts, constant_to_beat, measure
from advisor.verdict.racing import pairs_for
from advisor.work.executors import Crew
from advisor.work.job import Job
from advisor.work.stacked import is_by_itself, why_no_stack

CHOOSING_PAIRS = 3
"""Pairs that only set how many pairs measure; they are not measured."""


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

    def of(self, sides: Sequence[OpenSide]) -> FreshSeedRuns:
        """The trainings of some sides, each by its own study."""
        first = sides[0].prepared
        by_label = {side.label: side for side in sides}
        cache = str(self.folder / "cache")

        def job_of(arm: Candidate) -> Job:
            """A whole training of a side, at the rates of its arm."""
            job = by_label[arm.label].job("a fresh seed")
            return replace(job, params={**arm.arm, **arm.params}, cache=cache)

        def why(job: Job, copies: int) -> str | None:
            """Why trainings of the study of a side are done one by one."""
            side = next(each for each in sides if each.prepared.ref == job.study)
            with side.entered() as prepared:
                return why_no_stack(prepared, copies, job.batch)

        def by_itself(arm: Candidate) -> bool:
            """Whether a side is trained by itself."""
            return is_by_itself(by_label[arm.label].prepared.host, arm.arm)

        parts = (self.crew, self.records, self.on, self.book_time, why, by_itself)
        return FreshSeedRuns(SeedPlace(first.study.seed, first.criterion, *parts), job_of)


@dataclass(frozen=True)
class MeasuredSides:
    """What the pairs of all sides show.

    Attributes:
        scored: results by label, one for each seed that measured.
        others: of each side but the first, in their order.
        min_gain: the smallest gain worth a change.
        looks: numbers of pairs of each look at these sides, this one last.
        printed: the level of each printed interval, so that all hold at once.
    """

    scored: Mapping[str, Sequence[FreshScore]]
    others: Sequence[PairedResult]
    min_gain: float
    looks: Sequence[int] = ()
    printed: float = PRINTED_LEVEL


def candidate_of(side: OpenSide, params: Mapping[str, Any]) -> SideCandidate:
    """A side at some rates, as an arm."""
    return SideCandidate(dict(side.side.choices), dict(params), searched=None, name=side.label)


def tuned(
    runs: Runs, sides: Sequence[OpenSide], tried: Sequence[Sequence[Mapping[str, Any]]]
) -> list[OpenSide]:
    """Each side at the best of the rates that were tried for it, on the first choosing seed.

    A side that broke at each of them keeps its own.
    """
    own, sign = runs.of(sides), sides[0].prepared.criterion.sign
    best = []
    for side, rates in zip(sides, tried, strict=True):
        arms = [candidate_of(side, params) for params in rates]
        results = own.score("choose", arms, range(1))
        scores = [each[0].score for each in results]
        reached = [(sign * score, -i) for i, score in enumerate(scores) if score is not None]
        place = -max(reached)[1] if reached else 0
        best.append(replace(side, params=rates[place]))
    return best


def measured(
    runs: Runs,
    sides: Sequence[OpenSide],
    pairs: int | None,
    min_gain: float | None,
    level: float,
    looks: Sequence[int],
) -> MeasuredSides:
    """Train all sides on fresh seeds in pairs, and say what they show.

    Arguments:
        runs: what the trainings need.
        sides: the first one, and those that are compared with it.
        pairs: how many measure; None for a number by the choosing pairs.
        min_gain: the smallest gain worth a change; None for the metric's own.
        level: of this verdict, among all that the same rows have given.
        looks: numbers of pairs of the looks that there were at these sides.
    """
    own, criterion = runs.of(sides), sides[0].prepared.criterion
    arms = [candidate_of(side, side.params) for side in sides]
    chosen = own.score("choose", arms, range(CHOOSING_PAIRS))
    if min_gain is None:
        scores = [each.score for each in chosen[0] if each.score is not None]
        min_gain = criterion.worth(statistics.fmean(scores)) if scores else 0.0
    looks = with_look(looks, pairs or pairs_by(chosen, criterion.sign))

    # The sides, and the looks at them, share what this verdict may be wrong by.
    others = len(sides) - 1
    deciding, next_level = levels_of_looks(looks, level_of_each(others, level))
    printed = level_of_each(others, PRINTED_LEVEL)
    constant = constant_of(sides[0])
    scored: dict[str, Sequence[FreshScore]] = {}
    shown = []
    for arm, result in zip(arms[1:], chosen[1:], strict=True):
        beaten = constant_to_beat([chosen[0], result], criterion.sign, constant, min_gain)
        pair, rows = (arms[0], arm), rows_of(sides[0])
        each = measure(
            own,
            pair,
            looks[-1],
            rows,
            criterion,
            min_gain,
            deciding,
            beaten,
            next_level,
            printed,
        )
        shown.append(each)
        scored.setdefault(arms[0].label, each.results[0])
        scored[arm.label] = each.results[1]
    return MeasuredSides(scored, shown, min_gain, looks, printed)


def pairs_by(chosen: Sequence[Sequence[FreshScore]], sign: float) -> int:
    """How many pairs measure, by the least clear of the sides on the choosing seeds."""
    scores = []
    for results in chosen:
        row = [float("nan") if each.score is None else sign * each.score for each in results]
        scores.append(row)
    return max(pairs_for(scores, 0, other) for other in range(1, len(scores)))


def rows_of(side: OpenSide) -> RowFacts:
    """What is known of the rows that measure."""
    source = side.prepared.source
    groups = None if source.groups is None else torch.from_numpy(source.groups)
    return RowFacts(source.total, groups, source.drew_test)


def constant_of(side: OpenSide) -> float | None:
    """The score of one answer for all rows, on the rows that choose; None where it says nothing."""
    with side.entered() as prepared:
        if prepared.criterion.reach is not None or not prepared.has_rows:
            return None
        seed = prepared.study.seed
        chose = prepared.splits(seed).valid
        run = prepared.run(seed, seed)
        (floor,) = floors(run, chose, prepared.batch, [Simple.MAJORITY])
    return floor.score
