"""`advisor.tune`: open the study, search, confirm, recommend."""

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

from advisor.errors import InputError, SearchError, listing, near
from advisor.host.host import Host
from advisor.search.pilot import pilot
from advisor.search.plan import Plan, make_plan
from advisor.search.search import Event, Listener, Search
from advisor.store.database import Database
from advisor.store.location import sqlite_path, storage_url
from advisor.store.query import read
from advisor.store.study_records import StudyRecords
from advisor.study import Study
from advisor.training.ended import Ended
from advisor.verdict.confirm import confirm
from advisor.verdict.recommend import recommend
from advisor.verdict.recommendation import Recommendation
from advisor.work.executors import crew, one_thread
from advisor.work.job import Outcome, in_this_process
from advisor.work.prepare import Prepared, prepare
from advisor.work.study_ref import StudyRef

CONFIRM_SHARE = 0.4
"""Share of a study's minutes that is kept for the confirmation, without which nothing is proven."""


def tune(
    study: Study | StudyRef | Prepared | str | Path,
    *,
    storage: str | None = None,
    workers: int = 1,
    device: str = "cpu",
    plugins: Sequence[str] = (),
    on: Listener = lambda event: None,
) -> Recommendation:
    """Search, confirm and recommend.

    A study that was stopped goes on where it stopped; one that is done answers at once.

    Arguments:
        study: an `advisor.Study`, or the path of a study file (`STUDY.py` or `STUDY.py:NAME`).
        storage: database URL or SQLite path; None for `ADVISOR_STORAGE` or
            `sqlite:///studies/advisor.db`.
        workers: processes that train; 1 trains in this process. Scripts that ask for more need the
            usual `if __name__ == "__main__":` guard.
        device: a torch device.
        plugins: plugin files to load besides the installed plugins.
        on: called with an `Event` whenever there is something to show.

    Raises:
        InputError: the task is at fault.
        SearchError: no trial ended with a score.
    """
    one_thread()
    prepared = study
    if not isinstance(prepared, Prepared):
        prepared = prepare(StudyRef.of(prepared, tuple(plugins)), device)
    # The plan comes before the database, so that what is wrong with the task leaves nothing behind.
    plan = make_plan(prepared)

    url = storage_url(storage)
    name = prepared.study.name
    with (
        Database(url, prepared.host.built_in_slots) as database,
        study_folder(url, name) as folder,
        crew(workers) as workforce,
        in_this_process(prepared),
    ):
        records = database.study(name)
        first = None
        if begun := records.plan():
            plan = _begun_plan(name, Plan.from_json(begun), plan, prepared.host)
        else:
            on(Event("pilot", 0, 1, "how long the model as it is goes on improving"))
            plan, first = pilot(prepared, plan, folder, workers)
            _begin(prepared, plan, first, records)
            on(Event("pilot", 1, 1, f"trials train for {plan.epochs} epochs"))
        return _answer(Search(prepared, plan, records, workforce, folder, on, first))


def recommendation(study: str, storage: str | None = None) -> Recommendation:
    """The last recommendation of a study in the database.

    Raises `InputError` when there is none.
    """
    url = storage_url(storage)
    last = "SELECT json FROM advisor_recommendations WHERE study = ? ORDER BY created DESC"
    _, rows = read(url, last, (study,))
    if not rows:
        names = [str(row[0]) for row in read(url, "SELECT study FROM advisor_studies")[1]]
        raise InputError(
            f"No recommendation for study {study!r} in {url}.{near(study, names)} "
            f"Studies there: {listing(names) or 'none'}."
        )
    _, refs = read(url, "SELECT question FROM advisor_plans WHERE study = ?", (study,))
    ref = refs[0][0] if refs else None
    return Recommendation.from_json(rows[0][0], StudyRef.from_json(ref) if ref else None)


@contextmanager
def study_folder(url: str, name: str) -> Iterator[Path]:
    """The folder of a study's training states, for one coordinator at a time.

    The lock goes with its process. Raises `InputError` where another process has it.
    """
    path = sqlite_path(url) or Path("studies/advisor.db")
    readable = re.sub(r"[^A-Za-z0-9_-]+", "-", name)[:40]
    digest = hashlib.sha256(name.encode()).hexdigest()[:6]
    folder = path.with_suffix(".checkpoints") / f"{readable}-{digest}"
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder.with_suffix(".lock"))
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as problem:
        raise InputError(
            f"Study {name!r} is running in another process on this database; "
            "wait for it, or use another --name."
        ) from problem
    try:
        yield folder
    finally:
        lock.release()


def _begin(prepared: Prepared, plan: Plan, first: Outcome, records: StudyRecords) -> None:
    """Record a new study.

    Raises `SearchError` when the pilot showed that its model cannot be trained at all.
    """
    if first.ended == Ended.FAILED:
        raise SearchError(
            f"Study {records.name!r}: the model as it is cannot be trained: {first.why}. "
            "Check its output, its loss and the data."
        )
    criterion = prepared.criterion
    records.begin(criterion.name, criterion.direction, plan.to_json(), prepared.ref.to_json())
    records.spend(sum(first.costs.values()))


def _begun_plan(name: str, begun: Plan, asked: Plan, host: Host) -> Plan:
    """The plan that the study began with, with the techniques that are not loaded any more.

    Raises `InputError` when the study was begun with other settings than are asked for now.
    """
    _check_same(name, begun.identity, asked.identity)
    absent = [technique for technique in begun.techniques if host.find(*technique) is None]
    return replace(begun, absent=frozenset(absent))


def _check_same(name: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    changed = []
    for key, value in now.items():
        if before.get(key) != value:
            changed.append(f"{key} was {before.get(key)!r} and is {value!r}")
    if changed:
        raise InputError(
            f"Study {name!r} was begun differently: {'; '.join(changed)}. "
            f"Begin a new one with --name, or delete this one: advisor studies delete {name}."
        )


def _answer(search: Search) -> Recommendation:
    """The answer that is there already, else a new one."""
    study, records = search.prepared.study, search.records
    ref = search.prepared.ref
    done = records.recommendation()
    if done is not None:
        answered = Recommendation.from_json(done, ref)
        if _still_answers(answered, search):
            return answered

    if study.minutes is not None:
        left = (1 - CONFIRM_SHARE) * 60 * study.minutes - records.spent()
        search.deadline = time.monotonic() + left
    search.run()
    _check_baseline(search)
    searched = records.spent()
    evidence = confirm(search, _affordable_trainings(search, searched))
    search.book_time()

    answer = recommend(search, evidence, searched, records.spent() - searched)
    records.save_recommendation(answer.verdict, answer.to_json())
    shutil.rmtree(search.folder, ignore_errors=True)
    return Recommendation.from_json(answer.to_json(), ref)


def _check_baseline(search: Search) -> None:
    """Raise `SearchError` unless the model as it is was trained to its end.

    Without it there is nothing to compare with.
    """
    if search.history.best_of_baseline() is not None:
        return
    reasons = [trial.why for trial in search.history.trials if trial.why]
    reason = (
        reasons[0]
        if reasons
        else ("the time was up before it was trained once; give more --minutes")
    )
    raise SearchError(
        f"Study {search.records.name!r}: the model as it is could not be trained: {reason}."
    )


def _affordable_trainings(search: Search, spent: float) -> float:
    """Full trainings that the study's minutes have room for after `spent` seconds of search."""
    minutes = search.prepared.study.minutes
    if minutes is None:
        return math.inf
    first = sum(search.history.trials[0].costs.values())
    left = max(0.0, 60 * minutes - spent)
    return left * search.crew.workers / max(first, 1e-3)


def _still_answers(answered: Recommendation, search: Search) -> bool:
    """Whether a recommendation answers the study as it is asked now.

    Its time is used, or its trials are and its seeds are met; and no other gain is asked to be
    worth a change.
    """
    study, trials = search.prepared.study, search.history.trials
    if study.min_gain not in (None, answered.min_gain):
        return False
    if any(trial.is_running for trial in trials):
        return False
    if study.minutes is not None:
        limit = (1 - CONFIRM_SHARE) * 60 * study.minutes
        if search.records.spent() >= limit:
            return True
    return len(trials) >= study.trials and answered.gain.seeds >= study.seeds
