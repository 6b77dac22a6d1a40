"""A study begins, or goes on where the database has it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from advisor.api.begun import begun_plan, joined
from advisor.api.first_training import advice_on, begin_first, first_that_fits, with_batch_of
from advisor.api.listening import opened_event
from advisor.errors import SearchError
from advisor.events import Event, Listener
from advisor.search.pilot import told_of_pilot
from advisor.search.plan import Plan
from advisor.search.plugin_marks import PluginMarks
from advisor.search.reopening import reopen_changed
from advisor.store.database import Database
from advisor.store.study_records import StudyRecords
from advisor.training.ended import Ended
from advisor.work.executors import Crew
from advisor.work.job import Outcome
from advisor.work.prepare import Prepared


def new_study(
    prepared: Prepared,
    plan: Plan,
    records: StudyRecords,
    folder: Path,
    workforce: Crew,
    on: Listener,
    began: float,
) -> tuple[Prepared, Plan, Outcome]:
    """A study that begins now and its plan, as they are trained, and the pilot's training, which is
    that of the first trial.

    Arguments are those of `tune_prepared`, with the plan that is asked for. Raises what `begin`
    raises.
    """
    # What was counted for a study that was never begun may have been another model's.
    workforce.deaths.forget()
    on(opened_event(prepared, plan))
    begin_first(prepared, plan, folder, workforce)
    prepared, plan, first = first_that_fits(prepared, plan, folder, workforce, on, began)
    workforce.deaths.forget()
    begin(records, prepared, plan, first, time.monotonic() - began)
    on(Event("pilot", 1, 1, told_of_pilot(plan)))
    return prepared, plan, first


def begun_study(
    prepared: Prepared,
    recorded: Mapping[str, Any],
    plan: Plan,
    database: Database,
    records: StudyRecords,
    marks: PluginMarks,
    folder: Path,
    workforce: Crew,
    on: Listener,
) -> tuple[Prepared, Plan]:
    """A study that is in the database goes on with the plan that it began with, and with the
    techniques that have joined since.

    Arguments are those of `tune_prepared`, with the plan that was `recorded`, and the one that is
    asked for now.
    """
    with records.reading("plan"):
        recorded_plan = Plan.from_json(recorded)
    begun = begun_plan(prepared, recorded_plan, plan)
    plan = joined(begun, plan, database, prepared)
    on(opened_event(prepared, plan))
    prepared = with_batch_of(prepared.on_rows(plan.rows), plan)
    prepared = replace(prepared, warnings=(*prepared.warnings, *begun.warnings))
    has_limit = prepared.study.minutes is not None
    if reopen_changed(records, plan, marks, folder, has_limit):
        workforce.deaths.forget()  # they may have died of the old code
    return prepared, plan


def begin(
    records: StudyRecords, prepared: Prepared, plan: Plan, first: Outcome, seconds: float
) -> None:
    """Record a new study.

    Arguments:
        records: of the study.
        prepared: the study, opened.
        plan: what is searched.
        first: the pilot's training of the model as it is.
        seconds: that opening the study and the pilot have taken.

    Raises:
        SearchError: the pilot showed that the model cannot be trained at all.
    """
    if first.ended == Ended.FAILED:
        raise SearchError(
            f"Study {records.name!r}: the model as it is cannot be trained: {first.why}. "
            f"{advice_on(first, prepared)}"
        )
    criterion = prepared.criterion
    records.begin(criterion.name, criterion.direction, plan.to_json(), prepared.ref.to_json())
    records.spend(seconds)
