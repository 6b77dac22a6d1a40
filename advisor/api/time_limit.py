"""The time limit of a study: how long trainings may be, on which rows, and when the search ends."""

from __future__ import annotations

import math
import time
from pathlib import Path

from advisor.api.begun import CONFIRM_SHARE
from advisor.events import NOTE, Event, Listener
from advisor.search.deadline import LAST_SECONDS, Deadline
from advisor.search.pilot import TRAININGS
from advisor.search.plan import Plan
from advisor.search.search import Search
from advisor.search.share import on_share, told_of_share
from advisor.verdict.room import least_slots
from advisor.work.executors import Crew
from advisor.work.prepare import Prepared


def seconds_of_training(prepared: Prepared, opened: float, workforce: Crew) -> float:
    """Seconds that a full training may take, so that many of them fit into the limit of a study,
    and the shortest confirmation into its share; infinite without a limit.

    `opened` are the seconds that opening the study has taken.
    """
    minutes = prepared.study.minutes
    if minutes is None:
        return math.inf
    left = max(0.0, 60 * minutes - opened - LAST_SECONDS)
    workers = max(1, workforce.workers)
    return min(left * workers / TRAININGS, CONFIRM_SHARE * left / least_slots(workers))


def of_share(
    prepared: Prepared, plan: Plan, folder: Path, workforce: Crew, seconds: float, on: Listener
) -> tuple[Prepared, Plan]:
    """The study and its plan on a share of the rows, which is told, where a training on all of them
    takes more than so many seconds.
    """
    minutes = prepared.study.minutes
    if minutes is None or not prepared.has_rows:
        return prepared, plan
    prepared, plan = on_share(prepared, plan, folder, workforce, seconds)
    if plan.rows is not None:
        trainings = int(60 * minutes * workforce.workers / max(seconds, 1e-3))
        on(Event(NOTE, 0, 0, told_of_share(prepared, minutes, trainings)))
    return prepared, plan


def deadline_of(search: Search, limit: float) -> Deadline:
    """The time that is left of a limit of so many seconds."""
    left = limit + search.plan.more_seconds - search.records.spent()
    least = least_slots(max(1, search.crew.workers))
    return Deadline(time.monotonic() + left, limit, CONFIRM_SHARE, least)
