"""The trainings of trials, from one rung to the next, as jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from advisor.randomness import mix
from advisor.search.history import History
from advisor.search.limits import longest_first, seconds_for_a_training, trial_name
from advisor.search.pruning import cut_limits
from advisor.search.trial import Trial, state_file
from advisor.work.job import Job
from advisor.work.prepare import Prepared


@dataclass(frozen=True)
class TrialJobs:
    """Makes the jobs of trials.

    Attributes:
        prepared: the study, opened.
        history: its trials, and its plan as it is now.
        folder: training states and shared artefacts.
    """

    prepared: Prepared
    history: History
    folder: Path

    def of(
        self, alive: Sequence[Trial], from_epoch: int, rung: int, limit: float | None
    ) -> dict[int, Job]:
        """The trainings from one rung to the next that are still to be done, by trial number."""
        jobs = {}
        for trial in longest_first(self.history, self.prepared.host, alive, from_epoch):
            # Trial 0, the baseline, is trained to the end at once.
            last = self.history.plan.epochs if trial.number == 0 else rung

            # What a stopped round has trained up to this rung is not trained again.
            if trial.ended is None and trial.epochs < last:
                cuts = cut_limits(self.history, trial.round, trial.arm)
                job = self.one(trial, from_epoch, last, limit)
                jobs[trial.number] = replace(job, cuts=cuts) if cuts else job
        return jobs

    def longer(self, arms: Sequence[Trial], epochs: int) -> dict[int, Job]:
        """The trainings that go on from `epochs` to twice as many, by trial number."""
        jobs = {}
        for trial in arms:
            job = self.one(trial, epochs, 2 * epochs, None)
            jobs[trial.number] = replace(job, epochs=2 * epochs, load_epochs=epochs)
        return jobs

    def one(self, trial: Trial, from_epoch: int, last: int, limit: float | None) -> Job:
        """The training of a trial from the epoch `from_epoch` to the epoch `last`."""
        prepared, plan = self.prepared, self.history.plan
        start = trial.round.start
        epochs, before = (plan.length_at(start, each) for each in (last, from_epoch))
        is_full = last == max(plan.epochs, plan.longest)
        return Job(
            study=prepared.ref,
            opening_id=prepared.opening_id,
            content=prepared.digest,
            params=trial.params,
            seed=mix(prepared.study.seed, "search"),  # the same for all, so that they compare
            split=prepared.study.seed,
            batch=plan.batch,
            from_epoch=from_epoch,
            to_epoch=last,
            epochs=epochs,
            load=self._state_file(trial, from_epoch) if from_epoch else None,
            load_epochs=before if from_epoch and before != epochs else None,
            save=None if is_full else self._state_file(trial, last),
            loss_limit=limit,
            precheck=bool(trial.techniques),
            needs_effect=bool(trial.techniques) and from_epoch == 0,
            cache=str(self.folder / "cache"),
            device=str(prepared.device),
            name=trial_name(trial.number),
            seconds=seconds_for_a_training(prepared.study, self.history),
            rows=plan.rows,
        )

    def _state_file(self, trial: Trial, epoch: int) -> str:
        return state_file(self.folder, trial.number, epoch)
