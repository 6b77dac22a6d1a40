"""Confirmation: the leading arms and the baseline again, on seeds that the search never saw."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch

from advisor.search.arm import count_changes, techniques_in
from advisor.search.estimate import estimate
from advisor.search.search import Search
from advisor.training.floor import Simple
from advisor.training.floors import floors
from advisor.verdict.candidates import (
    COST_FACTOR,
    NEVER,
    Breakage,
    Candidate,
    Candidates,
    FreshScore,
    Results,
    breakage,
    candidate_of,
    complete_pairs,
    each_change_undone,
    find_candidates,
    paired_differences,
    scores_in,
)
from advisor.verdict.choosing import Selection, broken_baseline, choose_arm
from advisor.verdict.evidence import CHANGE_LEVEL, VERDICT_OF
from advisor.verdict.fresh_run import Later
from advisor.verdict.fresh_seeds import FreshSeedRuns
from advisor.verdict.looks import levels_of_looks, looks_at, with_look
from advisor.verdict.measuring import (
    FEWEST_PAIRS,
    PairedResult,
    RowFacts,
    constant_to_beat,
    gain_record,
    measure,
)
from advisor.verdict.racing import LEAST_SEEDS
from advisor.verdict.records import Evidence, MeasuredGain, Verdict
from advisor.verdict.room import FEW_PAIRS, Room
from advisor.work.job import Job

SECONDS = 120.0
"""More pairs than the fewest are trained for no longer than this, by an estimate that is the same
on every machine, unless the user says how many.
"""


@dataclass(frozen=True)
class Measurement:
    """What the confirmation measured.

    Attributes:
        start: the user's model as it is, at the rates that the search began with.
        baseline: the user's model as it is, at its best rates.
        best: the arm that was chosen to be compared with it; the baseline itself where there is no
            other, and where the other one broke too often to have a gain.
        others: all arms that were confirmed, without the baseline.
        selected: results by label on the seeds that chose the best arm.
        results: results of baseline and best arm on the seeds that measure the gain and on which
            neither broke, with their test scores.
        measured: what the pairs say; None where there was nothing to compare.
        min_gain: the smallest gain worth a change, in units of the metric.
        wanted: pairs that the gain needed, where there was time for fewer; None where there was.
        identical: whether all techniques are what the user's model does already.
        unmeasured: the arm that was chosen to be compared, and broke too often to have a gain.
        importance: what leaving each change of the best arm out costs, by slot, in units of the
            metric; it has no part in the verdict.
        looks: pairs of each look at these two arms so far, this one last.
        places: of the measuring seeds that `results` are of, in their order.
    """

    start: Candidate
    baseline: Candidate
    best: Candidate
    others: Sequence[Candidate]
    selected: Results
    results: Results
    measured: PairedResult | None
    min_gain: float
    wanted: int | None = None
    identical: bool = False
    unmeasured: Candidate | None = None
    importance: Mapping[str, float] = field(default_factory=dict)
    looks: Sequence[int] = ()
    places: Sequence[int] = ()

    @property
    def evidence(self) -> Evidence:
        """What was shown; the user's model is equivalent to itself."""
        return Evidence.EQUIVALENT if self.measured is None else self.measured.evidence

    @property
    def verdict(self) -> Verdict:
        """What is to be done."""
        return VERDICT_OF[self.evidence]

    @property
    def gain(self) -> MeasuredGain:
        """Of the best arm over the baseline, which gains nothing over itself."""
        measured = None if self.measured is None else gain_record(self.measured)
        broken = [each.times for each in self.broke]
        if measured is None:
            nothing = MeasuredGain(0.0, 0.0, 0.0, p=1.0, seeds=self.seeds, detectable=0.0)
            return replace(nothing, identical=self.identical, broken=broken, left_out=self.left_out)
        return replace(measured, looks=list(self.looks))

    @property
    def seeds(self) -> int:
        """Pairs that count, or seeds of the baseline where it was alone."""
        return len(self.results[self.baseline.label])

    @property
    def sampled(self) -> str:
        """What more of would make the answer surer: `rows`, or `groups` of rows."""
        on_test = None if self.measured is None else self.measured.test
        return "groups" if on_test is not None and on_test.groups else "rows"

    @property
    def broke(self) -> tuple[Breakage, Breakage]:
        """How often the baseline and the other arm broke on the seeds that measure."""
        return (NEVER, NEVER) if self.measured is None else self.measured.broke

    @property
    def left_out(self) -> int:
        """Pairs of seeds that do not count because one of their trainings broke."""
        return max(0, self.broke[0].seeds - self.seeds)

    @property
    def is_less_sound(self) -> bool:
        """Whether the arm that was measured is shown to break more often than the baseline."""
        measured = self.measured
        return measured is not None and measured.by_breaking and not self.is_sounder

    @property
    def is_sounder(self) -> bool:
        """Whether the arm that was measured is shown to break less often than the baseline."""
        measured = self.measured
        return measured is not None and measured.by_breaking and self.verdict is Verdict.CHANGE

    @property
    def chosen(self) -> Candidate:
        """The arm to use."""
        return self.best if self.verdict == Verdict.CHANGE else self.baseline


def confirm(search: Search, level: float = CHANGE_LEVEL) -> Measurement:
    """Choose the best arm on some fresh seeds and measure its gain over the baseline on others.

    One arm enters the seeds that measure, so nothing is chosen there, and their number is fixed
    before the first of them. With a time limit there may be
    fewer arms and pairs, but never fewer than five pairs. More pairs of two arms that were
    measured before are a second look. Both looks share the `level` of this verdict among all on the
    same rows.
    """
    study = search.prepared.study
    room = Room(search.deadline, search.pace, search.crew.workers)
    criterion = search.history.criterion
    runs = FreshSeedRuns.of_search(search)

    # The seeds that choose train the other arms, and the baseline at two pairs of rates or three.
    candidates = find_candidates(search.history)
    most = room.others(min(study.seeds or FEW_PAIRS, FEW_PAIRS))
    others = runs.with_effect(candidates.others[:most])
    candidates = replace(candidates, others=others)
    sure = 0 if room.is_limited else min(study.seeds or FEW_PAIRS, FEW_PAIRS)
    choice = choose_arm(runs, candidates, criterion, study.min_gain, study.name, sure)

    # How many pairs measure is settled here.
    pairs = pairs_of(search, choice, room)
    wanted = choice.pairs if study.seeds is None and pairs < choice.pairs else None
    if choice.best is choice.baseline:
        return baseline_alone(runs, choice, candidates, pairs, study.name)

    # Pairs that were looked at are looked at again; more of them are a new look.
    looks = with_look(looks_at(choice.pair, search.records.recommendations()), pairs)
    this_level, next_level = levels_of_looks(looks, level)
    measured = measure(
        runs,
        choice.pair,
        looks[-1],
        rows_of(search),
        criterion,
        choice.min_gain,
        this_level,
        constant_of(search, choice),
        next_level,
        later=Later("measure", undone(choice) if sure else [], range(sure)),
    )
    # An arm that broke on nearly all of them has no gain.
    places = complete_pairs(*measured.results)
    if measured.gain is None:
        check_baseline(study.name, measured.results)
        places = [i for i, one in enumerate(measured.results[0]) if one.score is not None]
    importance = {}
    if not room.is_limited and measured.evidence is Evidence.BETTER:
        importance = what_changes_cost(runs, choice, measured)
    return Measurement(
        start=candidates.start,
        baseline=choice.baseline,
        best=choice.baseline if measured.gain is None else choice.best,
        others=others,
        selected=choice.results,
        results=counted_results(choice, measured.results, places),
        measured=measured,
        min_gain=choice.min_gain,
        wanted=wanted,
        unmeasured=choice.best if measured.gain is None else None,
        importance=importance,
        looks=looks,
        places=places,
    )


def sure_trainings(search: Search) -> Iterable[Job]:
    """Trainings that a confirmation asks for whatever the search finds: of the model as it is, at
    the rates that it begins with, on the first of the seeds that choose.
    """
    trials, plan = search.history.trials, search.plan
    # Those that are trained together with others wait for these.
    if not trials or not plan.is_settled or search.trains_together:
        return ()
    later = Later("choose", [candidate_of(plan, trials[0])], range(LEAST_SEEDS))
    return FreshSeedRuns.of_search(search).units(later)


def pairs_of(search: Search, choice: Selection, room: Room) -> int:
    """How many pairs measure: as many as the user says, or as the choosing seeds ask for, and there
    is time for.
    """
    study = search.prepared.study
    seconds = max(seconds_of(search), 1e-9)
    seconds *= COST_FACTOR**choice.best.cost_step
    pairs = study.seeds or min(choice.pairs, max(FEW_PAIRS, int(SECONDS / seconds / 2)))
    if not room.is_limited:
        return pairs
    chose = [each.seconds for arm in choice.pair for each in choice.results.get(arm.label, ())]
    return min(pairs, room.pairs(statistics.fmean(chose) if chose else 0.0))


def seconds_of(search: Search) -> float:
    """Seconds of a full training: an estimate that is the same on every machine, or what the first
    training of a script took.
    """
    if not search.prepared.has_rows:
        return sum(search.history.trials[0].costs.values())
    return estimate(search.prepared, search.plan.epochs)


def baseline_alone(
    runs: FreshSeedRuns, choice: Selection, candidates: Candidates, seeds: int, study: str
) -> Measurement:
    """The model as it is on so many seeds, where there is no other arm to compare it with.

    Raises `SearchError` where it broke on most of them. `study` is its name, for that.
    """
    (results,) = runs.score("measure", choice.pair, range(seeds))
    places = [place for place, result in enumerate(results) if result.score is not None]
    if len(places) < FEWEST_PAIRS:
        raise broken_baseline(study, breakage(results))
    return Measurement(
        start=candidates.start,
        baseline=choice.baseline,
        best=choice.baseline,
        others=candidates.others,
        selected=choice.results,
        results={choice.baseline.label: [results[place] for place in places]},
        measured=None,
        min_gain=choice.min_gain,
        identical=bool(candidates.duplicates),
        places=places,
    )


def what_changes_cost(
    runs: FreshSeedRuns, choice: Selection, measured: PairedResult
) -> dict[str, float]:
    """What leaving each change of the best arm out costs, by slot, in units of the metric.

    It is measured on the first of the measuring seeds, at the rates of the arm.
    """
    criterion = choice.criterion
    slots = [slot for slot, _ in techniques_in(choice.best.arm)]
    left = undone(choice)
    # No arm waits for another one.
    seeds = min(FEW_PAIRS, len(measured.results[1]))
    scored = runs.score("measure", left, range(seeds))
    costs = {}
    for slot, results in zip(slots, scored, strict=True):
        lost = paired_differences(results, measured.results[1][:seeds])
        if lost:
            costs[slot] = criterion.sign * statistics.fmean(lost)
    return costs


def undone(choice: Selection) -> list[Candidate]:
    """The best arm without each of its changes in turn, by slot; the baseline where that leaves
    none.
    """
    best = choice.best
    arms = list(each_change_undone(best.arm)) or [choice.baseline.arm]
    slots = [slot for slot, _ in techniques_in(best.arm)]
    return [
        best.without({slot: best.arm[slot]}) if count_changes(arm) else choice.baseline
        for slot, arm in zip(slots, arms, strict=True)
    ]


def counted_results(
    choice: Selection, results: Sequence[Sequence[FreshScore]], places: Sequence[int]
) -> dict[str, list[FreshScore]]:
    """The results by label on the seeds that count."""
    counted = {}
    for arm, every in zip(choice.pair, results, strict=True):
        counted[arm.label] = [every[place] for place in places]
    return counted


def check_baseline(study: str, results: Sequence[Sequence[FreshScore]]) -> None:
    """Raise `SearchError` where it is the model as it is that broke too often for a comparison.

    `results` are those of the baseline, and of the arm that it is compared with.
    """
    own, other = breakage(results[0]), breakage(results[1])
    if own.times >= other.times or len(scores_in(results[0])) < FEWEST_PAIRS:
        raise broken_baseline(study, own)


def rows_of(search: Search) -> RowFacts:
    """What is known of the rows that measure."""
    source = search.prepared.source
    groups = None if source.groups is None else torch.from_numpy(source.groups)
    return RowFacts(source.total, groups, source.drew_test)


def constant_of(search: Search, choice: Selection) -> float | None:
    """The score of one answer for all rows, on the rows that chose; None where it says nothing."""
    prepared, criterion = search.prepared, choice.criterion
    if criterion.reach is not None or not prepared.has_rows:
        return None
    seed = prepared.study.seed
    chose = prepared.splits(seed).valid
    (floor,) = floors(prepared.run(seed, seed), chose, prepared.batch, [Simple.MAJORITY])
    pair = [choice.results[arm.label] for arm in choice.pair]
    return constant_to_beat(pair, criterion.sign, floor.score, choice.min_gain)
