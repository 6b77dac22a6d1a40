"""The first training of a study: how long trainings are, on which rows and with which
mini-batches, as far as there is time and memory for them.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from pathlib import Path

from advisor.api.time_limit import of_share, seconds_of_training
from advisor.events import NOTE, Event, Listener
from advisor.readable import counted
from advisor.search.pilot import pilot, pilot_job
from advisor.search.plan import Plan
from advisor.search.script_plan import pilot_of_script
from advisor.work.executors import Crew
from advisor.work.job import Outcome
from advisor.work.prepare import Prepared
from advisor.work.scripts.prepared import PreparedScript
from advisor.work.simple_models import begin_simple_models

FEWEST = 2
"""Rows in the smallest mini-batch that is tried: many layers do not train on a single row."""


def begin_first(prepared: Prepared, plan: Plan, folder: Path, workforce: Crew) -> None:
    """Let workers begin with a study that is new: one with its first training, another with what
    simple models reach.

    Under a limit of time nothing is begun: on which rows is decided by the time that is left then.
    """
    if prepared.has_rows and prepared.study.minutes is None:
        workforce.begin_ahead({0: pilot_job(prepared, plan, folder)})
    begin_simple_models(prepared, workforce)


def first_that_fits(
    prepared: Prepared, plan: Plan, folder: Path, workforce: Crew, on: Listener, began: float
) -> tuple[Prepared, Plan, Outcome]:
    """The study and its plan as they are trained, and the first trial's training.

    Where the model as it is lacks memory for the usual mini-batches, all trainings get smaller
    ones, by halves: what an arm needs then decides nothing about the others. A number that the user
    gave, and the mini-batches of a loop of the user's own, are kept.

    Arguments:
        prepared: the study, opened.
        plan: what is searched, as it is asked for.
        folder: for the training states.
        workforce: runs the trainings.
        on: called with every event.
        began: when the opening of the study began, by `time.monotonic`.
    """
    while True:
        room = seconds_of_training(prepared, time.monotonic() - began, workforce)
        shared, planned = of_share(prepared, plan, folder, workforce, room, on)
        on(Event("pilot", 0, 1, "how long the model as it is goes on improving"))
        planned, outcome = first_of(shared, planned, folder, workforce, room)
        if not (outcome.lacked_memory and may_halve(prepared)):
            return with_batch_of(shared, planned), planned, outcome
        prepared = replace(prepared, batch=prepared.batch // 2)
        plan = replace(plan, batch=prepared.batch)
        on(Event(NOTE, 0, 0, f"{outcome.why}; now with mini-batches of {plan.batch} rows"))


def first_of(
    prepared: Prepared, plan: Plan, folder: Path, workforce: Crew, seconds: float = math.inf
) -> tuple[Plan, Outcome]:
    """The plan with the epochs of a full training, which may take so many seconds, and the first
    trial's training.
    """
    if isinstance(prepared, PreparedScript):
        return pilot_of_script(prepared, plan, folder, workforce)
    return pilot(prepared, plan, folder, workforce, seconds)


def may_halve(prepared: Prepared) -> bool:
    """Whether the number of rows in a mini-batch is advisor's own, and can be halved."""
    is_own = prepared.has_rows and prepared.loop is None and prepared.study.task.batch is None
    return is_own and prepared.batch // 2 >= FEWEST


def with_batch_of(prepared: Prepared, plan: Plan) -> Prepared:
    """The study with the mini-batches of its plan, and a warning where those are smaller than the
    usual ones.
    """
    usual = plan.identity.get("batch", plan.batch)
    if plan.batch == usual:
        return prepared
    warning = (
        f"The model as it is ran out of memory with the usual mini-batches of {usual} rows, so all "
        f"arms are trained with {counted(plan.batch, 'row')} in each."
    )
    return replace(prepared, batch=plan.batch, warnings=(*prepared.warnings, warning))


def advice_on(first: Outcome, prepared: Prepared) -> str:
    """What to do where the first training has failed, in a sentence or two."""
    if not first.lacked_memory:
        return "Check its output, its loss and the data."
    if not prepared.has_rows or prepared.loop is not None:
        return "Make the mini-batches of its training loop smaller, or train with more memory."
    if prepared.study.task.batch is None:
        return (
            f"So it does with mini-batches of {counted(prepared.batch, 'row')}, the smallest that "
            "are tried: make it smaller, or train with more memory."
        )
    half = max(1, prepared.batch // 2)
    return (
        f"The study says batch={prepared.batch}, which is kept: give a smaller one (with "
        f"batch={half}, accumulate=2 a step has as many rows), or train with more memory."
    )
