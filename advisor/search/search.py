"""The one process that asks, hands out jobs, writes the database and decides who goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from advisor.randomness import mix
from advisor.search import stages
from advisor.search.plan import RATE, Plan
from advisor.search.sampler import choices_of, distributions, propose
from advisor.search.stages import Round
from advisor.store.database import Database
from advisor.technique import KEEP
from advisor.training.epoch import Epoch
from advisor.work.executors import Crew
from advisor.work.job import Job, Outcome
from advisor.work.prepare import Prepared


@dataclass(frozen=True)
class Event:
    """Something to show while a study runs: how far it is, and one line of text for a log."""

    stage: str
    done: int
    total: int
    text: str = ""


ALIVE = 0.01
"""Deviation across rows before the last layer from which a model's training says something about
what is in it.
"""
Listener = Callable[[Event], None]


class Search:
    """The search of one study, from wherever the database says it is to its total of trials.

    Stopped at any moment and begun again, it asks for the same trials and gets the same numbers.
    """

    def __init__(
        self,
        shared: Prepared,
        plan: Plan,
        database: Database,
        crew: Crew,
        folder: Path,
        on: Listener,
        first: Outcome | None = None,
    ) -> None:
        self.first = first  # the first trial's training, where the pilot has done it
        self.shared, self.plan, self.database, self.crew, self.folder, self.on = (
            shared,
            plan,
            database,
            crew,
            folder,
            on,
        )
        self.name, self.sign = shared.study.name, shared.goal.sign
        self.deadline: float | None = None
        self.began = time.monotonic()
        self._begun: set[int] = set()

    def run(self) -> None:
        """Search until the total of trials is reached or the time is up."""
        total = self.shared.study.trials
        while not self.late() and (
            current := stages.next_round(self.plan, self.trials(), total, self.sign)
        ):
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
        asked = self.trials()
        plan = stages.widened(self.plan, asked, self.sign)
        for number in range(len(asked), current.start + current.size):
            given = stages.fixed(plan, current, asked, self.sign)
            seed = mix(self.shared.study.seed, "ask", number)
            params = propose(plan, asked, self.shared.goal.direction, seed, given)
            attributes = {"stage": current.stage, "round": current.start, "size": current.size}
            self.database.add_trial(self.name, params, distributions(plan, params), attributes)
            asked = self.trials()

    def _compare(self, current: Round) -> None:
        """Train the round's trials from rung to rung; only the better ones go on.

        A round that was stopped is gone through again from its first rung, so that the same trials
        are compared there.
        """
        alive = {trial.number: trial for trial in self._of(current)}
        ended = {number for number, trial in alive.items() if "ended" in trial.user_attrs}
        self._begun = {*range(current.start), *self._reached(), *ended}
        if self.first is not None and 0 in alive and 0 not in self._begun:
            ended |= self._record(alive[0], self.first)
        threshold = self._hopeless(current)
        for begun, rung in pairwise([0, *self.plan.rungs]):
            reached = self._reached()
            going = {
                n: t
                for n, t in alive.items()
                if n not in ended and reached.get(n, 0) < self._goal(n, rung)
            }
            jobs = {
                number: self._job(trial, begun, rung, threshold) for number, trial in going.items()
            }
            for number, outcome in self.crew.run(jobs, self.late):
                ended |= self._record(alive[number], outcome)
            if self.late():
                return
            reached = self._reached()
            alive = self._best(
                current,
                {n: t for n, t in alive.items() if n not in ended or reached.get(n, 0) >= rung},
                rung,
            )

    def _hopeless(self, current: Round) -> float | None:
        """The loss above which a trial is given up: only in explorations, because a low learning
        rate starts slowly, too.
        """
        if current.stage != stages.EXPLORE:
            return None
        return stages.hopeless(
            self.trials()[: current.start], self.database.curve(self.name), self.sign
        )

    def _best(
        self, current: Round, alive: Mapping[int, FrozenTrial], rung: int
    ) -> dict[int, FrozenTrial]:
        """Those that go on from a rung; the others are closed."""
        if rung == self.plan.rungs[-1]:
            return dict(alive)
        ranked = self._ranked(alive, rung)
        kept = stages.survivors(self.plan, current, ranked)
        for place, (trial, own) in enumerate(ranked):
            if trial.number not in kept:
                better = [score for other, score in ranked[:place] if other.number in kept]
                self._close(trial.number, self._outranked(own, better, len(ranked), rung))
        return {trial.number: trial for trial, _ in ranked if trial.number in kept}

    def _outranked(self, own: float, better: list[float], of: int, rung: int) -> str:
        last = f"{len(better)} of {of} were better, the last of them {self.sign * better[-1]:.4g}"
        tie = " with a lower training loss" if better[-1] == own else ""
        return f"{self.shared.goal.name} {self.sign * own:.4g} after epoch {rung}, and {last}{tie}"

    def _goal(self, number: int, rung: int) -> int:
        """The user's model as it is goes to the end at once: whatever happens later, there is
        something to compare with.
        """
        return self.plan.rungs[-1] if number == 0 else rung

    def _reached(self) -> dict[int, int]:
        """The last epoch of every trial that has one."""
        return {
            number: curve[-1]["epoch"] for number, curve in self.database.curve(self.name).items()
        }

    def _ranked(
        self, alive: Mapping[int, FrozenTrial], rung: int
    ) -> list[tuple[FrozenTrial, float]]:
        curves = self.database.curve(self.name)
        scored = [
            (trial, self.sign * self.shared.goal.score(points(curves[number]), rung))
            for number, trial in alive.items()
        ]
        # Scores tie while nothing has been learnt yet; then the training loss tells who is on the
        # way.
        loss = {
            number: min(row["loss"] for row in curves[number] if row["epoch"] <= rung)
            for number in alive
        }
        return sorted(scored, key=lambda pair: (-pair[1], loss[pair[0].number], pair[0].number))

    def _job(self, trial: FrozenTrial, begun: int, rung: int, threshold: float | None) -> Job:
        goal = self._goal(trial.number, rung)
        return Job(
            question=self.shared.question,
            params=trial.params,
            seed=mix(
                self.shared.study.seed, "search"
            ),  # the same for all, so that trials can be compared
            split=self.shared.study.seed,
            batch=self.plan.batch,
            from_epoch=begun,
            to_epoch=goal,
            epochs=self.plan.rungs[-1],
            load=str(self._state(trial.number, begun)) if begun else None,
            save=str(self._state(trial.number, goal)) if goal != self.plan.rungs[-1] else None,
            hopeless=threshold,
            look=any(trial.params[slot] != KEEP for slot in self.plan.options),
            cache=str(self.folder / "cache"),
            device=str(self.shared.device),
        )

    def _state(self, number: int, epoch: int) -> Path:
        return self.folder / f"{number}-{epoch}.pt"

    def _record(self, trial: FrozenTrial, outcome: Outcome) -> set[int]:
        """Write what a job brought, and close the trial if that was its end; its number, if it
        ended early.

        That it ended is written last, so that a kill in between only runs the job again.
        """
        spent = self.database.costs(self.name).get(trial.number, {})
        spent |= {part: seconds for part, seconds in outcome.costs.items() if part != "training"}
        spent["training"] = spent.get("training", 0.0) + outcome.costs.get("training", 0.0)
        self.database.save_progress(
            self.name, trial, [asdict(epoch) for epoch in outcome.curve], spent
        )
        told = {
            "did": outcome.told,
            "signal": outcome.signal,
            "why": outcome.why if outcome.ended else None,
        }
        for key, value in {**told, "ended": outcome.ended}.items():
            if value:
                self.database.note(trial, key, value)
        self._begun.add(trial.number)
        self._on(trial.user_attrs["stage"], self._line(trial, outcome))
        if outcome.ended or (outcome.curve and outcome.curve[-1].epoch == self.plan.rungs[-1]):
            self._close(trial.number)
        return {trial.number} if outcome.ended else set()

    def _line(self, trial: FrozenTrial, outcome: Outcome) -> str:
        said = outcome.why
        if said is None and outcome.curve:
            last = outcome.curve[-1]
            said = f"{self.shared.objective.metric.name} {last.score:.4g} after epoch {last.epoch}"
        return f"trial {trial.number}: {label(self.plan, trial.params)} lr {trial.params[RATE]:.2g}: {said}"

    def _on(self, stage: str, text: str) -> None:
        self.on(Event(stage, len(self._begun), self.shared.study.trials, text))

    def _of(self, current: Round) -> list[FrozenTrial]:
        return self.trials()[current.start : current.start + current.size]

    def _tell(self, current: Round) -> None:
        for trial in self._of(current):
            self._close(trial.number, "the time was up")
        for file in self.folder.glob("*.pt"):
            file.unlink(missing_ok=True)
        self._on(current.stage, "")

    def _close(self, number: int, why: str = "") -> None:
        """Close a trial with what it reached, if it is still open. All trials of its round have
        been asked by then.
        """
        trial = self.trials()[number]
        if trial.state != TrialState.RUNNING:
            return
        curves = self.database.curve(self.name)
        curve = curves.get(number, [])
        if (
            number
            and trial.user_attrs["stage"] == stages.OPEN
            and self._is_twin(trial, curve, curves.get(0, []))
        ):
            self.database.note(trial, stages.TWIN, True)
        epoch = curve[-1]["epoch"] if curve else None
        value = self.shared.goal.score(points(curve), epoch) if epoch else None
        if trial.user_attrs.get("ended") == "failed":
            self.database.tell(trial, TrialState.FAIL, None, None)
        elif "ended" not in trial.user_attrs and epoch == self.plan.rungs[-1]:
            self.database.tell(trial, TrialState.COMPLETE, value, epoch)
        else:
            if "ended" not in trial.user_attrs:
                self.database.note(trial, "why", why)
            self.database.tell(trial, TrialState.PRUNED, value, epoch)

    def _is_twin(self, trial: FrozenTrial, curve: Sequence[Mapping[str, Any]], own: Sequence[Mapping[str, Any]]) -> bool:
        """Whether a technique without parameters, at the same rates, gave the curve of the model as
        it is.

        Where no signal arrives all models train alike, whatever is in them: there it says nothing.
        """
        choices, signal = choices_of(self.plan, trial.params), trial.user_attrs.get("signal", {})
        if (signal.get("features") or 0.0) < ALIVE:
            return False
        free = self.plan.parameters_of(choices) != self.plan.parameters_of(self.plan.baseline)
        return not free and stages.same_curve(curve, own)


def points(curve: Sequence[Mapping[str, Any]]) -> list[Epoch]:
    """A learning curve from the rows of the database."""
    return [Epoch(**row) for row in curve]


def label(plan: Plan, params: Any) -> str:
    """`initializer=he` for what an arm changes, or `keep`."""
    return arm_label({slot: params[slot] for slot in plan.options})


def arm_label(choices: Any) -> str:
    """`activation=elu initializer=he` for what an arm changes, or `keep`."""
    return " ".join(f"{slot}={name}" for slot, name in choices.items() if name != KEEP) or KEEP
