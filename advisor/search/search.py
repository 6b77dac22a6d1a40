"""The search of one study: the one process that asks, hands out jobs and decides who goes on."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path

from advisor.events import NOTE, Event, Listener
from advisor.randomness import mix
from advisor.readable import rate_text
from advisor.search.arm import arm_label
from advisor.search.deadline import Deadline, Pace
from advisor.search.decisions import decide, numbers_of_artefacts, with_widened_rates
from advisor.search.history import History
from advisor.search.jobs import TrialJobs
from advisor.search.ledger import Ledger
from advisor.search.length import leading, order_changes, settled, told_of_length
from advisor.search.limits import told
from advisor.search.plan import Plan
from advisor.search.plugin_marks import PluginMarks
from advisor.search.pruning import (
    LEAST_STEPS,
    loss_limit,
    next_after,
    ranked,
    rungs_of,
    stacks_of,
    sure_of,
    survivors,
    why_outranked,
)
from advisor.search.sampler import Sampler
from advisor.search.stages import begins_ahead, next_round, trials_in_all
from advisor.search.told import end_of
from advisor.search.trial import Round, Stage, Trial, read_trials
from advisor.store.study_records import StudyRecords
from advisor.training.ended import Ended
from advisor.training.epoch import Epoch
from advisor.training.kept_file import remove_kept_files
from advisor.work.executors import Crew, Spare
from advisor.work.job import Job, Outcome
from advisor.work.prepare import Prepared
from advisor.work.stacked import BESIDE, MOST, Worth, run_stacked, why_no_stack


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
        marks: what the loaded plugins are.
        history: the trials so far.
        deadline: when the study ends, and what is kept for its confirmation.
        pace: what its trainings take.
        later: what is trained after the search whatever it finds.
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
        marks: PluginMarks | None = None,
    ) -> None:
        self.prepared = prepared
        self.plan = plan
        self.records = records
        self.crew = crew
        self.folder = folder
        self.on = on
        self.marks = marks or PluginMarks(prepared.host)
        self.history = History(plan, prepared.criterion, read_trials(records, plan))
        self.deadline = Deadline()
        self.pace = Pace(plan.epochs)
        if first is not None:
            self.pace.add(first)

        self.later: Spare = lambda: ()
        self._ledger = Ledger(self.history, records, self.marks)
        self._sampler = Sampler(plan, prepared.criterion.direction)
        self._first = first  # the training of the first trial, where the pilot has done it
        self._jobs = TrialJobs(prepared, self.history, folder)
        self._booked = time.monotonic()
        self._worth = Worth("trials")
        self._begun: set[int] = set()  # numbers of the trials that are trained or over

    def run(self) -> None:
        """Search until the total of trials is reached or the time is up."""
        first = self._first.curve if self._first else []
        limit = told(self.prepared.study, self.history, first, not self.crew.is_this_process)
        if limit:
            self.on(Event(NOTE, 0, 0, limit))
        while not self.is_late():
            current = next_round(self.history, self.prepared.study.trials)
            if current is None:
                return
            self.ask(current)
            self.train(current)
            self.end(current)
            self.book_time()

    def ask(self, current: Round) -> None:
        """Ask for the trials of a round that have not been asked yet."""
        # The sampler compares trials whose ranges are equal, so wider ranges need a new one.
        plan = with_widened_rates(self.history)
        if plan.space != self._sampler.plan.space:
            self._sampler = Sampler(plan, self.history.criterion.direction)
        self._sampler.follow(self.history.trials)

        for number in range(len(self.history.trials), current.end):
            seed = mix(self.prepared.study.seed, "ask", number)
            decision = decide(self.history, current, plan)
            kept = self.history.kept_without_effect
            numbers = partial(numbers_of_artefacts, self.history, current)
            params = self._sampler.propose(seed, decision, kept, numbers)
            trial = self._ledger.ask(plan, params, current)
            # What comes of it is heard when all are asked, so that it decides nothing about them.
            first = self.plan.rungs_from(current.start)[0]
            if begins_ahead(current, self.prepared.study) and (
                first * self.prepared.steps < LEAST_STEPS or not self.trains_together
            ):
                limit = loss_limit(self.history, current)
                self.crew.begin_ahead(self._jobs.of([trial], 0, first, limit))

    def train(self, current: Round) -> None:
        """Train the round's trials from rung to rung; only the better ones go on.

        A round that was stopped is gone through again from its first rung, so that the same trials
        are compared there.
        """
        self._note_begun_trials(current)
        alive = self._trials_of(current)
        limit = loss_limit(self.history, current)
        rungs = rungs_of(self.plan, current)
        for from_epoch, rung in pairwise([0, *rungs]):
            spare = partial(self._sure_jobs, alive, rung, next_after(rung, rungs), limit)
            self._train_to(rung, alive, from_epoch, limit, spare)
            # When the time is up, some trials have not come to the rung.
            if self.is_late():
                return

            # A training that was given up before the rung is not compared there.
            alive = [trial for trial in alive if trial.ended is None or trial.epochs >= rung]
            if rung < self.plan.epochs:
                alive = self._survivors(current, alive, rung)

        # Where a full training is longer now, the leading arms come to its end.
        if not self.plan.is_settled:
            self._settle(alive)
            self.train(current)

    def _settle(self, alive: Sequence[Trial]) -> None:
        """Find how long a full training is by longer trainings of the leading arms, and record it.

        A longer training than is settled on leaves no trace in its trial.
        """
        criterion, usual = self.history.criterion, self.plan.epochs
        arms = leading(self.plan, ranked(criterion, alive, usual))
        curves = {trial.number: trial.curve for trial in arms}
        epochs = looked = usual
        found: list[dict[int, Outcome]] = []
        while len(arms) > 1 and 2 * epochs <= self.plan.longest:
            outcomes = dict(self.crew.run(self._jobs.longer(arms, epochs), self.is_late))
            if len(outcomes) < len(arms):  # the time is up
                break
            looked = 2 * epochs
            curves = {number: outcomes[number].after(curves[number]) for number in curves}
            if not order_changes(criterion, curves, epochs):
                break
            epochs = looked
            found.append(outcomes)
            arms = [trial for trial in arms if len(curves[trial.number]) == epochs]
            curves = {trial.number: curves[trial.number] for trial in arms}
        self._take_plan(settled(self.plan, epochs, looked, self.prepared.steps))
        for outcomes in found:
            for number in sorted(outcomes):
                self._record(self.history.trials[number], outcomes[number])

    def _take_plan(self, plan: Plan) -> None:
        """Record the plan whose length of a full training is settled, and go on with it."""
        self.records.replace_plan(plan.to_json(), self.prepared.ref.to_json())
        self.plan = self.history.plan = plan
        self.on(Event(NOTE, 0, 0, told_of_length(plan)))

    def _sure_jobs(
        self, alive: Sequence[Trial], rung: int, after: int | None, limit: float | None
    ) -> Iterator[Job]:
        """What will be trained after this rung whatever is still to come at it, so that a worker
        which would wait can begin with it.
        """
        # What a limit of time leaves is decided at the rung.
        if self.prepared.study.minutes is None:
            yield from self._sure_at(alive, rung, after, limit)
            yield from self.later()

    def _sure_at(
        self, alive: Sequence[Trial], rung: int, after: int | None, limit: float | None
    ) -> Iterable[Job]:
        """Those of trials that are sure to go on."""
        # Who leads the opening round is decided at its rung.
        if after is None or (not alive[0].round.start and rung in self.plan.opening[-2:-1]):
            return ()
        steps = (after - rung) * self.prepared.steps
        if steps >= LEAST_STEPS and len(alive) >= BESIDE and self.trains_together:
            return ()
        done = [trial for trial in alive if trial.epochs >= rung]
        to_come = sum(trial.ended is None and trial.epochs < rung for trial in alive)
        best = ranked(self.history.criterion, done, rung)
        sure = sure_of(alive[0].round, best, to_come)
        return self._jobs.of(sure, rung, after, limit).values()

    def _train_to(
        self,
        rung: int,
        alive: Sequence[Trial],
        from_epoch: int,
        limit: float | None,
        spare: Spare,
    ) -> None:
        """Train trials up to a rung, and begin with `spare` jobs where workers would wait.

        One whose techniques change nothing becomes a trial of the arm without them, and is trained
        as that.
        """
        while jobs := self._jobs.of(alive, from_epoch, rung, limit):
            empty: dict[int, Outcome] = {}
            stacks = self._stacks(alive, jobs, from_epoch, rung)
            again = [self.history.trials[each] for stack in stacks for each in stack]
            beside = {each.number: self._jobs.one(each, from_epoch, rung, limit) for each in again}
            asked = beside | jobs
            for number, outcome in run_stacked(self.crew, asked, stacks, self.is_late, spare):
                trial = self.history.trials[number]
                # What is known already was trained for the others of its stack alone.
                if number not in jobs:
                    continue
                # A technique that is tried alone shows by its trial that it changes nothing.
                if outcome.no_effect and trial.stage != Stage.OPEN:
                    empty[number] = outcome
                else:
                    self._record(trial, outcome)

            # In the order of their numbers, whichever worker was first.
            for number in sorted(empty):
                self._take_without(self.history.trials[number], empty[number])
            if not empty or self.is_late():
                return

    def _stacks(
        self, alive: Sequence[Trial], jobs: Mapping[int, Job], from_epoch: int, rung: int
    ) -> list[list[int]]:
        """Numbers of the trials that are trained together up to a rung, those of each stack.

        Where one of them is missing, all are trained, so that each has the numbers that it has in a
        search that was never stopped.
        """
        # Where the length of a full training is settled, the leading arms are trained alone.
        if any(not each.round.start for each in alive) and from_epoch in self.plan.opening[-2:-1]:
            return []
        stacks, steps = [], (rung - from_epoch) * self.prepared.steps
        for block in stacks_of(self.prepared.host, alive, from_epoch, steps):
            if not jobs.keys().isdisjoint(block) and self._pays(len(block)):
                stacks.append(block)
        return stacks

    @property
    def trains_together(self) -> bool:
        """Whether trainings are computed as one where there are enough of them."""
        return self._pays(MOST)

    def _pays(self, copies: int) -> bool:
        """Whether so many trials are trained together."""
        prepared, batch = self.prepared, self.plan.batch
        return self._worth.pays(copies, lambda: why_no_stack(prepared, copies, batch))

    def _take_without(self, trial: Trial, outcome: Outcome) -> None:
        """Make a trial one of the arm without its techniques that changed nothing, and show it."""
        before = arm_label(trial.arm)
        self._ledger.take_without(trial, outcome)
        # The sampler learns of the trials what a resumed search would read of them.
        self._sampler = Sampler(self._sampler.plan, self.history.criterion.direction)
        text = f"trial {trial.number}: {before}: {outcome.why}; taken as {arm_label(trial.arm)}"
        self._tell_of(trial, text)

    def end(self, current: Round) -> None:
        """Close the trials of a round that are still open, and forget the training states."""
        if not self.plan.is_settled:  # the time was up
            self._take_plan(settled(self.plan, self.plan.epochs, 0, self.prepared.steps))
        for trial in self._trials_of(current):
            self._close(trial, Ended.OUT_OF_TIME, "the time was up")
        remove_kept_files(self.folder)
        self._report(current.stage, "")

    def is_late(self) -> bool:
        """Whether the time for the search is up."""
        return self.deadline.gives_way(self.pace)

    def book_time(self) -> None:
        """Add the time since the last call to that of the study."""
        now = time.monotonic()
        self.records.spend(now - self._booked)
        self._booked = now

    def _note_begun_trials(self, current: Round) -> None:
        """Note which trials are begun already; the pilot's training is that of the first one."""
        self._begun.clear()
        for trial in self.history.trials:
            if trial.epochs or not trial.is_running:
                self._begun.add(trial.number)

        if self._first is not None and current.start == 0 and 0 not in self._begun:
            self._record(self.history.trials[0], self._first)

    def _survivors(self, current: Round, alive: Sequence[Trial], rung: int) -> list[Trial]:
        """The trials that go on from a rung, best first; the others are closed."""
        criterion = self.history.criterion
        trials = ranked(criterion, alive, rung)
        kept = survivors(self.plan, current, trials)
        if not current.start and rung in self.plan.opening[-2:-1]:
            kept = {trial.number for trial in leading(self.plan, trials)}

        going: list[Trial] = []
        better: list[float] = []
        for trial, score in trials:
            if trial.number in kept:
                going.append(trial)
                better.append(score)
            else:
                why = why_outranked(criterion, score, better, len(trials), rung)
                self._close(trial, Ended.OUTRANKED, why)
        return going

    def _close(self, trial: Trial, ended: Ended, why: str) -> None:
        """Close a trial that is still open, and tell that it is over."""
        if trial.is_running:
            self._ledger.close(trial, ended, why)
            text = trial.why or self._reached(trial.curve)
            self._tell_of(trial, f"trial {trial.number}: {arm_label(trial.arm)}: {text}")

    def _record(self, trial: Trial, outcome: Outcome) -> None:
        """Write what a job brought, and show it."""
        self._ledger.record(trial, outcome)
        self.pace.add(outcome)
        self._begun.add(trial.number)

        text = outcome.why or self._reached(outcome.curve)
        label = arm_label(trial.arm)
        rate = trial.params[self.plan.rate_of(trial.arm)]
        self._tell_of(trial, f"trial {trial.number}: {label} lr {rate_text(rate)}: {text}")

    def _reached(self, curve: Sequence[Epoch]) -> str:
        """The score at the end of a learning curve, in words."""
        if not curve:
            return ""
        last = curve[-1]
        return f"{self.prepared.objective.metric.name} {last.score:.4g} after epoch {last.epoch}"

    def _tell_of(self, trial: Trial, text: str) -> None:
        """Tell what has happened to a trial, and that it is over where it is."""
        event = Event(trial.stage, len(self._begun), self.prepared.study.trials, text)
        self.on(event if trial.is_running else end_of(trial, event))

    def _report(self, stage: Stage, text: str) -> None:
        total = trials_in_all(self.plan, self.prepared.study.trials)
        event = Event(stage, len(self._begun), total, text)
        self.on(event)

    def _trials_of(self, current: Round) -> list[Trial]:
        return self.history.trials[current.start : current.end]
