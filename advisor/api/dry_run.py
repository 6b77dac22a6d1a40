"""`advisor.dry_run`: what a study would try, and about how long it takes. Nothing is written."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from optuna.distributions import FloatDistribution

from advisor.api.arguments import check_arguments
from advisor.api.begun import begun_plan, with_begun_metric
from advisor.api.tuning import plan_of
from advisor.errors import InputError, explain
from advisor.events import NOTE, Event, Listener
from advisor.readable import counted
from advisor.search.pilot import first_job
from advisor.search.plan import Plan
from advisor.search.tried_pilot import FreeEpochs, free_epochs
from advisor.store.location import storage_url
from advisor.store.query import read
from advisor.store.questions import techniques_of
from advisor.study import Study
from advisor.technique import DECAY, RATE
from advisor.training.loop import TrainingSettings
from advisor.training.timing import timed_steps
from advisor.user_code import interrupts_told_apart, kept_from_exiting, user_faults
from advisor.verdict.forecast import Amount, Span, amount_of, times, usual_trainings
from advisor.work.crews import crew
from advisor.work.devices import Staff, staff_for, staff_of
from advisor.work.executors import Crew
from advisor.work.opened import in_this_process
from advisor.work.opening import open_study
from advisor.work.prepare import Prepared
from advisor.work.scripts.trials import ANY_EPOCHS
from advisor.work.study_ref import StudyRef
from advisor.work.threads import one_thread
from advisor.work.waiting import long_waits_told

BEGUN = "SELECT plan FROM advisor_plans WHERE study = ?"
"""The query for the plan of a study that was begun."""
TRIALS = "SELECT count(*) FROM advisor_trials WHERE study = ? AND state <> 'RUNNING'"
"""The query for how many trials of a study are over."""


@dataclass(frozen=True)
class Searched:
    """The first value of a number, and from where to where it is searched."""

    first: float
    low: float
    high: float


@dataclass(frozen=True)
class Clocked:
    """How long an epoch takes.

    Attributes:
        epoch: its seconds; None where they are not known.
        by: how they were measured, or why they are not known.
    """

    epoch: float | None
    by: str


@dataclass(frozen=True)
class Usual:
    """What is likely, between the least and the most.

    Attributes:
        epochs: of a full training.
        trainings: whole trainings, or as many epochs of shorter ones.
        seconds: of all of it; None where no epoch was measured.
    """

    epochs: int
    trainings: float
    seconds: float | None


@dataclass(frozen=True)
class DryRun:
    """What a study would try. `to_json` gives the documented keys.

    Attributes:
        prepared: the study, opened.
        plan: the techniques that fit, why others do not, and the ranges of their parameters.
        begun: trials that are over already; None where the study was not begun.
        epochs: of a full training; both ends are one where that is settled.
        amount: about how many trainings there are.
        clocked: how long an epoch takes.
        seconds: how long all of it takes at least and at most; None where no epoch was measured.
        about: what is likely.
        workers: processes that train.
    """

    prepared: Prepared
    plan: Plan
    begun: int | None
    epochs: Span
    amount: Amount
    clocked: Clocked
    seconds: Span | None
    about: Usual
    workers: int

    @property
    def arms(self) -> int:
        """How many arms there are: one technique per slot, each combination counted."""
        return math.prod(len(names) for names in self.plan.options.values())

    @property
    def rates(self) -> dict[str, Searched]:
        """How learning rate and weight decay are searched."""
        rates = {}
        for name in (RATE, DECAY):
            space = self.plan.space[name]
            assert isinstance(space, FloatDistribution)  # every plan has these two as numbers
            rates[name] = Searched(self.plan.first[name], space.low, space.high)
        return rates

    def to_json(self) -> str:
        """The documented keys as JSON text."""
        prepared, plan = self.prepared, self.plan
        plain = {
            "study": prepared.study.name,
            "metric": prepared.criterion.name,
            "direction": prepared.criterion.direction,
            "slots": {slot: list(names) for slot, names in plan.options.items()},
            "skipped": [dict(skip) for skip in plan.skipped],
            "arms": self.arms,
            "rates": {name: asdict(rate) for name, rate in self.rates.items()},
            "epochs": asdict(self.epochs),
            "trials": prepared.study.trials,
            "begun": self.begun,
            "trainings": asdict(self.amount),
            "epoch_seconds": self.clocked.epoch,
            "measured_by": self.clocked.by,
            "seconds": self.seconds and asdict(self.seconds),
            "about": asdict(self.about),
            "minutes": prepared.study.minutes,
            "workers": self.workers,
            "notes": list(prepared.notes),
            "warnings": list(prepared.warnings),
        }
        return json.dumps(plain, indent=2, ensure_ascii=False)


def dry_run(
    study: Study | StudyRef | str | Path,
    *,
    storage: str | None = None,
    workers: int | None = None,
    device: str = "cpu",
    plugins: Sequence[str] = (),
) -> DryRun:
    """What `advisor.tune` would try, and about how long that takes; no database is changed.

    A few steps of the model as it is are trained and thrown away, to measure them; and its first
    training, where that takes a few seconds and shows how many epochs the study's have.

    Arguments:
        study: as for `advisor.tune`.
        storage: the database in which the study may be begun, as for `advisor.tune`.
        workers: processes that would train (1).
        device: a torch device, or several as for `tune`.
        plugins: plugin files to load besides the installed plugins.

    Example:
        >>> import advisor, torch
        >>> from torch import nn
        >>> def net():
        ...     return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
        >>> task = advisor.Task(net, (torch.randn(60, 4), torch.arange(60) % 3))
        >>> study = advisor.Study("small", task, epochs=2, only={"activation": ["elu", "gelu"]})
        >>> found = advisor.dry_run(study, workers=0)
        >>> found.plan.options["activation"], found.epochs.high
        (['keep', 'elu', 'gelu'], 2)

    Raises:
        InputError: the task is at fault, or the study was begun with another one.
    """
    number = 1 if workers is None else workers
    given = {"study": study, "storage": storage, "workers": number}
    check_arguments("dry_run", {**given, "device": device, "plugins": plugins})
    ref = StudyRef.of(study, tuple(plugins))
    device, staff = staff_of(device, workers, usual=1)
    return open_and_look(ref, storage, staff, device, lambda event: None)


def open_and_look(
    ref: StudyRef,
    storage: str | None,
    workers: int | Staff,
    device: str,
    on: Listener,
    opened: Callable[[Prepared], None] | None = None,
) -> DryRun:
    """Open a study and look at what it would try.

    Arguments are those of `dry_run`; `on` is told of long waits, and `opened` is called with the
    study.
    """

    def tell(text: str) -> None:
        """Show a sentence, such as one about a long wait."""
        on(Event(NOTE, 0, 0, text))

    url = storage_url(storage)
    staff = staff_for(workers, ref.script is not None)
    with interrupts_told_apart(), crew(staff, tell) as workforce:
        one_thread()
        prepared = open_study(ref, device, workforce)
        prepared = with_begun_metric(prepared, url, workforce)
        if opened is not None:
            opened(prepared)
        with long_waits_told(tell, "asking the techniques"), kept_from_exiting():
            asked = plan_of(prepared, techniques_of(url, prepared.study.name))
        plan, begun = begun_already(prepared, asked, url)
        with in_this_process(prepared):
            clocked = measured_epoch(prepared, plan, workforce)
            free, clocked = epochs_of(prepared, plan, begun, clocked, workforce)
    return forecast(prepared, plan, begun, free, clocked, staff.workers)


def forecast(
    prepared: Prepared,
    plan: Plan,
    begun: int | None,
    free: FreeEpochs,
    clocked: Clocked,
    workers: int,
) -> DryRun:
    """What is told of a study, from the epochs of its trainings and the time of one."""
    # What is not settled yet is told from its least to its most.
    epochs = Span(free.low, free.high)
    amount = amount_of(plan, prepared.study, epochs, prepared.steps)
    trainings = usual_trainings(amount, plan, prepared.study)
    seconds = likely = None
    if clocked.epoch is not None and epochs.high:
        seconds = times(amount, epochs, clocked.epoch, max(1, workers))
        likely = trainings * free.about * clocked.epoch / max(1, workers)
    about = Usual(free.about, trainings, likely)
    return DryRun(prepared, plan, begun, epochs, amount, clocked, seconds, about, workers)


def begun_already(prepared: Prepared, asked: Plan, url: str) -> tuple[Plan, int | None]:
    """The plan that the study goes on with, and how many of its trials are over; the plan that is
    asked for, and None, where it was not begun.

    Raises `InputError` where the study was begun with another task.
    """
    name = prepared.study.name
    try:
        _, rows = read(url, BEGUN, (name,))
        _, trials = read(url, TRIALS, (name,))
    except InputError:  # there is no such database yet
        return asked, None
    if not rows:
        return asked, None
    begun = begun_plan(prepared, Plan.from_json(json.loads(rows[0][0])), asked)
    return begun.plan, int(trials[0][0])


def epochs_of(
    prepared: Prepared, plan: Plan, begun: int | None, clocked: Clocked, workforce: Crew
) -> tuple[FreeEpochs, Clocked]:
    """The epochs of a full training, and how long one takes; the first training of a study finds
    them where nobody says so. A script's are not known before it is trained.
    """
    if begun is not None:
        high = max(plan.epochs, plan.longest)
        return FreeEpochs(plan.epochs, plan.epochs, high), clocked
    least = prepared.epochs
    if prepared.study.epochs is not None or not prepared.has_rows:
        return FreeEpochs(least, least, least), clocked
    free = free_epochs(prepared, plan, workforce, clocked.epoch)
    if free.seconds is None:
        return free, clocked
    return free, Clocked(free.seconds, f"a training of {counted(free.tried, 'epoch')}")


def measured_epoch(prepared: Prepared, plan: Plan, workforce: Crew) -> Clocked:
    """How long an epoch of the model as it is takes."""
    if prepared.loop is not None or not prepared.has_rows:
        return whole_epoch(prepared, plan, workforce)
    seed = prepared.study.seed
    splits = prepared.splits(seed)
    valid = splits.valid if len(splits.valid) else splits.test
    rates = plan.first[RATE], plan.first[DECAY]
    settings = TrainingSettings(*rates, prepared.batch, 0, max(1, prepared.epochs))
    try:
        run = prepared.run(seed, splits)
        run.steps = settings.to_epoch * run.recipe.steps_an_epoch(len(splits.train), settings.batch)
        timed = timed_steps(run, valid, settings)
    except user_faults() as problem:  # the user's model, loss or optimizer may raise anything
        return Clocked(None, f"a first step of the model as it is raised {explain(problem)}")
    return Clocked(timed.epoch, f"{timed.steps} steps of {prepared.batch} rows")


def whole_epoch(prepared: Prepared, plan: Plan, workforce: Crew) -> Clocked:
    """How long an epoch of the user's own loop or script takes, which is stopped after it."""
    job = first_job(prepared, plan, Path())
    epochs = job.to_epoch if prepared.has_rows else ANY_EPOCHS
    # No score is good enough to go on.
    job = replace(job, save=None, to_epoch=epochs, cuts={1: math.inf}, name="a dry run")
    outcome = workforce.run_by_itself(job)
    if not outcome.curve:
        return Clocked(None, f"a first epoch failed: {outcome.why or outcome.trouble}")
    return Clocked(outcome.curve[0].seconds, "one epoch")
