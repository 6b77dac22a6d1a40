"""On how many rows a study with a time limit is done: decided once, by a few measured steps."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from advisor.data.share import FEWEST_SCORED
from advisor.readable import counted
from advisor.search.pilot import first_job
from advisor.search.plan import Plan
from advisor.work.executors import Crew
from advisor.work.job import Outcome
from advisor.work.prepare import Prepared
from advisor.work.task_facts import FEWEST_EPOCHS

FEWEST_ROWS = 1000
"""Training rows that are never fewer, where there are so many."""
FEWEST_STEPS = 8
"""Steps of an epoch that are never fewer, where there are so many."""
FEWEST_OF_CLASS = 20
"""Training rows for each class, on average, that are never fewer."""
FORWARD = 1 / 3
"""What it costs to score a row, as a share of training on it: forward, and not backward twice."""
FEW_STEPS, MANY_STEPS = 4, 32
"""Steps that are timed at first; and, where these are quick, then."""
QUICK = 0.25
"""Seconds of an epoch of few steps that is quick."""


@dataclass(frozen=True)
class EpochRows:
    """Rows of a split of the data: to train on, and to score after each epoch."""

    train: int
    valid: int

    def share(self, train: int) -> EpochRows:
        """Those of a share of the rows, with so many to train on."""
        in_proportion = round(self.valid * train / max(1, self.train))
        return EpochRows(train, min(self.valid, max(in_proportion, min(train, FEWEST_SCORED))))


@dataclass(frozen=True)
class EpochTime:
    """What a short training on a few rows took.

    Attributes:
        rows: of an epoch of it.
        epoch: seconds of its last epoch.
        around: seconds besides its epochs, such as for building the model.
    """

    rows: EpochRows
    epoch: float
    around: float

    def training(self, rows: EpochRows, epochs: int) -> float:
        """Seconds of a training on so many rows that follow from it."""
        return self.around + epochs * self.epoch * weight_of(rows) / weight_of(self.rows)


def weight_of(rows: EpochRows) -> float:
    """Rows of an epoch, of which those that are only scored cost less."""
    return rows.train + FORWARD * rows.valid


def rows_in_time(
    timed: EpochTime, rows: EpochRows, seconds: float, epochs: int, fewest: int
) -> int | None:
    """Training rows with which a training takes so many seconds at most; None for all.

    Arguments:
        timed: what a few rows took.
        rows: all of them.
        seconds: that a training may take.
        epochs: of it.
        fewest: rows that are not given up.
    """
    if rows.train <= fewest or timed.training(rows, epochs) <= seconds:
        return None

    def taken(train: int) -> float:
        """Seconds of a training on so many rows."""
        return timed.training(rows.share(train), epochs)

    most = bisect.bisect_right(range(rows.train), seconds, key=taken) - 1
    return max(fewest, rounded_down(most))


def rounded_down(rows: int) -> int:
    """A number of two digits, and then zeros, that is not larger."""
    unit = int(10 ** max(0, len(str(rows)) - 2))
    return max(0, rows) // unit * unit


def on_share(
    prepared: Prepared, plan: Plan, folder: Path, crew: Crew, seconds: float
) -> tuple[Prepared, Plan]:
    """The study and its plan on as many rows as the time has room for.

    The user's number of epochs is kept. Without one, epochs give way first, down to
    `FEWEST_EPOCHS`, which the pilot sees to; then rows do.

    Arguments:
        prepared: the study, opened, which has a limit of time.
        plan: what is searched.
        folder: for the training states.
        crew: trains; the steps are timed in all of its workers at once.
        seconds: that a training may take.
    """
    sizes = prepared.facts.sizes
    rows, fewest = EpochRows(sizes["train"], sizes["valid"]), fewest_rows(prepared)
    if rows.train <= fewest:
        return prepared, plan
    timed = timed_epoch(prepared, plan, folder, crew)
    if timed is None:  # the pilot says what is wrong
        return prepared, plan
    epochs = prepared.study.epochs or min(FEWEST_EPOCHS, prepared.epochs)
    found = rows_in_time(timed, rows, seconds, epochs, fewest)
    if found is None:
        return prepared, plan
    return replace(prepared.on_rows(found), epochs=epochs), replace(plan, rows=found)


def fewest_rows(prepared: Prepared) -> int:
    """Training rows that are never given up."""
    classes = prepared.facts.outputs if prepared.facts.target == "classes" else 1
    return max(FEWEST_ROWS, FEWEST_STEPS * prepared.batch, FEWEST_OF_CLASS * classes)


def timed_epoch(prepared: Prepared, plan: Plan, folder: Path, crew: Crew) -> EpochTime | None:
    """What an epoch on a few rows takes while every worker trains; None where it cannot be
    trained.
    """
    found = None
    for steps in (FEW_STEPS, MANY_STEPS):
        rows = min(steps * prepared.batch, prepared.facts.sizes["train"])
        # The first epoch loads code and takes memory; the last one counts.
        job = replace(first_job(prepared, plan, folder), to_epoch=2, rows=rows, save=None)
        jobs = {each: replace(job, name=f"timing {each}") for each in range(max(1, crew.workers))}
        outcomes = [outcome for _, outcome in crew.run(jobs)]
        if any(outcome.ended is not None or not outcome.curve for outcome in outcomes):
            return found
        found = slowest(outcomes, prepared, rows)
        if found.epoch > QUICK:
            break
    return found


def slowest(outcomes: Sequence[Outcome], prepared: Prepared, rows: int) -> EpochTime:
    """What the slowest of equal trainings on so many rows took."""
    around = []
    for outcome in outcomes:
        around.append(outcome.seconds - sum(epoch.seconds for epoch in outcome.curve))
    sizes = prepared.facts.sizes
    epoch = max(outcome.curve[-1].seconds for outcome in outcomes)
    part = EpochRows(sizes["train"], sizes["valid"]).share(rows)
    return EpochTime(part, epoch, max(0.0, *around))


def told_of_share(prepared: Prepared, minutes: float, trainings: int) -> str:
    """What a person is told of the rows that a study is done on."""
    sizes = prepared.facts.sizes
    every = (prepared.source.every or prepared.source).facts.sizes
    time = "1 minute" if minutes == 1 else f"{minutes:g} minutes"
    return (
        f"searched and confirmed on {sizes['train']:,} of {every['train']:,} training rows, and "
        f"scored on as large a share of the others, so that about "
        f"{counted(trainings, 'full training')} of {counted(prepared.epochs, 'epoch')} fit into "
        f"{time} (--minutes)"
    )
