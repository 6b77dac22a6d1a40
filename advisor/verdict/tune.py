"""The way of a study: plan, search, confirm, recommend."""

from __future__ import annotations

import re
import shutil
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import filelock
import torch
from optuna.trial import TrialState

from advisor import __version__
from advisor.errors import InputError, SearchError, listing
from advisor.host.host import Host
from advisor.modules import near
from advisor.search.coordinator import Listener, Search
from advisor.search.executors import crew, one_thread
from advisor.search.plan import DECAY, RATE, Plan, make_plan
from advisor.search.question import Question, host_of
from advisor.search.setup import Setup, setup
from advisor.store.database import Database
from advisor.store.location import sqlite_path, storage_url
from advisor.study import Study
from advisor.technique import KEEP
from advisor.training.metrics import Metric
from advisor.verdict.confirm import (
    ESTIMATE,
    SELECT,
    SELECT_SEEDS,
    Candidate,
    Confirmation,
    Trained,
    candidates,
    choose,
    gain_between,
)
from advisor.verdict.reasons import explain_alternatives, explain_choice
from advisor.verdict.recommendation import Recommendation
from advisor.verdict.statistics import Gain, verdict

CONFIRM_SHARE = 0.4
"""Share of a study's minutes that is kept for the confirmation: without it there is no answer to trust."""


def tune(
    study: Study | Question | str | Path,
    *,
    storage: str | None = None,
    workers: int = 1,
    device: str = "cpu",
    plugins: Sequence[str] = (),
    on: Listener = lambda event: None,
) -> Recommendation:
    """Search, confirm and recommend; a study that was stopped goes on where it stopped, one that is done answers at once.

    Arguments:
        study: an `advisor.Study`, or the path of a study file (`STUDY.py` or `STUDY.py:NAME`).
        storage: database URL or SQLite path; None for `ADVISOR_STORAGE` or `sqlite:///studies/advisor.db`.
        workers: processes that train; 1 trains in this process. Scripts that ask for more need the usual
            `if __name__ == "__main__":` guard.
        device: a torch device.
        plugins: plugin files to load besides the installed plugins.
        on: called with an `Event` whenever there is something to show.

    Raises `InputError` when the task is at fault and `SearchError` when no trial ended with a score.
    """
    question = _question(study, tuple(plugins))
    one_thread()
    shared, host = setup(question, device), host_of(question)
    asked = make_plan(shared, host)  # before the database is opened: what is wrong with the task leaves nothing behind
    url = storage_url(storage)
    database = Database(url, host.built_in_slots)
    try:
        with _alone(url, shared.study.name) as folder, crew(workers) as workforce:
            plan = _recorded(asked, shared, host, database)
            return _study(Search(shared, plan, database, workforce, folder, on), host)
    finally:
        database.close()


def recommendation(study: str, storage: str | None = None) -> Recommendation:
    """The last recommendation of a study in the database. Raises `InputError` when there is none."""
    from advisor.store.query import read

    url = storage_url(storage)
    _, rows = read(url, "SELECT study, json FROM advisor_recommendations WHERE study = ? ORDER BY created DESC", (study,))
    if not rows:
        names = [str(row[0]) for row in read(url, "SELECT study FROM advisor_studies")[1]]
        raise InputError(
            f"No recommendation for study {study!r} in {url}.{near(study, names)} Studies there: {listing(names) or 'none'}."
        )
    asked = read(url, "SELECT question FROM advisor_plans WHERE study = ?", (study,))[1]
    kept = asked[0][0] if asked else None
    return Recommendation.from_json(rows[0][1], Question.from_json(kept) if kept else None)


def _question(study: Study | Question | str | Path, plugins: tuple[str, ...]) -> Question:
    if isinstance(study, Question):
        return study
    if isinstance(study, Study):
        return Question.of(study, plugins)
    return Question(file=str(study), plugins=plugins)


@contextmanager
def _alone(url: str, name: str) -> Iterator[Path]:
    """The study's folder of training states, for one coordinator at a time; the lock goes with its process."""
    path = sqlite_path(url) or Path("studies/advisor.db")
    slug = re.sub(r"[^\w-]+", "-", name)
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


def _recorded(asked: Plan, shared: Setup, host: Host, database: Database) -> Plan:
    """The plan that the study began with, or the one that is asked for, recorded now.

    Raises `InputError` when the study was begun with other settings.
    """
    name, metric = shared.study.name, shared.objective.metric
    kept = database.plan(name)
    if kept is None:
        database.begin(name, metric.name, metric.direction, asked.to_json(), shared.question.to_json())
        return asked
    plan = Plan.from_json(kept)
    _check_same(name, plan.identity, asked.identity)
    gone = {(slot, n) for slot, names in plan.options.items() for n in names if n != KEEP and host.find(slot, n) is None}
    return replace(plan, absent=frozenset(gone))


def _check_same(name: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    other = [f"{key} was {before.get(key)!r} and is {now[key]!r}" for key in now if before.get(key) != now[key]]
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
        search.deadline = time.monotonic() + (1 - CONFIRM_SHARE) * 60 * study.minutes - _spent(search)
    search.run()
    found = _recommend(search, host, searched=_spent(search))
    search.database.save_recommendation(search.name, found.verdict, found.to_json())
    shutil.rmtree(search.folder, ignore_errors=True)
    return Recommendation.from_json(found.to_json(), question)


def _answers(found: Recommendation, search: Search) -> bool:
    """Whether a recommendation is the answer to the study as it is asked now: its trials or minutes used, its seeds met."""
    study, trials = search.shared.study, search.trials()
    used = len(trials) >= study.trials or _spent(search) >= 60 * (study.minutes or float("inf"))
    return used and all(trial.state.is_finished() for trial in trials) and found.gain["seeds"] >= study.seeds


def _spent(search: Search) -> float:
    return search.database.spent(search.name)


def _recommend(search: Search, host: Host, searched: float) -> Recommendation:
    metric, study = search.shared.objective.metric, search.shared.study
    trials = search.trials()
    if not any(t.state == TrialState.COMPLETE and all(t.params[s] == KEEP for s in search.plan.options) for t in trials):
        raise SearchError(_why_nothing(search))
    baseline, others = candidates(search.plan, trials, search.sign)
    confirmation = Confirmation(search)
    selected = confirmation.score(SELECT, [baseline, *others], SELECT_SEEDS)
    min_gain = smallest_gain(study.min_gain, metric, [r.score for r in selected[baseline.label]])
    best = choose(others, selected, search.sign, min_gain) if others else baseline
    pair = [baseline, best] if others else [baseline]
    results = confirmation.score(ESTIMATE, pair, study.seeds)
    sizes = search.shared.facts.sizes
    overlap = sizes["valid"] / sizes["train"] if search.shared.source.redraws else 0.0
    gain = gain_between(results[baseline.label], results[best.label], search.sign, overlap)
    said = verdict(gain, min_gain) if others else "keep"
    chosen = best if said == "change" else baseline
    tested = confirmation.score(ESTIMATE, pair, study.seeds, test=True)
    search.spend()
    return Recommendation(
        study=search.name,
        verdict=said,
        metric=metric.name,
        direction=metric.direction,
        choices=dict(chosen.choices),
        params=dict(chosen.params),
        baseline=_arm(baseline, tested[baseline.label]),
        recommended=_arm(chosen, tested[chosen.label]),
        gain=_gain(gain, baseline, best, search.sign),
        min_gain=min_gain,
        alternatives=explain_alternatives(chosen, [c for c in others if c is not chosen], selected, metric),
        reasons=explain_choice(said, baseline, best, gain, min_gain, selected, metric, trials),
        skipped=[asdict(skip) for skip in search.plan.skipped],
        trials=_counts(trials),
        seconds={"search": round(searched, 1), "confirm": round(_spent(search) - searched, 1)},
        versions={"advisor": __version__, "torch": torch.__version__},
        warnings=[*search.shared.warnings, *host.broken, *_warnings(search, chosen)],
        apply_with=_lines(search, chosen),
    )


def smallest_gain(asked: float | None, metric: Metric, baseline: Sequence[float]) -> float:
    """The smallest gain worth a change, in units of the metric."""
    if asked is not None:
        return asked
    return metric.min_gain * (abs(statistics.fmean(baseline)) if metric.relative else 1.0)


def _arm(candidate: Candidate, results: Sequence[Trained]) -> dict[str, Any]:
    tests = [r.test for r in results if r.test is not None]
    return {
        "params": dict(candidate.params),
        "scores": [r.score for r in results],
        "mean": statistics.fmean(r.score for r in results),
        "test": statistics.fmean(tests) if tests else None,
        "seconds": round(statistics.fmean(r.seconds for r in results), 3),
    }


def _gain(gain: Gain, baseline: Candidate, best: Candidate, sign: float) -> dict[str, Any]:
    searched = None if best.searched is None or baseline.searched is None else sign * (best.searched - baseline.searched)
    return {**asdict(gain), "arm": {s: n for s, n in best.choices.items() if n != KEEP}, "searched": searched}


def _counts(trials: Sequence[Any]) -> dict[str, int]:
    states = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
    return {name: sum(t.state == state for t in trials) for name, state in states.items()}


def _why_nothing(search: Search) -> str:
    why = [t.user_attrs["why"] for t in search.trials() if t.user_attrs.get("why")]
    first = why[0] if why else "the time was up before it was trained once; give more --minutes"
    return f"Study {search.name!r}: the model as it is could not be trained: {first}."


def _warnings(search: Search, chosen: Candidate) -> list[str]:
    plan, found = search.plan, []
    tried, openers = len(search.trials()), len(plan.alone())
    if tried < openers:
        found.append(
            f"{tried} trials do not reach every technique once; that takes {openers}, and a fair comparison about {3 * openers}."
        )
    failed = [t for t in search.trials() if t.state == TrialState.FAIL]
    found += sorted({f"{_changed(t.params, plan)} failed: {t.user_attrs.get('why', '')}" for t in failed})
    rate, space = chosen.params[RATE], plan.space[RATE]
    edge = [end for end in (space.low, space.high) if abs(rate / end - 1) < 0.05]  # type: ignore[attr-defined]  # a float distribution
    if edge:
        found.append(f"The best learning rate, {rate:.2g}, is at the edge of the range that was searched.")
    return found


def _changed(params: Mapping[str, Any], plan: Plan) -> str:
    return " ".join(f"{slot}={params[slot]}" for slot in plan.options if params[slot] != KEEP) or "the model as it is"


def _lines(search: Search, chosen: Candidate) -> list[str]:
    """Python that applies the recommendation."""
    build = getattr(search.shared.study.task.build, "__name__", "build_model")
    build = build if build.isidentifier() else "build_model"
    call = f"{build}({', '.join(f'{k}={v!r}' for k, v in search.shared.arguments.items())})"
    lines = [f"model = {call}"]
    if chosen.changes:
        lines = ["import advisor", f'model = advisor.recommendation("{search.name}").apply({call})  # {chosen.label}']
    slots = [slot for slot in chosen.choices if chosen.choices[slot] != KEEP]
    if "optimizer" not in slots:
        rates = f"lr={chosen.params[RATE]:.3g}, weight_decay={chosen.params[DECAY]:.3g}"
        lines.append(f"optimizer = torch.optim.AdamW(model.parameters(), {rates})")
    return lines
