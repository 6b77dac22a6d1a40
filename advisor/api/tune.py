"""The way of a study: plan, search, confirm, recommend."""

from __future__ import annotations

import hashlib
import math
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import filelock
from optuna.trial import TrialState

from advisor.errors import InputError, SearchError, listing, near
from advisor.host.host import Host
from advisor.search.pilot import pilot
from advisor.search.plan import Plan, make_plan
from advisor.search.sampler import choices_of
from advisor.search.search import Event, Listener, Search
from advisor.store.database import Database
from advisor.store.location import sqlite_path, storage_url
from advisor.study import Study
from advisor.technique import KEEP
from advisor.verdict.confirm import confirm
from advisor.verdict.recommend import answer
from advisor.verdict.recommendation import Recommendation
from advisor.work.executors import crew, one_thread
from advisor.work.job import Outcome
from advisor.work.prepare import Prepared, setup
from advisor.work.study_ref import StudyRef, host_of

CONFIRM_SHARE = 0.4
"""Share of a study's minutes that is kept for the confirmation: without it there is no answer to
trust.
"""


def tune(
    study: Study | StudyRef | str | Path,
    *,
    storage: str | None = None,
    workers: int = 1,
    device: str = "cpu",
    plugins: Sequence[str] = (),
    on: Listener = lambda event: None,
) -> Recommendation:
    """Search, confirm and recommend; a study that was stopped goes on where it stopped, one that is
    done answers at once.

    Arguments:
        study: an `advisor.Study`, or the path of a study file (`STUDY.py` or `STUDY.py:NAME`).
        storage: database URL or SQLite path; None for `ADVISOR_STORAGE` or
            `sqlite:///studies/advisor.db`.
        workers: processes that train; 1 trains in this process. Scripts that ask for more need the
            usual `if __name__ == "__main__":` guard.
        device: a torch device.
        plugins: plugin files to load besides the installed plugins.
        on: called with an `Event` whenever there is something to show.

    Raises `InputError` when the task is at fault and `SearchError` when no trial ended with a
    score.
    """
    question = StudyRef.given(study, tuple(plugins))
    one_thread()
    shared, host = setup(question, device), host_of(question)
    asked = make_plan(
        shared, host
    )  # before the database is opened: what is wrong with the task leaves nothing behind
    url = storage_url(storage)
    database = Database(url, host.built_in_slots)
    try:
        with _alone(url, shared.study.name) as folder, crew(workers) as workforce:
            plan, first = _recorded(asked, shared, host, database), None
            if plan is None:
                on(Event("pilot", 0, 1, "how long the model as it is goes on improving"))
                plan, first = _begin(pilot(shared, asked, folder, workers), shared, database)
                on(Event("pilot", 1, 1, f"trials train for {plan.rungs[-1]} epochs"))
            return _study(Search(shared, plan, database, workforce, folder, on, first), host)
    finally:
        database.close()


def recommendation(study: str, storage: str | None = None) -> Recommendation:
    """The last recommendation of a study in the database. Raises `InputError` when there is none."""
    from advisor.store.query import read

    url = storage_url(storage)
    _, rows = read(
        url,
        "SELECT study, json FROM advisor_recommendations WHERE study = ? ORDER BY created DESC",
        (study,),
    )
    if not rows:
        names = [str(row[0]) for row in read(url, "SELECT study FROM advisor_studies")[1]]
        raise InputError(
            f"No recommendation for study {study!r} in {url}.{near(study, names)} Studies there: {listing(names) or 'none'}."
        )
    asked = read(url, "SELECT question FROM advisor_plans WHERE study = ?", (study,))[1]
    kept = asked[0][0] if asked else None
    return Recommendation.from_json(rows[0][1], StudyRef.from_json(kept) if kept else None)


@contextmanager
def _alone(url: str, name: str) -> Iterator[Path]:
    """The study's folder of training states, for one coordinator at a time; the lock goes with its
    process.
    """
    path = sqlite_path(url) or Path("studies/advisor.db")
    slug = f"{re.sub(r'[^A-Za-z0-9_-]+', '-', name)[:40]}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"
    folder = path.with_suffix(".checkpoints") / slug
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder.with_suffix(".lock"))
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as problem:
        raise InputError(
            f"Study {name!r} is running in another process on this database; wait for it, or use another --name."
        ) from problem
    try:
        yield folder
    finally:
        lock.release()


def _begin(
    piloted: tuple[Plan, Outcome], shared: Prepared, database: Database
) -> tuple[Plan, Outcome]:
    """Record a new study. Raises `SearchError` when the pilot showed that its model cannot be
    trained at all.
    """
    (plan, first), metric, name = piloted, shared.goal, shared.study.name
    if first.ended == "failed":
        raise SearchError(
            f"Study {name!r}: the model as it is cannot be trained: {first.why}. Check its output, its loss and the data."
        )
    database.begin(name, metric.name, metric.direction, plan.to_json(), shared.question.to_json())
    database.spend(name, sum(first.costs.values()))
    return plan, first


def _recorded(asked: Plan, shared: Prepared, host: Host, database: Database) -> Plan | None:
    """The plan that the study began with, or None for a new study.

    Raises `InputError` when the study was begun with other settings than are asked for now.
    """
    kept = database.plan(shared.study.name)
    if kept is None:
        return None
    plan = Plan.from_json(kept)
    _check_same(shared.study.name, plan.identity, asked.identity)
    gone = {
        (slot, n)
        for slot, names in plan.options.items()
        for n in names
        if n != KEEP and host.find(slot, n) is None
    }
    return replace(plan, absent=frozenset(gone))


def _check_same(name: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    other = [
        f"{key} was {before.get(key)!r} and is {now[key]!r}"
        for key in now
        if before.get(key) != now[key]
    ]
    if other:
        raise InputError(
            f"Study {name!r} was begun differently: {'; '.join(other)}. "
            f"Begin a new one with --name, or delete this one: advisor studies delete {name}."
        )


def _study(search: Search, host: Host) -> Recommendation:
    study, question = search.shared.study, search.shared.question
    done = search.database.recommendation(search.name)
    if done is not None and _answers(Recommendation.from_json(done), search):
        return Recommendation.from_json(done, question)
    if study.minutes is not None:
        search.deadline = (
            time.monotonic() + (1 - CONFIRM_SHARE) * 60 * study.minutes - _spent(search)
        )
    search.run()
    _check_baseline(search)
    searched = _spent(search)
    evidence = confirm(search, _trainings(search, searched))
    search.spend()
    found = answer(
        search, host, evidence, {"search": searched, "confirm": _spent(search) - searched}
    )
    search.database.save_recommendation(search.name, found.verdict, found.to_json())
    shutil.rmtree(search.folder, ignore_errors=True)
    return Recommendation.from_json(found.to_json(), question)


def _check_baseline(search: Search) -> None:
    """Raise `SearchError` unless the model as it is was trained to its end: without it there is
    nothing to compare with.
    """
    trials, keep = search.trials(), search.plan.baseline
    if any(
        t.state == TrialState.COMPLETE and choices_of(search.plan, t.params) == keep for t in trials
    ):
        return
    why = [t.user_attrs["why"] for t in trials if t.user_attrs.get("why")]
    first = why[0] if why else "the time was up before it was trained once; give more --minutes"
    raise SearchError(f"Study {search.name!r}: the model as it is could not be trained: {first}.")


def _trainings(search: Search, spent: float) -> float:
    """Full trainings that the study's minutes have room for after the search, by what the first
    trial took.
    """
    minutes = search.shared.study.minutes
    if minutes is None:
        return math.inf
    first = sum(search.database.costs(search.name)[0].values())
    return max(0.0, 60 * minutes - spent) * search.crew.workers / max(first, 1e-3)


def _answers(found: Recommendation, search: Search) -> bool:
    """Whether a recommendation answers the study as it is asked now.

    Its time is used, or its trials are and its seeds met; and no other gain is asked to be worth a
    change.
    """
    study, trials = search.shared.study, search.trials()
    if study.min_gain not in (None, found.min_gain) or not all(
        trial.state.is_finished() for trial in trials
    ):
        return False
    late = study.minutes is not None and _spent(search) >= (1 - CONFIRM_SHARE) * 60 * study.minutes
    return late or (len(trials) >= study.trials and found.gain["seeds"] >= study.seeds)


def _spent(search: Search) -> float:
    return search.database.spent(search.name)
