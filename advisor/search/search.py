"""The search of one study: the one process that asks, hands out jobs, writes and decides."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

from optuna.trial import TrialState

from advisor.randomness import mix
from advisor.search import stages
from advisor.search.arm import arm_label
from advisor.search.history import History
from advisor.search.plan import RATE, Plan
from advisor.search.sampler import Sampler
from advisor.search.trial import Round, Stage, Trial, read_trials
from advisor.store.study_records import StudyRecords
from advisor.technique import KEEP
from advisor.training.ended import Ended
from advisor.training.epoch import Epoch
from advisor.work.executors import Crew
from advisor.work.job import Job, Outcome
from advisor.work.prepare import Prepared

ALIVE = 0.01
"""Deviation across rows before the last layer from which a training says what is in a model."""


@dataclass(frozen=True)
class Event:
    """Something to show while a study runs: how far it is, and one line of text for a log."""

    stage: str
    done: int
    total: int
    text: str = ""


Listener = Callable[[Event], None]


class Search:
    """The search of one study, from wherever its records say it is to its total of trials.

    Stopped at any moment and begun again, it asks for the same trials and gets the same numbers.

    Attributes:
        prepared: the study, opened.
        plan: what is searched.
        records: the study in the database.
        crew: runs jobs.
        folder: training states and shared artefacts.
        on: called with what there is to show.
        history: the trials so far.
        deadline: when the search ends, by `time.monotonic`; None without a limit.
    """

    def __init__(
        self,
        prepared: Prepared,
        plan: Plan,
        records: StudyRecords,
        crew: Crew,
        folder: Path,
        on: Listener,
        first: Outcome | None = None,
    ) -> None:
        self.prepared, self.plan, self.records = prepared, plan, records
        self.crew, self.folder, self.on = crew, folder, on
        self.history = History(plan, prepared.criterion, read_trials(records, plan))
        self.deadline: float | None = None
        self._first = first  # the training of the first trial, where the pilot has done it
        self._sampler = Sampler(plan, prepared.criterion.direction)
        self._booked = time.monotonic()
        self._begun: set[int] = set()

    def run(self) -> None:
        """Search until the total of trials is reached or the time is up."""
        total = self.prepared.study.trials
        while not self.is_late() and (current := stages.next_round(self.history, total)):
            self._ask(current)
            self._train(current)
            self._end(current)
            self.book_time()

    def is_late(self) -> bool:
        """Whether the time for the search is up."""
        return self.deadline is not None and time.monotonic() > self.deadline

    def book_time(self) -> None:
        """Add the time since the last call to that of the study."""
        now = time.monotonic()
        self.records.spend(now - self._booked)
        self._booked = now

    # --- asking ---------------------------------------------------------------------------------

    def _ask(self, current: Round) -> None:
        """Ask for the trials of a round that have not been asked yet."""
        plan = stages.with_widened_rates(self.history)
        if plan.space != self._sampler.plan.space:
            self._sampler = Sampler(plan, self.history.criterion.direction)
        self._sampler.follow(self.history.trials)

        facts = {"stage": current.stage, "round": current.start, "size": current.size}
        for number in range(len(self.history.trials), current.end):
            seed = mix(self.prepared.study.seed, "ask", number)
            params = self._sampler.propose(seed, stages.decided(self.history, current))
            distributions = plan.distributions_of(params)
            storage_id = self.records.add_trial(number, params, distributions, facts)
            arm = plan.arm_in(params)
            self.history.add(Trial(storage_id, number, arm, params, distributions, current))

    # --- training -------------------------------------------------------------------------------

    def _train(self, current: Round) -> None:
        """Train the round's trials from rung to rung; only the better ones go on.

        A round that was stopped is gone through again from its first rung, so that the same trials
        are compared there.
        """
        alive = self._of(current)
        self._begun = {
            trial.number for trial in self.history.trials if trial.epochs or not trial.is_running
        }
        if self._first is not None and current.start == 0 and 0 not in self._begun:
            self._record(alive[0], self._first)

        limit = stages.loss_limit(self.history, current)
        for begun, rung in pairwise([0, *self.plan.rungs]):
            going = [t for t in alive if t.ended is None and t.epochs < self._last_epoch(t, rung)]
            jobs = {trial.number: self._job(trial, begun, rung, limit) for trial in going}
            for number, outcome in self.crew.run(jobs, self.is_late):
                self._record(self.history.trials[number], outcome)
            if self.is_late():
                return
            alive = [trial for trial in alive if trial.ended is None or trial.epochs >= rung]
            if rung < self.plan.epochs:
                alive = self._survivors(current, alive, rung)

    def _last_epoch(self, trial: Trial, rung: int) -> int:
        """The epoch to which a trial is trained now.

        The first trial goes to the end at once: whatever happens later, there is a model as it is
        to compare with.
        """
        return self.plan.epochs if trial.number == 0 else rung

    def _job(self, trial: Trial, begun: int, rung: int, limit: float | None) -> Job:
        prepared, last = self.prepared, self._last_epoch(trial, rung)
        is_full = last == self.plan.epochs
        return Job(
            study=prepared.ref,
            opening=prepared.opening,
            params=trial.params,
            seed=mix(
                prepared.study.seed, "search"
            ),  # the same for all, so that they can be compared
            split=prepared.study.seed,
            batch=self.plan.batch,
            from_epoch=begun,
            to_epoch=last,
            epochs=self.plan.epochs,
            load=self._state_file(trial, begun) if begun else None,
            save=None if is_full else self._state_file(trial, last),
            loss_limit=limit,
            precheck=any(name != KEEP for name in trial.arm.values()),
            cache=str(self.folder / "cache"),
            device=str(prepared.device),
        )

    def _state_file(self, trial: Trial, epoch: int) -> str:
        return str(self.folder / f"{trial.number}-{epoch}.pt")

    def _record(self, trial: Trial, outcome: Outcome) -> None:
        """Write what a job brought, and close the trial if that was its end."""
        facts: dict[str, object] = {}
        if outcome.actions:
            facts["did"] = outcome.actions
        if outcome.signal is not None:
            facts["signal"] = asdict(outcome.signal)
        if outcome.ended is not None:
            facts |= {"why": outcome.why, "ended": outcome.ended}
        training = trial.costs.get("training", 0.0) + outcome.costs.get("training", 0.0)
        costs = {**trial.costs, **outcome.costs, "training": training}
        self.records.save_progress(trial.storage_id, trial.number, outcome.curve, costs, facts)

        trial.actions = outcome.actions or trial.actions
        trial.signal = outcome.signal or trial.signal
        trial.ended, trial.why = outcome.ended, outcome.why
        trial.curve = _continued(trial.curve, outcome.curve)
        trial.costs = costs
        self._begun.add(trial.number)
        self._report(trial.stage, self._progress_line(trial, outcome))
        if trial.ended is not None or trial.epochs == self.plan.epochs:
            self._close(trial)

    def _progress_line(self, trial: Trial, outcome: Outcome) -> str:
        text = outcome.why
        if not text and outcome.curve:
            last = outcome.curve[-1]
            metric = self.prepared.objective.metric.name
            text = f"{metric} {last.score:.4g} after epoch {last.epoch}"
        rate = trial.params[RATE]
        return f"trial {trial.number}: {arm_label(trial.arm)} lr {rate:.2g}: {text}"

    def _report(self, stage: Stage, text: str) -> None:
        total = self.prepared.study.trials
        self.on(Event(stage, len(self._begun), total, text))

    # --- comparing ------------------------------------------------------------------------------

    def _survivors(self, current: Round, alive: Sequence[Trial], rung: int) -> list[Trial]:
        """The trials that go on from a rung; the others are closed."""
        ranked = self._ranked(alive, rung)
        kept = stages.survivors(self.plan, current, ranked)
        better: list[float] = []
        for trial, score in ranked:
            if trial.number in kept:
                better.append(score)
            else:
                why = self._why_outranked(score, better, len(ranked), rung)
                self._close(trial, Ended.OUTRANKED, why)
        return [trial for trial, _ in ranked if trial.number in kept]

    def _ranked(self, alive: Sequence[Trial], rung: int) -> list[tuple[Trial, float]]:
        """Trials with their score after a rung, *higher is better*, best first."""
        criterion = self.history.criterion
        scores = {t.number: criterion.sign * criterion.score(t.curve, rung) for t in alive}

        def rank(trial: Trial) -> tuple[float, float, int]:
            # Scores tie while nothing is learnt yet; then the training loss shows who will learn.
            losses = [epoch.loss for epoch in trial.curve if epoch.epoch <= rung]
            return -scores[trial.number], min(losses), trial.number

        return [(trial, scores[trial.number]) for trial in sorted(alive, key=rank)]

    def _why_outranked(self, score: float, better: Sequence[float], of: int, rung: int) -> str:
        criterion = self.history.criterion
        own, last = criterion.sign * score, criterion.sign * better[-1]
        tie = " with a lower training loss" if better[-1] == score else ""
        return (
            f"{criterion.name} {own:.4g} after epoch {rung}, "
            f"and {len(better)} of {of} were better, the last of them {last:.4g}{tie}"
        )

    # --- closing --------------------------------------------------------------------------------

    def _of(self, current: Round) -> list[Trial]:
        return self.history.trials[current.start : current.end]

    def _end(self, current: Round) -> None:
        """Close the trials of a round that are still open, and forget the training states."""
        for trial in self._of(current):
            self._close(trial, Ended.OUT_OF_TIME, "the time was up")
        for file in self.folder.glob("*.pt"):
            file.unlink(missing_ok=True)
        self._report(current.stage, "")

    def _close(self, trial: Trial, ended: Ended | None = None, why: str = "") -> None:
        """Close a trial with what it reached, if it is still open.

        `ended` and `why` say why it does not go on, where the trial itself does not.
        """
        if not trial.is_running:
            return
        facts: dict[str, object] = {}
        if self._is_duplicate(trial):
            trial.is_duplicate = True
            facts["twin"] = True
        if trial.ended is None and trial.epochs < self.plan.epochs:
            trial.ended, trial.why = ended, why
            facts |= {"why": why, "ended": ended}
        if trial.ended == Ended.FAILED:
            state, value = TrialState.FAIL, None
        else:
            state = TrialState.COMPLETE if trial.ended is None else TrialState.PRUNED
            value = self.history.criterion.score(trial.curve, trial.epochs) if trial.curve else None
        self.records.close_trial(trial.storage_id, state, value, trial.epochs, facts)
        trial.state, trial.value = state, value
        self.history.close(trial)

    def _is_duplicate(self, trial: Trial) -> bool:
        """Whether a technique without parameters trained as the model as it is, epoch by epoch.

        Where no signal arrives all models train alike, whatever is in them: there it says nothing.
        """
        if trial.number == 0 or trial.stage != Stage.OPEN:
            return False
        features = trial.signal.features if trial.signal else None
        if features is None or features < ALIVE:
            return False
        own_parameters = self.plan.parameters_of(trial.arm)
        if own_parameters != self.plan.parameters_of(self.plan.baseline):
            return False
        return stages.is_same_training(trial.curve, self.history.trials[0].curve)


def _continued(curve: Sequence[Epoch], more: Sequence[Epoch]) -> list[Epoch]:
    """A curve with further epochs; those that were trained again replace the old ones."""
    again = {epoch.epoch for epoch in more}
    return [*(epoch for epoch in curve if epoch.epoch not in again), *more]
