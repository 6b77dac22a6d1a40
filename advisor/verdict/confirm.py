"""Confirmation: the leading arms and the baseline again, on fresh seeds that the search never saw."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from advisor.search.pilot import estimate
from advisor.search.search import Search
from advisor.search.stages import twins
from advisor.training.criterion import Criterion
from advisor.verdict.bootstrap import RowGain, row_gain
from advisor.verdict.candidates import (
    DEARER,
    Candidate,
    Results,
    Trained,
    at_rates_of,
    baselines,
    candidates,
    choose,
    dearness,
    mean,
    one_seed,
    rivals,
)
from advisor.verdict.fresh_seeds import LOOKS, Fresh, Seed, seeds
from advisor.verdict.statistics import Gain, chosen_overlap, paired_gain, precise_enough, verdict

SELECT, ESTIMATE = "select", "estimate"
SELECT_SEEDS = 3
"""Fresh seeds that choose among the candidates; the gain is then measured on other seeds, which did
not choose it.
"""
SECONDS = 120.0
"""Trainings beyond the first look take no longer than this, by an estimate that is the same on
every machine.
"""


@dataclass(frozen=True)
class Evidence:
    """What the confirmation found.

    Attributes:
        baseline: the user's model, tuned; `given` is the same at the rates that the search began
            with.
        best: the arm that was chosen to be compared with it; the baseline itself where there is no
            other.
        others: all arms that were confirmed, without the baseline.
        selected: results by label on the seeds that chose the best arm.
        results: results of baseline and best arm on the seeds that measure the gain, with their
            test scores.
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


@dataclass(frozen=True)
class Chosen:
    """What the first fresh seeds chose: the baseline at its better rates and the arm to compare
    with it.

    `expected` is the gain that these seeds showed, `overlap` what overlapping splits share, by the
    number of arms among which the rows may have chosen.
    """

    baseline: Candidate
    given: Candidate
    best: Candidate
    others: Sequence[Candidate]
    selected: Results
    expected: float
    min_gain: float
    overlap: float

    @property
    def pair(self) -> list[Candidate]:
        """The arms to be measured: the baseline alone where there is no other."""
        return [self.baseline, self.best] if self.others else [self.baseline]


def confirm(search: Search, trainings: float = math.inf) -> Evidence:
    """Choose the best arm on some fresh seeds and measure its gain over the baseline on others;
    score the test rows once.

    One arm enters the seeds that measure, so nothing is chosen there. With a time limit,
    `trainings` full trainings at most: then fewer arms and seeds, but never fewer than three seeds.
    """
    trainings = min(trainings, 1e6)  # infinity is no number of arms
    first = min(search.shared.study.seeds, max(3, int(trainings // 2)))
    fresh = Fresh(search)
    chosen = _choose(fresh, search, max(1, int((trainings - 2 * first) // SELECT_SEEDS - 2)))
    wanted = _measured(
        fresh, search, chosen, first, trainings - SELECT_SEEDS * (len(chosen.others) + 2)
    )
    results = fresh.score(ESTIMATE, chosen.pair, wanted)
    gain = _gain(search, chosen, results, wanted) if chosen.others else _alone(search, results[0])
    tested = fresh.test(ESTIMATE, chosen.pair, wanted[:first])
    rows = _rows(fresh, search, chosen.pair, wanted[:first])
    said = (
        final_verdict(gain, chosen.min_gain, *_on_test(search.shared.goal, tested, rows))
        if chosen.others
        else "keep"
    )
    labels = [arm.label for arm in chosen.pair]
    return Evidence(
        baseline=chosen.baseline,
        best=chosen.best,
        others=chosen.others,
        selected=chosen.selected,
        results={
            label: [*t, *r[first:]] for label, t, r in zip(labels, tested, results, strict=True)
        },
        gain=gain,
        min_gain=chosen.min_gain,
        verdict=said,
        given=chosen.given,
        rows=rows,
    )


def _choose(fresh: Fresh, search: Search, most: int) -> Chosen:
    """Train the leading arms, `most` of them, and the baseline at each of its rates, and choose."""
    plan, trials, sign = search.plan, search.trials(), search.sign
    own = baselines(plan, trials, sign)
    others = candidates(plan, trials, sign, search.database.costs(search.name))[:most]
    if not others:
        return Chosen(
            own[0], own[-1], own[0], [], {}, 0.0, _worth(search, ()), search.shared.overlap
        )
    scored = fresh.score(SELECT, [*own, *others], seeds(SELECT_SEEDS, 0))
    top = max(range(len(own)), key=lambda i: sign * mean(scored[i]))
    baseline, labels = own[top], [own[top].label, *(arm.label for arm in others)]
    selected = dict(zip(labels, [scored[top], *scored[len(own) :]], strict=True))
    min_gain = _worth(search, selected[baseline.label])
    best = choose(others, selected, sign, min_gain)
    baseline = _at_best_rates(fresh, best, baseline, selected, sign)
    expected = sign * (mean(selected[best.label]) - mean(selected[baseline.label]))
    spread, _ = one_seed(selected, baseline, others)
    overlap = chosen_overlap(search.shared.overlap, rivals(plan, trials, sign, best, spread))
    return Chosen(baseline, own[-1], best, others, selected, expected, min_gain, overlap)


def _worth(search: Search, results: Sequence[Trained]) -> float:
    own, goal = search.shared.study.min_gain, search.shared.goal
    if own is not None:
        return own
    return goal.worth(mean(results)) if results else goal.metric.min_gain


def _at_best_rates(
    fresh: Fresh,
    best: Candidate,
    baseline: Candidate,
    selected: dict[str, list[Trained]],
    sign: float,
) -> Candidate:
    """The baseline at the best arm's learning rate and weight decay, where that suits it better
    than its own.
    """
    twin = at_rates_of(best, baseline)
    if twin.key == baseline.key:
        return baseline
    results = fresh.score(SELECT, [twin], seeds(SELECT_SEEDS, 0))[0]
    if sign * mean(results) <= sign * mean(selected[baseline.label]):
        return baseline
    selected[baseline.label] = results
    return twin


def _measured(
    fresh: Fresh, search: Search, chosen: Chosen, first: int, trainings: float
) -> list[Seed]:
    """The seeds that measure the gain: as many as the noise and the gain on other seeds ask for,
    and the budget allows.
    """
    seconds = max(estimate(search.shared, search.plan.rungs[-1]), 1e-9) * DEARER ** dearness(
        chosen.best
    )
    most = max(2.0 * first, min(trainings, SECONDS / seconds))
    for look in range(LOOKS):
        wanted = seeds(first, look)
        results = fresh.score(ESTIMATE, chosen.pair, wanted, keep=first)
        gain = _gain(search, chosen, results, wanted)
        last = look == LOOKS - 1 or 2 * len(seeds(first, look + 1)) > most
        if last or not chosen.others or precise_enough(gain, chosen.min_gain, chosen.expected):
            break
    return wanted


def _gain(
    search: Search, chosen: Chosen, results: Sequence[Sequence[Trained]], wanted: Sequence[Seed]
) -> Gain:
    """The gain of the last of `results` over the first, *higher is better*."""
    one, other = ([search.sign * r.score for r in results[i]] for i in (0, -1))
    return paired_gain(one, other, chosen.overlap, [seed.split for seed in wanted])


def _alone(search: Search, results: Sequence[Trained]) -> Gain:
    """The gain of the model over itself; identical where that is all that the techniques are."""
    scores = [r.score for r in results]
    return replace(paired_gain(scores, scores), identical=bool(twins(search.trials())))


BORNE_OUT = 0.84
"""Standard errors that a gain on the test rows must be above zero: with four parts in five of
confidence.
"""


def final_verdict(
    gain: Gain, min_gain: float, on_test: float = math.inf, error: float = 0.0
) -> str:
    """The verdict; what the test rows do not bear out is not recommended.

    All seeds draw from the same rows, so an arm that was chosen for suiting these rows suits them
    on fresh seeds, too. Only the test rows, which nothing was chosen by, can tell. `error` is the
    standard error of the gain `on_test`.
    """
    said = verdict(gain, min_gain)
    if said != "change" or on_test > BORNE_OUT * error:
        return said
    return "undecided" if gain.shrunk >= min_gain else "keep"


def _on_test(
    goal: Criterion, tested: Sequence[Sequence[Trained]], rows: RowGain | None
) -> tuple[float, float]:
    """The gain on the test rows and its standard error; certain where they say nothing: of speed,
    or of broken trainings.
    """
    pairs = [(a.test, b.test) for a, b in zip(tested[0], tested[-1], strict=True)]
    gains = [goal.sign * (b - a) for a, b in pairs if a is not None and b is not None]
    if goal.reach is not None or not gains:
        return math.inf, 0.0
    seeds_error = statistics.stdev(gains) / math.sqrt(len(gains)) if len(gains) > 1 else 0.0
    return statistics.fmean(gains), math.hypot(seeds_error, rows.error if rows else 0.0)


def _rows(
    fresh: Fresh, search: Search, pair: Sequence[Candidate], wanted: Sequence[Seed]
) -> RowGain | None:
    """The gain on the test rows; None where the baseline is alone, or a training broke."""
    answers = [
        (fresh.answers(ESTIMATE, pair[0], seed), fresh.answers(ESTIMATE, pair[-1], seed))
        for seed in wanted
    ]
    found = [(one, other) for one, other in answers if one is not None and other is not None]
    if len(pair) < 2 or len(found) < len(answers):
        return None
    return row_gain(search.shared.objective.metric, found, search.shared.study.seed)
