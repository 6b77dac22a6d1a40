"""The one process that asks, hands out jobs, writes the database and decides who goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from advisor.search import rounds
from advisor.search.executors import Crew
from advisor.search.job import Job, Outcome
from advisor.search.plan import RATE, Plan
from advisor.search.rounds import Round
from advisor.search.sampler import distributions, propose
from advisor.search.setup import Setup
from advisor.store.database import Database
from advisor.technique import KEEP
from advisor.training.seeds import mix


@dataclass(frozen=True)
class Event:
    """Something to show while a study runs: how far it is, and one line of text for a log."""

    stage: str
    done: int
    total: int
    text: str = ""


Listener = Callable[[Event], None]


class Search:
    """The search of one study, from wherever the database says it is to its total of trials.

    Stopped at any moment and begun again, it asks for the same trials and gets the same numbers.
    """

    def __init__(
        self, shared: Setup, plan: Plan, database: Database, crew: Crew, folder: Path, on: Listener, first: Outcome | None = None
    ) -> None:
        self.first = first  # the first trial's training, where the pilot has done it
        self.shared, self.plan, self.database, self.crew, self.folder, self.on = shared, plan, database, crew, folder, on
        self.name, self.sign = shared.study.name, shared.objective.metric.sign
        self.deadline: float | None = None
        self.began = time.monotonic()

    def run(self) -> None:
        """Search until the total of trials is reached or the time is up."""
        while not self.late() and (current := rounds.next_round(self.plan, self.trials(), self.shared.study.trials)):
            self._ask(current)
            self._compare(current)
            self._tell(current)
            self.spend()

    def trials(self) -> list[FrozenTrial]:
        """All trials so far, by number."""
        return self.database.trials(self.name)

    def late(self) -> bool:
        """Whether the time for the search is up."""
        return self.deadline is not None and time.monotonic() > self.deadline

    def spend(self) -> None:
        """Book the time since the last call on the study."""
        now = time.monotonic()
        self.database.spend(self.name, now - self.began)
        self.began = now

    def _ask(self, current: Round) -> None:
        for number in range(len(self.trials()), current.start + current.size):
            trials = self.trials()
            given = rounds.fixed(self.plan, current, trials, self.sign)
            seed = mix(self.shared.study.seed, "ask", number)
            params = propose(self.plan, trials, self.shared.objective.metric.direction, seed, given)
            attributes = {"stage": current.stage, "round": current.start, "size": current.size}
            self.database.add_trial(self.name, params, distributions(self.plan, params), attributes)

    def _compare(self, current: Round) -> None:
        """Train the round's trials from rung to rung; only the better ones go on."""
        alive = {trial.number for trial in self._of(current) if "ended" not in trial.user_attrs}
        if self.first is not None and 0 in alive and not self._reached(0):
            self._record(0, self.first)
            self._close(0)
            alive -= {0} if self.first.ended else set()
        threshold = rounds.hopeless(self.trials()[: current.start], self.database.curve(self.name), self.sign)
        begun = 0
        for rung in self.plan.rungs:
            jobs = {n: self._job(n, begun, rung, threshold) for n in sorted(alive) if self._reached(n) < self._goal(n, rung)}
            for number, outcome in self.crew.run(jobs, self.late):
                self._record(number, outcome)
                if outcome.ended:
                    alive.discard(number)
                if outcome.ended or self._reached(number) == self.plan.rungs[-1]:
                    self._close(number)
            if self.late():
                return
            if rung != self.plan.rungs[-1]:
                dropped = alive - rounds.survivors(self.plan, current, self._ranked(alive, rung))
                alive -= dropped
                for number in sorted(dropped):
                    self._close(number)
            begun = rung

    def _goal(self, number: int, rung: int) -> int:
        """The user's model as it is goes to the end at once: whatever happens later, there is something to compare with."""
        return self.plan.rungs[-1] if number == 0 else rung

    def _reached(self, number: int) -> int:
        curve = self.database.curve(self.name).get(number, [])
        return curve[-1]["epoch"] if curve else 0

    def _ranked(self, alive: set[int], rung: int) -> list[tuple[FrozenTrial, float]]:
        curves = self.database.curve(self.name)
        scored = [(t, self.sign * rounds.score(curves[t.number], rung)) for t in self.trials() if t.number in alive]
        # Scores tie while nothing has been learnt yet; then the training loss tells who is on the way.
        loss = {number: min(row["loss"] for row in curves[number] if row["epoch"] <= rung) for number in alive}
        return sorted(scored, key=lambda pair: (-pair[1], loss[pair[0].number], pair[0].number))

    def _job(self, number: int, begun: int, rung: int, threshold: float | None) -> Job:
        goal = self._goal(number, rung)
        return Job(
            question=self.shared.question,
            params=self.trials()[number].params,
            seed=mix(self.shared.study.seed, "search"),  # the same for all, so that trials can be compared
            split=self.shared.study.seed,
            batch=self.plan.batch,
            from_epoch=begun,
            to_epoch=goal,
            epochs=self.plan.rungs[-1],
            load=str(self._state(number, begun)) if begun else None,
            save=str(self._state(number, goal)) if goal != self.plan.rungs[-1] else None,
            hopeless=threshold if number else None,
            look=any(self.trials()[number].params[slot] != KEEP for slot in self.plan.options),
            cache=str(self.folder / "cache"),
            device=str(self.shared.device),
        )

    def _state(self, number: int, epoch: int) -> Path:
        return self.folder / f"{number}-{epoch}.pt"

    def _record(self, number: int, outcome: Outcome) -> None:
        """Write what a job brought; that it ended last, so that a kill in between only runs the job again."""
        trial = self.trials()[number]
        spent = self.database.costs(self.name).get(number, {})
        spent |= {part: seconds for part, seconds in outcome.costs.items() if part != "training"}
        spent["training"] = spent.get("training", 0.0) + outcome.costs.get("training", 0.0)
        self.database.save_progress(self.name, trial, [_row(asdict(epoch)) for epoch in outcome.curve], spent)
        if outcome.told:
            self.database.note(trial, "did", outcome.told)
        if outcome.signal:
            self.database.note(trial, "signal", outcome.signal)
        if outcome.ended:
            self.database.note(trial, "why", outcome.why)
            self.database.note(trial, "ended", outcome.ended)
        self._on(trial.user_attrs["stage"], self._line(trial, outcome))

    def _line(self, trial: FrozenTrial, outcome: Outcome) -> str:
        said = outcome.why
        if said is None and outcome.curve:
            last = outcome.curve[-1]
            said = f"{self.shared.objective.metric.name} {last.score:.4g} after epoch {last.epoch}"
        return f"trial {trial.number}: {label(self.plan, trial.params)} lr {trial.params[RATE]:.2g}: {said}"

    def _on(self, stage: str, text: str) -> None:
        begun = self.database.curve(self.name)
        done = sum(t.state.is_finished() or t.number in begun or "ended" in t.user_attrs for t in self.trials())
        self.on(Event(stage, done, self.shared.study.trials, text))

    def _of(self, current: Round) -> list[FrozenTrial]:
        return self.trials()[current.start : current.start + current.size]

    def _tell(self, current: Round) -> None:
        for trial in self._of(current):
            self._close(trial.number)
        for file in self.folder.glob("*.pt"):
            file.unlink(missing_ok=True)
        self._on(current.stage, "")

    def _close(self, number: int) -> None:
        """Close a trial with what it reached, if it is still open. All trials of its round have been asked by then."""
        trial, curve = self.trials()[number], self.database.curve(self.name).get(number, [])
        if trial.state != TrialState.RUNNING:
            return
        epoch = curve[-1]["epoch"] if curve else None
        value = rounds.score(curve, epoch) if epoch else None
        if trial.user_attrs.get("ended") == "failed":
            self.database.tell(trial, TrialState.FAIL, None, None)
        elif "ended" not in trial.user_attrs and epoch == self.plan.rungs[-1]:
            self.database.tell(trial, TrialState.COMPLETE, value, epoch)
        else:
            if "ended" not in trial.user_attrs:
                reason = "the time was up" if self.late() else f"others of its round were better after epoch {epoch}"
                self.database.note(trial, "why", reason)
            self.database.tell(trial, TrialState.PRUNED, value, epoch)


def _row(epoch: dict[str, Any]) -> dict[str, Any]:
    return {("early_loss" if key == "early" else key): value for key, value in epoch.items()}


def label(plan: Plan, params: Any) -> str:
    """`initializer=he` for what an arm changes, or `keep`."""
    return arm_label({slot: params[slot] for slot in plan.options})


def arm_label(choices: Any) -> str:
    """`activation=elu initializer=he` for what an arm changes, or `keep`."""
    return " ".join(f"{slot}={name}" for slot, name in choices.items() if name != KEEP) or KEEP
