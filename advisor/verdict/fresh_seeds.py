"""Arms trained on fresh seeds that the search never saw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from advisor.errors import MachineError
from advisor.randomness import mix
from advisor.search.limits import seconds_for_a_training
from advisor.search.search import Event, Search
from advisor.store.study_records import Confirmation
from advisor.verdict.bootstrap import Answers
from advisor.verdict.candidates import Candidate, FreshScore
from advisor.work.job import Job, Outcome, kept_file

Phase = Literal["select", "estimate"]
"""What fresh seeds are for: they select an arm, or they estimate its gain."""
FOLDER = "confirm"
"""The folder of the training states and test answers, inside that of the study."""


@dataclass(frozen=True)
class Seed:
    """A fresh seed: which train and validation rows, and which draw of weights and batches on them.

    Both are numbers from 0.
    """

    split: int
    draw: int = 0


def first_draws(splits: int) -> list[Seed]:
    """One draw on each of so many splits."""
    return [Seed(split) for split in range(splits)]


def growing_seeds(splits: int) -> list[list[Seed]]:
    """Three lists of seeds, each twice as long as the one before, which it begins with.

    First one draw on each split, then also a second one, then the same on as many splits again.
    Second draws tell what varies with the rows from what varies with the draw.
    """
    more = range(splits, 2 * splits)
    once = first_draws(splits)
    twice = once + [Seed(split, 1) for split in range(splits)]
    on_more = [Seed(split, 0) for split in more] + [Seed(split, 1) for split in more]
    return [once, twice, twice + on_more]


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
    if phase not in get_args(Phase):
        raise ValueError(f"no phase is called {phase!r}")


class FreshSeedRuns:
    """Trains candidates on fresh seeds; what the database has already is not trained again.

    It reads the database once, and writes each result to it at once.
    """

    def __init__(self, search: Search) -> None:
        prepared, plan, history = search.prepared, search.plan, search.history
        self._seed = prepared.study.seed
        self._criterion = history.criterion
        self._folder = search.folder / FOLDER
        # Every training is this job with an arm, its random seeds and its files.
        self._job = Job(
            study=prepared.ref,
            opening_id=prepared.opening_id,
            content=prepared.digest,
            params={},
            seed=0,
            split=0,
            batch=plan.batch,
            from_epoch=0,
            to_epoch=plan.epochs,
            cache=str(search.folder / "cache"),
            device=str(prepared.device),
            seconds=seconds_for_a_training(prepared.study, history),
        )
        self._crew, self._records = search.crew, search.records
        self._on, self._book_time = search.on, search.book_time

        # The one reading of what the database has; from here on it follows what is written.
        self._scores: dict[FreshRun, FreshScore] = {}
        for row in self._records.confirmations():
            with self._records.reading("fresh seeds"):
                check_phase(row.phase)
            run = FreshRun(row.phase, row.arm, row.params, row.seed)
            self._scores[run] = FreshScore(row.score, row.seconds, row.test, row.why or "")

    def score(
        self, phase: Phase, arms: Sequence[Candidate], seeds: Sequence[Seed], keep: int = 0
    ) -> list[list[FreshScore]]:
        """What each arm reached, one result per seed in order.

        What the model or a technique broke has no score but a reason, and is not trained again. The
        training states of the first `keep` seeds are kept, for `score_test_rows`.
        """
        # All arms of a seed come before the next seed, so that what is done by then is paired.
        jobs: dict[FreshRun, Job] = {}
        lines: dict[FreshRun, str] = {}
        for place, seed in enumerate(seeds):
            for arm in arms:
                run = self._run(phase, arm, seed)
                if run not in self._scores:
                    save = str(self._state_file(run)) if place < keep else None
                    jobs[run] = self._training(phase, arm, seed, save)
                    lines[run] = f"{arm.label}: fresh seed {place + 1} of {len(seeds)}"

        for run, outcome in self._train("confirm", jobs, lines):
            score, why = None, why_broken(outcome)
            if not why:
                score = self._criterion.score(outcome.curve, self._job.to_epoch)
            self._save(run, FreshScore(score, sum(outcome.costs.values()), why=why))
        return self._scores_of(phase, arms, seeds)

    def with_effect(self, arms: Sequence[Candidate]) -> list[Candidate]:
        """The arms without what changes nothing in them, each once.

        An arm that the search has trained had its effect there. The techniques of every other one
        are applied here, on the first of the seeds that select.
        """
        jobs: dict[FreshRun, Job] = {}
        asked: dict[FreshRun, Candidate] = {}
        for arm in arms:
            if arm.searched is None:
                run = self._run("select", arm, Seed(0))
                job = self._training("select", arm, Seed(0), None)
                jobs[run] = replace(
                    job, to_epoch=0, needs_effect=True, name=f"the start of {run.name}"
                )
                asked[run] = arm

        kept = {arm.label: arm for arm in arms}
        lines = {run: f"{arm.label}: techniques applied" for run, arm in asked.items()}
        for run, outcome in self._train("confirm", jobs, lines):
            if outcome.no_effect:
                del kept[run.label]
                less = asked[run].without(outcome.no_effect)
                if less.changes:
                    kept.setdefault(less.label, less)
        return list(kept.values())

    def score_test_rows(
        self, phase: Phase, arms: Sequence[Candidate], seeds: Sequence[Seed]
    ) -> list[list[FreshScore]]:
        """Results that have the score of the test rows, which are read here for the first time."""
        # Answers that were damaged since are made once more.
        for _ in range(2):
            self._score_test_rows_once(phase, arms, seeds)
        return self._scores_of(phase, arms, seeds)

    def answers(self, phase: Phase, arm: Candidate, seed: Seed) -> Answers | None:
        """What the metric read of every test row, and the targets; None where the training broke.

        Raises `MachineError` where the file of them is gone or damaged.
        """
        if self._scores[self._run(phase, arm, seed)].why:
            return None
        saved = self._kept_answers(phase, arm, seed)
        if saved is None:
            raise MachineError(
                f"What {arm.label} answered on the test rows was written to "
                f"{self._answers_file(self._run(phase, arm, seed))}, and is gone or damaged."
            )
        return saved["output"], saved["target"]

    # --------------------------------------------------------------------------------------------

    def _score_test_rows_once(
        self, phase: Phase, arms: Sequence[Candidate], seeds: Sequence[Seed]
    ) -> None:
        """Score the test rows for trainings without that score, or that have lost its answers."""
        jobs: dict[FreshRun, Job] = {}
        lines: dict[FreshRun, str] = {}
        for seed in seeds:
            for arm in arms:
                run = self._run(phase, arm, seed)
                if self._scores[run].why:
                    continue
                is_scored = self._scores[run].test is not None
                if not is_scored or self._kept_answers(phase, arm, seed) is None:
                    jobs[run] = self._test(phase, arm, seed)
                    lines[run] = f"{arm.label}: test rows scored"

        for run, outcome in self._train("test", jobs, lines):
            why = why_broken(outcome)
            if why:
                why = f"on the test rows: {why}"
            self._save(run, replace(self._scores[run], test=outcome.test, why=why))

    def _kept_answers(self, phase: Phase, arm: Candidate, seed: Seed) -> dict[str, Any] | None:
        """The file of the answers; None where there is none that can be read."""
        job = self._test(phase, arm, seed)
        return kept_file(job, str(job.test), job.to_epoch).read("cpu")

    def _run(self, phase: Phase, arm: Candidate, seed: Seed) -> FreshRun:
        return FreshRun(phase, arm.label, arm.json_params(), self._number(phase, seed))

    def _number(self, phase: Phase, seed: Seed) -> int:
        """The random seed of a training; that of a split's first draw also draws its rows."""
        if seed.draw == 0:
            return mix(self._seed, phase, seed.split)
        return mix(self._seed, phase, seed.split, seed.draw)

    def _training(self, phase: Phase, arm: Candidate, seed: Seed, save: str | None) -> Job:
        return replace(
            self._job,
            params={**arm.arm, **arm.params},
            seed=self._number(phase, seed),
            split=self._number(phase, Seed(seed.split)),
            save=save,
            name=self._run(phase, arm, seed).name,
        )

    def _test(self, phase: Phase, arm: Candidate, seed: Seed) -> Job:
        """The scoring of the test rows, which trains again where the training state is gone."""
        run = self._run(phase, arm, seed)
        return replace(
            self._training(phase, arm, seed, None),
            from_epoch=self._job.to_epoch,
            load=str(self._state_file(run)),
            test=str(self._answers_file(run)),
        )

    def _train(
        self, stage: str, jobs: Mapping[FreshRun, Job], lines: Mapping[FreshRun, str]
    ) -> Iterator[tuple[FreshRun, Outcome]]:
        """Outcomes as they come; each is shown, and its time booked, once it is written."""
        for done, (run, outcome) in enumerate(self._crew.run(jobs), start=1):
            yield run, outcome
            self._on(Event(stage, done, len(jobs), lines[run]))
            self._book_time()

    def _state_file(self, run: FreshRun) -> Path:
        return self._folder / f"{mix(run.label, run.params, run.seed)}.pt"

    def _answers_file(self, run: FreshRun) -> Path:
        return self._folder / f"{mix(run.label, run.params, run.seed)}-test.pt"

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
        self._records.save_confirmation(confirmation)
        self._scores[run] = result

    def _scores_of(
        self, phase: Phase, arms: Sequence[Candidate], seeds: Sequence[Seed]
    ) -> list[list[FreshScore]]:
        rows = []
        for arm in arms:
            rows.append([self._scores[self._run(phase, arm, seed)] for seed in seeds])
        return rows


def why_broken(outcome: Outcome) -> str:
    """Why a training did not come to its end, in a sentence; empty where it did."""
    if outcome.ended is None:
        return ""
    return outcome.why or outcome.ended.value
