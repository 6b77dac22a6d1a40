"""Arms trained on fresh seeds that the search never saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Literal, NamedTuple

import torch

from advisor.randomness import mix
from advisor.search.search import Event, Search
from advisor.store.study_records import Confirmation
from advisor.verdict.bootstrap import Answers
from advisor.verdict.candidates import Candidate, FreshScore
from advisor.work.job import Job, Outcome

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
    steps = []
    for begin, draw in ((0, 0), (0, 1), (splits, 0), (splits, 1)):
        steps.append([Seed(begin + i, draw) for i in range(splits)])
    longer = list(accumulate(steps))
    return [longer[0], longer[1], longer[3]]


class FreshRun(NamedTuple):
    """One training on a fresh seed, by what the database knows it by."""

    phase: str
    label: str
    params: str
    seed: int


class FreshSeedRuns:
    """Trains candidates on fresh seeds; what the database has already is not trained again.

    It reads the database once, and writes each result to it at once.
    """

    def __init__(self, search: Search) -> None:
        prepared, plan, history = search.prepared, search.plan, search.history
        self._seed = prepared.study.seed
        self._criterion = history.criterion
        # The score of a run that broke: leaving such a run out would hide the failure.
        scores = [trial.value for trial in history.trials if trial.value is not None]
        self._worst = min(scores, key=lambda score: history.sign * score)
        self._folder = search.folder / FOLDER
        self._job = Job(
            study=prepared.ref,
            opening=prepared.opening,
            params={},
            seed=0,
            split=0,
            batch=plan.batch,
            from_epoch=0,
            to_epoch=plan.epochs,
            cache=str(search.folder / "cache"),
            device=str(prepared.device),
        )
        self._crew, self._records = search.crew, search.records
        self._on, self._book_time = search.on, search.book_time
        self._scores: dict[FreshRun, FreshScore] = {}
        for row in self._records.confirmations():
            run = FreshRun(row.phase, row.arm, row.params, row.seed)
            self._scores[run] = FreshScore(row.score, row.seconds, row.test)

    def score(
        self, phase: Phase, arms: Sequence[Candidate], seeds: Sequence[Seed], keep: int = 0
    ) -> list[list[FreshScore]]:
        """What each arm reached, one result per seed in order.

        The training states of the first `keep` seeds are kept, for `score_test_rows`.
        """
        jobs: dict[FreshRun, Job] = {}
        lines: dict[FreshRun, str] = {}
        for place, seed in enumerate(seeds):
            for arm in arms:
                run = self._run(phase, arm, seed)
                if run in self._scores:
                    continue
                save = str(self._state_file(run)) if place < keep else None
                jobs[run] = self._training(phase, arm, seed, save)
                lines[run] = f"{arm.label}: fresh seed {place + 1} of {len(seeds)}"

        for done, (run, outcome) in enumerate(self._crew.run(jobs), start=1):
            self._save(run, self._result(outcome))
            self._on(Event("confirm", done, len(jobs), lines[run]))
            self._book_time()
        return self._scores_of(phase, arms, seeds)

    def score_test_rows(
        self, phase: Phase, arms: Sequence[Candidate], seeds: Sequence[Seed]
    ) -> list[list[FreshScore]]:
        """The same with the score of the test rows, which are read here for the first time."""
        jobs: dict[FreshRun, Job] = {}
        for seed in seeds:
            for arm in arms:
                run = self._run(phase, arm, seed)
                answers = self._answers_file(run)
                if self._scores[run].test is not None and answers.is_file():
                    continue
                job = self._training(phase, arm, seed, None)
                state = str(self._state_file(run))
                jobs[run] = replace(job, from_epoch=job.to_epoch, load=state, test=str(answers))

        for done, (run, outcome) in enumerate(self._crew.run(jobs), start=1):
            self._save(run, replace(self._scores[run], test=outcome.test))
            self._on(Event("test", done, len(jobs), f"{run.label}: test rows scored"))
            self._book_time()
        return self._scores_of(phase, arms, seeds)

    def answers(self, phase: Phase, arm: Candidate, seed: Seed) -> Answers | None:
        """What the metric read of every test row, and the targets.

        None where the training broke.
        """
        path = self._answers_file(self._run(phase, arm, seed))
        if not path.is_file():
            return None
        saved = torch.load(path, weights_only=True)
        return saved["output"], saved["target"]

    # --------------------------------------------------------------------------------------------

    def _run(self, phase: Phase, arm: Candidate, seed: Seed) -> FreshRun:
        return FreshRun(phase, arm.label, arm.json_params(), self._number(phase, seed))

    def _number(self, phase: Phase, seed: Seed) -> int:
        """The random seed of a training; that of its first draw also draws the split."""
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
        )

    def _state_file(self, run: FreshRun) -> Path:
        return self._folder / f"{mix(run.label, run.params, run.seed)}.pt"

    def _answers_file(self, run: FreshRun) -> Path:
        return self._folder / f"{mix(run.label, run.params, run.seed)}-test.pt"

    def _result(self, outcome: Outcome) -> FreshScore:
        score = self._worst
        if outcome.curve and not outcome.ended:
            score = self._criterion.score(outcome.curve, self._job.to_epoch)
        return FreshScore(score, sum(outcome.costs.values()))

    def _save(self, run: FreshRun, result: FreshScore) -> None:
        confirmation = Confirmation(
            phase=run.phase,
            arm=run.label,
            params=run.params,
            seed=run.seed,
            score=result.score,
            seconds=result.seconds,
            test=result.test,
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
