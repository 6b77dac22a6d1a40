"""Arms trained on fresh seeds that the search never saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from advisor.randomness import mix
from advisor.search.search import Event, Search
from advisor.verdict.candidates import Candidate, Trained
from advisor.work.job import Job, Outcome

FOLDER = "confirm"


@dataclass(frozen=True)
class Seed:
    """A fresh seed: its train and validation rows, and which draw of weights and batches on them it
    is.
    """

    split: int
    draw: int


LOOKS = 3


def seeds(first: int, look: int) -> list[Seed]:
    """The fresh seeds of look 0 (`first` splits), 1 (a second draw on each of them) or 2 (as many
    splits again).

    Second draws tell what varies with the rows from what varies with the draw of weights and
    batches.
    """
    steps = [(0, 0), (0, 1), (first, 0), (first, 1)][: 2**look]
    return [Seed(begin + i, draw) for begin, draw in steps for i in range(first)]


class Fresh:
    """Trains candidates on fresh seeds; what the database has already is not trained again."""

    def __init__(self, search: Search) -> None:
        self.search = search
        self.database, self.name, self.plan = search.database, search.name, search.plan
        self.folder = search.folder / FOLDER

    def score(
        self, phase: str, arms: Sequence[Candidate], wanted: Sequence[Seed], keep: int = 0
    ) -> list[list[Trained]]:
        """Results of each arm, one per seed in order. The states of the first `keep` trainings are
        kept, for `test`.
        """
        known = self._known(phase)
        jobs = {
            (a, i): self._job(phase, arm, seed, self._state(phase, arm, seed) if i < keep else None)
            for i, seed in enumerate(wanted)
            for a, arm in enumerate(arms)
            if (*arm.key, self._number(phase, seed)) not in known
        }
        for done, ((a, i), outcome) in enumerate(self.search.crew.run(jobs), start=1):
            self._keep(phase, arms[a], wanted[i], outcome)
            self.search.on(
                Event(
                    "confirm",
                    done,
                    len(jobs),
                    f"{arms[a].label}: fresh seed {i + 1} of {len(wanted)}",
                )
            )
            self.search.spend()
        return self._of(phase, arms, wanted)

    def test(
        self, phase: str, arms: Sequence[Candidate], wanted: Sequence[Seed]
    ) -> list[list[Trained]]:
        """The same with the score of the test rows, which are read here for the first time."""
        known = self._known(phase)
        jobs = {
            (a, i): self._test(phase, arm, seed)
            for i, seed in enumerate(wanted)
            for a, arm in enumerate(arms)
            if known[*arm.key, self._number(phase, seed)].test is None
            or not self._answers(phase, arm, seed).is_file()
        }
        for done, ((a, i), outcome) in enumerate(self.search.crew.run(jobs), start=1):
            before = known[*arms[a].key, self._number(phase, wanted[i])]
            self._save(phase, arms[a], wanted[i], before.score, before.seconds, outcome.test)
            self.search.on(Event("test", done, len(jobs), f"{arms[a].label}: test rows scored"))
            self.search.spend()
        return self._of(phase, arms, wanted)

    def answers(self, phase: str, arm: Candidate, seed: Seed) -> tuple[Tensor, Tensor] | None:
        """What the metric read of every test row, and the targets, or None where the training
        broke.
        """
        path = self._answers(phase, arm, seed)
        if not path.is_file():
            return None
        kept = torch.load(path, weights_only=True)
        return kept["output"], kept["target"]

    def _of(
        self, phase: str, arms: Sequence[Candidate], wanted: Sequence[Seed]
    ) -> list[list[Trained]]:
        known = self._known(phase)
        return [[known[*arm.key, self._number(phase, seed)] for seed in wanted] for arm in arms]

    def _number(self, phase: str, seed: Seed) -> int:
        own = self.search.shared.study.seed
        return (
            mix(own, phase, seed.split)
            if seed.draw == 0
            else mix(own, phase, seed.split, seed.draw)
        )

    def _known(self, phase: str) -> dict[tuple[str, str, int], Trained]:
        rows = [row for row in self.database.confirmations(self.name) if row["phase"] == phase]
        return {
            (r["arm"], r["params"], r["seed"]): Trained(r["score"], r["seconds"], r["test"])
            for r in rows
        }

    def _file(self, phase: str, arm: Candidate, seed: Seed, end: str) -> Path:
        return self.folder / f"{mix(*arm.key, self._number(phase, seed))}{end}"

    def _state(self, phase: str, arm: Candidate, seed: Seed) -> str:
        return str(self._file(phase, arm, seed, ".pt"))

    def _answers(self, phase: str, arm: Candidate, seed: Seed) -> Path:
        return self._file(phase, arm, seed, "-test.pt")

    def _job(self, phase: str, arm: Candidate, seed: Seed, save: str | None) -> Job:
        return Job(
            question=self.search.shared.question,
            params={**arm.choices, **arm.params},
            seed=self._number(phase, seed),
            split=self._number(phase, Seed(seed.split, 0)),
            batch=self.plan.batch,
            from_epoch=0,
            to_epoch=self.plan.rungs[-1],
            save=save,
            cache=str(self.search.folder / "cache"),
            device=str(self.search.shared.device),
        )

    def _test(self, phase: str, arm: Candidate, seed: Seed) -> Job:
        job, answers = self._job(phase, arm, seed, None), self._answers(phase, arm, seed)
        return Job(
            **{
                **vars(job),
                "from_epoch": job.to_epoch,
                "load": self._state(phase, arm, seed),
                "test": str(answers),
            }
        )

    def _keep(self, phase: str, arm: Candidate, seed: Seed, outcome: Outcome) -> None:
        curve = outcome.curve
        score = (
            self.search.shared.goal.score(curve, self.plan.rungs[-1])
            if curve and not outcome.ended
            else self._worst()
        )
        self._save(phase, arm, seed, score, sum(outcome.costs.values()), None)

    def _save(
        self,
        phase: str,
        arm: Candidate,
        seed: Seed,
        score: float,
        seconds: float,
        test: float | None,
    ) -> None:
        label, params = arm.key
        row = {"phase": phase, "arm": label, "params": params, "seed": self._number(phase, seed)}
        self.database.save_confirmation(
            self.name, {**row, "score": score, "seconds": seconds, "test": test}
        )

    def _worst(self) -> float:
        """The score of a run that broke on a fresh seed: the worst that the search saw. Leaving it
        out would hide the failure.
        """
        sign = self.search.sign
        seen = [t.value for t in self.search.trials() if t.value is not None]
        return min(seen, key=lambda value: sign * value)
