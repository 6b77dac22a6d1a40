"""Arms trained on fresh seeds that the search never saw."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from advisor.errors import MachineError
from advisor.randomness import mix
from advisor.search.limits import seconds_for_a_training
from advisor.search.search import Event, Search
from advisor.store.study_records import Confirmation, StudyRecords
from advisor.training.answers import Answers
from advisor.training.criterion import Criterion
from advisor.verdict.candidates import Candidate, FreshScore
from advisor.work.executors import Crew
from advisor.work.job import Job, Outcome, kept_file

Phase = Literal["choose", "measure"]
"""What fresh seeds are for: they choose an arm, or they measure its gain.

Earlier versions had `select` and `estimate`, of other rows; these are left alone.
"""
EARLIER = ("select", "estimate")
"""The phases of versions before 0.3."""
LINES = {"choose": "choosing seed", "measure": "measuring seed"}
"""What the seeds of a phase are called on the screen."""
FOLDER = "confirm"
"""The folder of the files of answers, inside that of the study."""


class FreshRun(NamedTuple):
    """What identifies one training on a fresh seed, also in the database.

    Attributes:
        phase: what the seed is for.
        label: the arm in words.
        params: its parameters as JSON.
        seed: the random seed.
    """

    phase: str
    label: str
    params: str
    seed: int

    @property
    def name(self) -> str:
        """What its jobs are called; the last number tells its parameters from others."""
        return f"fresh seed {self.seed} of {self.label} ({self.phase} {mix(self.params):x})"


def check_phase(phase: str) -> None:
    """Raise `ValueError` where fresh seeds are for something that this version does not know."""
    if phase not in (*get_args(Phase), *EARLIER):
        raise ValueError(f"no phase is called {phase!r}")


@dataclass(frozen=True)
class SeedPlace:
    """Where fresh seeds are trained and kept.

    Attributes:
        seed: of the study or the comparison.
        criterion: what arms are compared by.
        folder: for the answers of the trainings that measure.
        crew: trains.
        records: keep the results.
        on: is told of each training.
        book_time: books the time that has passed.
    """

    seed: int
    criterion: Criterion
    folder: Path
    crew: Crew
    records: StudyRecords
    on: Callable[[Event], object]
    book_time: Callable[[], object]


class FreshSeedRuns:
    """Trains candidates on fresh seeds; what the database has already is not trained again.

    It reads the database once, and writes each result to it at once.

    Arguments:
        site: where to train and to keep.
        job_of: the job of a full training of a candidate, but for its seeds, rows and files.
    """

    def __init__(self, site: SeedPlace, job_of: Callable[[Candidate], Job]) -> None:
        self._site, self._job_of = site, job_of
        # The one reading of what the database has; from here on it follows what is written.
        self._scores: dict[FreshRun, FreshScore] = {}
        for row in site.records.confirmations():
            with site.records.reading("fresh seeds"):
                check_phase(row.phase)
            run = FreshRun(row.phase, row.arm, row.params, row.seed)
            self._scores[run] = FreshScore(row.score, row.seconds, row.test, row.why or "")

    @classmethod
    def of_search(cls, search: Search) -> FreshSeedRuns:
        """Those of a study, after its search."""
        prepared, plan, history = search.prepared, search.plan, search.history
        # Every training is this job with an arm, its random seeds and its files.
        job = Job(
            study=prepared.ref,
            opening_id=prepared.opening_id,
            content=prepared.digest,
            params={},
            seed=0,
            split=prepared.study.seed,
            batch=plan.batch,
            from_epoch=0,
            to_epoch=plan.epochs,
            cache=str(search.folder / "cache"),
            device=str(prepared.device),
            seconds=seconds_for_a_training(prepared.study, history),
        )
        folder = search.folder / FOLDER
        parts = (search.crew, search.records, search.on, search.book_time)
        site = SeedPlace(prepared.study.seed, history.criterion, folder, *parts)
        return cls(site, lambda arm: replace(job, params={**arm.arm, **arm.params}))

    def score(
        self, phase: Phase, arms: Sequence[Candidate], seeds: Sequence[int], of: int | None = None
    ) -> list[list[FreshScore]]:
        """What each arm reached, one result per seed in order.

        `of` is how many seeds there will be. What the model or a technique broke has no score but a
        reason, and is not trained again.
        """
        # All arms of a seed come before the next seed, so that what is done by then is paired.
        jobs: dict[FreshRun, Job] = {}
        lines: dict[FreshRun, str] = {}
        for seed in seeds:
            for arm in arms:
                if self._is_missing(phase, arm, seed):
                    run = self._run(phase, arm, seed)
                    jobs[run] = self._job(phase, arm, seed)
                    lines[run] = f"{arm.label}: {LINES[phase]} {seed + 1} of {of or len(seeds)}"

        for run, outcome in self._train(jobs, lines):
            score, why = None, why_broken(outcome)
            if not why:
                score = self._site.criterion.score(outcome.curve, jobs[run].to_epoch)
            self._save(run, FreshScore(score, sum(outcome.costs.values()), outcome.test, why))
        return [[self._scores[self._run(phase, arm, seed)] for seed in seeds] for arm in arms]

    def with_effect(self, arms: Sequence[Candidate]) -> list[Candidate]:
        """The arms without what changes nothing in them, each once.

        An arm that the search has trained had its effect there. The techniques of every other one
        are applied here, on the first of the seeds that choose.
        """
        jobs: dict[FreshRun, Job] = {}
        asked: dict[FreshRun, Candidate] = {}
        for arm in arms:
            if arm.searched is None:
                run = self._run("choose", arm, 0)
                job = self._job("choose", arm, 0)
                jobs[run] = replace(
                    job, to_epoch=0, needs_effect=True, name=f"the start of {run.name}"
                )
                asked[run] = arm

        kept = {arm.label: arm for arm in arms}
        lines = {run: f"{arm.label}: techniques applied" for run, arm in asked.items()}
        for run, outcome in self._train(jobs, lines):
            if outcome.no_effect:
                del kept[run.label]
                less = asked[run].without(outcome.no_effect)
                if less.changes:
                    kept.setdefault(less.label, less)
        return list(kept.values())

    def answers(self, arm: Candidate, seed: int) -> dict[str, Answers]:
        """What the training of an arm on a measuring seed answered, by what its rows are called.

        Raises `MachineError` where the file of it is gone or damaged.
        """
        saved = self._kept_answers("measure", arm, seed)
        if saved is None:
            raise MachineError(
                f"What {arm.label} answered on the rows that measure was written to "
                f"{self._answers_file(self._run('measure', arm, seed))}, and is gone or damaged."
            )
        return {name: Answers.from_plain(plain) for name, plain in saved.items()}

    # --------------------------------------------------------------------------------------------

    def _is_missing(self, phase: Phase, arm: Candidate, seed: int) -> bool:
        """Whether a training is to be done; also one that measured, and lost its answers."""
        known = self._scores.get(self._run(phase, arm, seed))
        if known is None:
            return True
        is_kept = known.why or phase == "choose"
        return not is_kept and self._kept_answers(phase, arm, seed) is None

    def _kept_answers(self, phase: Phase, arm: Candidate, seed: int) -> dict[str, Any] | None:
        """The file of the answers; None where there is none that can be read."""
        job = self._job(phase, arm, seed)
        return kept_file(job, str(job.measured), job.to_epoch).read("cpu")

    def _run(self, phase: Phase, arm: Candidate, seed: int) -> FreshRun:
        number = mix(self._site.seed, phase, seed)
        return FreshRun(phase, arm.label, arm.json_params(), number)

    def _job(self, phase: Phase, arm: Candidate, seed: int) -> Job:
        """The training of an arm on a fresh seed.

        All seeds that choose score the rows that the search has scored. One that measures draws its
        own rows.
        """
        run, job = self._run(phase, arm, seed), self._job_of(arm)
        job = replace(job, seed=run.seed, name=run.name)
        if phase == "choose":
            return job
        return replace(job, split=run.seed, measured=str(self._answers_file(run)))

    def _train(
        self, jobs: Mapping[FreshRun, Job], lines: Mapping[FreshRun, str]
    ) -> Iterator[tuple[FreshRun, Outcome]]:
        """Outcomes as they come; each is shown, and its time booked, once it is written."""
        for done, (run, outcome) in enumerate(self._site.crew.run(jobs), start=1):
            yield run, outcome
            self._site.on(Event("confirm", done, len(jobs), lines[run]))
            self._site.book_time()

    def _answers_file(self, run: FreshRun) -> Path:
        return self._site.folder / f"{mix(run.label, run.params, run.seed)}.pt"

    def _save(self, run: FreshRun, result: FreshScore) -> None:
        confirmation = Confirmation(
            phase=run.phase,
            arm=run.label,
            params=run.params,
            seed=run.seed,
            score=result.score,
            seconds=result.seconds,
            test=result.test,
            why=result.why or None,
        )
        self._site.records.save_confirmation(confirmation)
        self._scores[run] = result


def why_broken(outcome: Outcome) -> str:
    """Why a training did not come to its end, in a sentence; empty where it did."""
    if outcome.ended is None:
        return ""
    return outcome.why or outcome.ended.value
