"""The seeds that measure: the gain of one arm over another, in pairs, and what it shows."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.special
from torch import Tensor

from advisor.errors import InputError
from advisor.training.criterion import Criterion
from advisor.training.metrics import Metric, has_row_scores
from advisor.training.row_influence import blocks_of
from advisor.training.row_values import RowValues
from advisor.verdict.candidates import (
    NEVER,
    Breakage,
    Candidate,
    FreshScore,
    breakage,
    complete_pairs,
    scores_in,
)
from advisor.verdict.crossed import CrossedGain, MeasuredRows, crossed_gain, gain_of_scores, part_of
from advisor.verdict.evidence import (
    PRINTED_LEVEL,
    breaks_more,
    contradicts,
    evidence_of,
    shared_levels,
    tell,
)
from advisor.verdict.fresh_run import Later
from advisor.verdict.fresh_seeds import FreshSeedRuns
from advisor.verdict.records import Evidence, MeasuredGain, RowGain
from advisor.work.progress import HELD_OUT, TEST

FEWEST_PAIRS = 3
"""Pairs in which neither training broke that a gain is measured on at least."""
CLEARLY_BETTER = 10
"""Smallest gains worth having by which an arm is usually better than one answer for all rows, where
a training that is not counts as broken.
"""
POWER = 0.8
"""The probability with which a difference that is called detectable is found."""
NO_BETTER = "no better than one answer for all rows"
"""Why such a training is broken."""

SCRIPT_SCORES_ONLY = (
    "The script gives scores and no rows, so that seeds are the only error of the gain: that never "
    "recommends a change. Say arm.rows(values) after each of the last arm.scored epochs."
)
"""The same of a script."""
SCORES_ONLY = (
    "A training loop of yours gives scores and no model, so that seeds are the only error of the "
    "gain: that never recommends a change. Yield nothing after an epoch, so that the model is "
    "scored row by row, or return the model."
)
"""What limits an answer about a loop whose model nobody else has seen."""


@dataclass(frozen=True)
class RowFacts:
    """What is known of the rows that measure.

    Attributes:
        total: how many rows the data have.
        groups: the group of each of them `(total,)`; None where each row stands alone.
        drew_test: whether the test rows were drawn from the others. Rows that the user gave may
            differ by design, and measure alone.
    """

    total: int
    groups: Tensor | None
    drew_test: bool


@dataclass(frozen=True)
class PairedResult:
    """What pairs of trainings say of an arm.

    Attributes:
        results: of both arms on all measuring seeds; a training that broke says why.
        gain: over the pairs in which neither broke; None where there are too few of them.
        test: the gain on the test rows; None where they say nothing.
        evidence: what it shows.
        level: that of the interval which must be above zero for a change.
        needed, needed_rows: pairs and rows that would tell, where the question is open; None where
            no number that can be asked for would.
        broke: how often each arm broke.
        by_breaking: whether it is the breaking that decides.
        contradicted: whether a gain is no `better` because the test rows and the other rows that
            measure contradict each other.
        scores_only: whether a loop of the user's own gave scores and no model, of which nothing is
            known but what seeds do; that is never `better`.
    """

    results: Sequence[Sequence[FreshScore]]
    gain: CrossedGain | None
    test: RowGain | None
    evidence: Evidence
    level: float
    needed: int | None = None
    needed_rows: int | None = None
    broke: tuple[Breakage, Breakage] = (NEVER, NEVER)
    by_breaking: bool = False
    contradicted: bool = False
    scores_only: bool = False


def measure(
    runs: FreshSeedRuns,
    pair: Sequence[Candidate],
    pairs: int,
    rows: RowFacts,
    criterion: Criterion,
    min_gain: float,
    level: float,
    constant: float | None = None,
    next_level: float | None = None,
    printed: float = PRINTED_LEVEL,
    later: Later | None = None,
) -> PairedResult:
    """Train two arms on measuring seeds, and say what their gain shows.

    Arguments:
        runs: trains, or knows what was trained before.
        pair: the baseline and the other arm.
        pairs: so many seeds, fixed beforehand.
        rows: what is known of the rows that measure.
        criterion: what arms are compared by.
        min_gain: the smallest gain worth having, in units of the metric.
        level: of this look, which the interval of the gain and breaking share.
        constant: the score of one answer for all rows, which a training must be better than; None
            where only numbers that are not finite are broken.
        next_level: of a look with more pairs; None where none is left.
        printed: that of the interval which is printed, stricter where there are several sides.
        later: what workers begin with that would wait.
    """
    seeds = range(pairs)
    needs_rows = criterion.reach is None
    scored = runs.score("measure", pair, seeds, needs_rows=needs_rows, later=later)
    results = with_broken(scored, criterion.sign, constant)
    places = complete_pairs(*results)
    broke = (breakage(results[0]), breakage(results[1]))

    # Breaking is compared by itself: it is counted, and not averaged.
    only_one, only_other = (
        sum(bool(one.why) and not other.why for one, other in zip(a, b, strict=True))
        for a, b in (results, results[::-1])
    )
    is_sounder = breaks_more(only_one, only_other, level)
    is_less_sound = breaks_more(only_other, only_one, level)
    # Where breaking may decide, the gain has less of what may mislead.
    gain_level = shared_levels(only_one, only_other, level).gain

    gain, on_test = None, None
    if len(places) >= FEWEST_PAIRS:
        gain, on_test = gain_over(runs, pair, places, results, rows, criterion)
    evidence = Evidence.OPEN if gain is None else evidence_of(gain, min_gain, gain_level, printed)
    if is_sounder:
        evidence = Evidence.BETTER
    elif is_less_sound:
        evidence = Evidence.WORSE
    scores_only = any(each[place].test is None for each in results for place in places)
    if scores_only and evidence is Evidence.BETTER:
        evidence = Evidence.OPEN
    measured = PairedResult(
        results, gain, on_test, evidence, gain_level, broke=broke, scores_only=scores_only
    )
    if evidence is Evidence.OPEN and gain is not None and not scores_only:
        # Where no other look is left, no number of pairs is told.
        next_gain_level = shared_levels(only_one, only_other, next_level or level).gain
        more = tell(gain, min_gain, next_gain_level)
        pairs_that_tell = None if next_level is None else more.pairs
        measured = replace(measured, needed=pairs_that_tell, needed_rows=more.rows)
    contradicted = gain is not None and bool(contradicts(gain, min_gain))
    return replace(measured, by_breaking=is_sounder or is_less_sound, contradicted=contradicted)


# --- the gain -------------------------------------------------------------------------------------


def gain_record(measured: PairedResult) -> MeasuredGain | None:
    """What the pairs say of the gain, in plain numbers; None where there are too few of them."""
    gain = measured.gain
    if gain is None:
        return None
    (low, high), (least, _) = gain.interval(), gain.interval(measured.level)
    # A difference is found where its interval of that level is above zero.
    power = scipy.special.stdtrit(gain.freedom, [0.5 + measured.level / 2, POWER]).sum()
    return MeasuredGain(
        mean=float(gain.mean),
        low=float(low),
        high=float(high),
        p=float(gain.p),
        seeds=gain.pairs,
        detectable=float(gain.error * power),
        needed=measured.needed,
        identical=bool(gain.identical),
        error=float(gain.error),
        level=measured.level,
        least=float(least),
        rows=gain.rows,
        rest=None if gain.rest is None else float(gain.rest),
        conflict=float(gain.conflict),
        needed_rows=measured.needed_rows,
        test=measured.test,
        broken=[each.times for each in measured.broke],
        left_out=measured.broke[0].seeds - gain.pairs,
    )


def gain_over(
    runs: FreshSeedRuns,
    pair: Sequence[Candidate],
    places: Sequence[int],
    results: Sequence[Sequence[FreshScore]],
    rows: RowFacts,
    criterion: Criterion,
) -> tuple[CrossedGain, RowGain | None]:
    """The gain on all rows that measure, and that on the test rows alone."""
    parts: dict[str, MeasuredRows] = {}
    if criterion.reach is None:
        values = [[runs.rows(arm, place) for arm in pair] for place in places]
        for name in (TEST, HELD_OUT) if rows.drew_test else (TEST,):
            both = [
                (one[name], other[name]) for one, other in values if name in one and name in other
            ]
            part = part_on(criterion.metric, both, rows) if len(both) == len(places) else None
            if part is not None:
                parts[name] = part

    # How soon a score is reached, and what a metric cannot take apart, has seeds as its only error.
    if TEST not in parts:
        scores = [scores_in([each[place] for place in places]) for each in results]
        return gain_of_scores(criterion.sign * np.subtract(scores[1], scores[0])), None
    on_test = crossed_gain(parts[TEST])
    low, high = on_test.interval()
    groups = None if rows.groups is None else on_test.units
    told = RowGain(float(on_test.mean), float(low), float(high), on_test.rows, groups)
    return crossed_gain(parts[TEST], parts.get(HELD_OUT)), told


def part_on(
    metric: Metric, pairs: Sequence[tuple[RowValues, RowValues]], rows: RowFacts
) -> MeasuredRows | None:
    """What pairs say of one set of rows; None where the metric cannot be taken apart on them."""
    numbers = np.unique(np.concatenate([one.rows for one, _ in pairs]))
    values = np.full((len(pairs), len(numbers)), np.nan)
    for row, (one, other) in zip(values, pairs, strict=True):
        # Both trainings of a pair score the same rows, as far as they are ours.
        if not np.array_equal(one.rows, other.rows):
            raise InputError(
                f"Two trainings with one seed measured other rows: {len(one.rows)} and "
                f"{len(other.rows)}. A script gives arm.rows(values) the same rows in every "
                "training, or their numbers: arm.rows(values, numbers)."
            )
        row[np.searchsorted(numbers, one.rows)] = metric.sign * (other.added - one.added)
    if np.isnan(values).all(axis=1).any():
        return None
    # A metric without a formula has one number for each block of rows.
    groups = rows.groups if has_row_scores(metric) else blocks_of(rows.total, rows.groups)
    return part_of(values, None if groups is None else groups[numbers].numpy())


# --- trainings that broke -------------------------------------------------------------------------


def with_broken(
    results: Sequence[Sequence[FreshScore]], sign: float, constant: float | None
) -> list[list[FreshScore]]:
    """The results, in which a training that is no better than a constant has broken.

    Where that would leave too few pairs, only what has no score has broken.
    """
    plain = [list(each) for each in results]
    if constant is None:
        return plain
    marked = [[_marked(result, sign, constant) for result in each] for each in plain]
    return marked if len(complete_pairs(*marked)) >= FEWEST_PAIRS else plain


def _marked(result: FreshScore, sign: float, constant: float) -> FreshScore:
    if result.score is None or sign * result.score > sign * constant:
        return result
    return replace(result, score=None, why=NO_BETTER)


def constant_to_beat(
    chosen: Sequence[Sequence[FreshScore]], sign: float, constant: float | None, min_gain: float
) -> float | None:
    """The constant's score, where both arms are usually clearly better than it; else None.

    An arm that is never better than a constant has that for its score, and does not break. `chosen`
    are the results of the arms on the seeds that chose.
    """
    if constant is None:
        return None
    for results in chosen:
        scores = scores_in(results)
        usual = statistics.median(scores) if scores else constant
        if sign * (usual - constant) < CLEARLY_BETTER * min_gain:
            return None
    return constant
