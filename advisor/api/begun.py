"""A study that was begun before: whether it is the study that is asked for now."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from advisor.content.difference import Difference, difference, listed
from advisor.errors import InputError, listing
from advisor.host.host import Host
from advisor.randomness import isolated
from advisor.search.plan import Plan
from advisor.search.trial import read_trials
from advisor.search.widening import newcomers, not_asked_any_more, seconds_for, widened
from advisor.store.begun_with import replace_plan
from advisor.store.database import Database
from advisor.store.questions import metric_of
from advisor.study import Study
from advisor.technique import Wanted
from advisor.work.executors import Crew
from advisor.work.opening import open_study
from advisor.work.prepare import Prepared, read_data

CONFIRM_SHARE = 0.4
"""Share of a study's minutes that is kept for the confirmation, without which nothing is proven."""
NEVER_COMPARED = (
    "This study was begun by a version of advisor that did not keep its content: whether its rows, "
    "its model, loss and metric are those that it was begun with is known by their names, shapes "
    "and counts alone."
)
"""What is said of a study that was begun before contents were kept."""
NEW_IN_IDENTITY = ("reach", "noise", "target", "artefact_share")
"""Settings that a plan without content does not have."""


@dataclass(frozen=True)
class BegunPlan:
    """The plan of a study that goes on.

    Attributes:
        plan: with which it was begun, with the techniques that are not loaded any more as absent.
        warnings: what could not be compared, one sentence each.
        joining: slot and name of the techniques that join it now.
        is_named_otherwise: whether the study names other techniques than it did.
    """

    plan: Plan
    warnings: tuple[str, ...]
    joining: tuple[tuple[str, str], ...] = ()
    is_named_otherwise: bool = False


def with_begun_metric(prepared: Prepared, url: str, workforce: Crew) -> Prepared:
    """The study with the metric that it began with, where another one is inferred now.

    Arguments:
        prepared: the study that is asked for.
        url: of the database, in which it may be.
        workforce: opens it again where that is so.
    """
    begun = metric_of(url, prepared.study.name)
    if begun is None or not prepared.infers_another(begun):
        return prepared
    older = open_study(replace(prepared.ref, as_before=True), str(prepared.device), workforce)
    return older if older.criterion.name == begun else prepared


def begun_plan(prepared: Prepared, begun: Plan, asked: Plan) -> BegunPlan:
    """The plan that a study began with, if the study that is asked for now is the same.

    Arguments:
        prepared: the study that is asked for.
        begun: the plan in the database.
        asked: the plan that a new study would have now.

    Raises:
        InputError: the study was begun with other settings, data or code than it has now.
    """
    changed = [*changed_settings(begun, asked), *narrowed(begun, asked, prepared.host)]
    content = Difference()
    if begun.content is not None and asked.content is not None:
        content = difference(begun.content, asked.content)
    if changed or content.sentences:
        name = prepared.study.name
        raise InputError(
            f"Study {name!r} was begun differently: {listed([*changed, *content.sentences])}. "
            f"{advice_on_draws(prepared, content)}"
            f"Begin a new one with --name, or delete this one: advisor studies delete {name}."
        )

    warnings = [] if begun.content is not None else [NEVER_COMPARED]
    if content.uncompared:
        warnings.append(
            "This study was begun with another version of Python, with which "
            f"{listing(content.uncompared, 4)} cannot be compared."
        )
    # Trials with a technique that is gone still count; no further ones are asked for.
    host = prepared.host
    absent = [technique for technique in begun.techniques if host.find(*technique) is None]
    return BegunPlan(
        replace(begun, absent=frozenset(absent)),
        tuple(warnings),
        tuple(newcomers(begun, asked, host)),
        Wanted.by(begun.identity).names != Wanted.by(asked.identity).names,
    )


def joined(begun: BegunPlan, asked: Plan, database: Database, prepared: Prepared) -> Plan:
    """The plan of a study that goes on, with the techniques that join it, in the database, too.

    Arguments:
        begun: what was begun.
        asked: the plan that a new study would have now.
        database: with the study, which no other process runs.
        prepared: the study that is asked for.
    """
    if not begun.joining and not begun.is_named_otherwise:
        return begun.plan
    records = database.study(prepared.study.name)
    limit = search_seconds(prepared.study)
    plan = widened(begun.plan, asked, begun.joining, read_trials(records, begun.plan))
    plan = seconds_for(plan, begun.joining, begun.plan, records.spent(), limit)
    replace_plan(database.engine, records.name, plan.to_json(), prepared.ref.to_json())
    return plan


def narrowed(begun: Plan, asked: Plan, host: Host) -> Iterator[str]:
    """That the study leaves out techniques now which it had, and which are loaded."""
    gone = [f"{slot}.{name}" for slot, name in not_asked_any_more(begun, asked, host)]
    if gone:
        before, now = Wanted.by(begun.identity), Wanted.by(asked.identity)
        named = "also" if before.names["only"] == now.names["only"] else "only"
        was, is_now = before.names[named], now.names[named]
        yield f"{named} was {was!r} and is {is_now!r}, which leaves out {listing(gone, 4)}"


def search_seconds(study: Study) -> float:
    """The time of a study that its search may take; infinite without a limit."""
    if study.minutes is None:
        return math.inf
    return (1 - CONFIRM_SHARE) * 60 * study.minutes


def changed_settings(begun: Plan, asked: Plan) -> Iterator[str]:
    """Which settings of a study are others now."""
    for key, now in asked.identity.items():
        before = begun.identity.get(key)
        if key in ("only", "also"):  # more names are a wider study
            continue
        if key in NEW_IN_IDENTITY and key not in begun.identity:
            continue
        # Where the data come with their targets a name says nothing; the targets are compared.
        if key == "target" and None in (before, now):
            continue
        if before != now:
            yield f"{key} was {before!r} and is {now!r}"


def advice_on_draws(prepared: Prepared, content: Difference) -> str:
    """What to do where the data are other rows whenever they are read; else the empty text."""
    if not content.rows:
        return ""
    # What draws from a global random state gives other rows from another state.
    readings = []
    for seed in (1, 2):
        with isolated(seed):
            source = read_data(prepared.ref, prepared.study)
        readings.append(source.digests(source.splits(prepared.study.seed)))
    if readings[0] != readings[1]:
        return (
            "The data are other rows whenever they are read: a data function that draws at random "
            "needs a seed. "
        )
    # What a study file draws when it is loaded is not drawn again.
    task = prepared.study.task
    data = task.train if task.data is None else task.data
    if isinstance(data, str | Path):
        return ""
    return "Data that are drawn at random need a seed. "
