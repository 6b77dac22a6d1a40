"""The answer of a study where people look for it: in columns, and in Optuna's attributes."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from functools import cache
from typing import Any

import sqlalchemy as sa
from optuna.distributions import json_to_distribution
from optuna.trial import TrialState

from advisor.store.answers import SaidOfAnswer, by_column, replace_last, said_of, with_slots
from advisor.store.read_back import UNREADABLE
from advisor.store.rows import now, write_attributes, write_facts
from advisor.store.slot_columns import columns_of, slots_seen
from advisor.store.tables import (
    FACTS,
    PARAMS,
    STUDIES,
    STUDY_FACTS,
    TRIALS,
    VALUES,
    plans,
    recommendations,
)
from advisor.technique import KEEP

RECOMMENDED = "recommended"
"""The attribute of the trial that is recommended; no other trial of the study has it."""
OF_STUDY = ("verdict", "evidence", "gain", "low", "high", "seeds", "choices")
"""What of an answer Optuna's study has as attributes, by their names."""
NUMBER = "recommended_trial"
"""The attribute of Optuna's study that is the number of the trial."""


def write_answer(connection: sa.Connection, study: str, **answer: Any) -> None:
    """Write an answer, which is the last one of its study.

    Arguments:
        connection: in a transaction.
        study: its name.
        answer: verdict, evidence and JSON.
    """
    said = said_of(answer["json"])
    columns = columns_of(slots_seen(connection))
    row = {**answer, **said.columns, **by_column(said, columns)}
    row |= {"study": study, "created": now(), "latest": True}
    row["trial"] = trial_of(connection, study, said)
    mine = recommendations.c.study == study
    connection.execute(recommendations.update().where(mine).values(latest=False))
    table = with_slots(row, recommendations.c.created.type)
    connection.execute(table.insert().values(row))
    replace_last(connection, study, said)
    mark_recommended(connection, study)


def mark_recommended(connection: sa.Connection, study: str) -> None:
    """Let Optuna's own attributes say what the last answer of a study is; in a transaction."""
    named = sa.select(STUDIES.c.study_id).where(STUDIES.c.study_name == study)
    study_id = connection.execute(named).scalar()
    columns = [recommendations.c[name] for name in (*OF_STUDY, "trial")]
    last = (recommendations.c.study == study) & recommendations.c.latest
    answer = connection.execute(sa.select(*columns).where(last)).mappings().first()
    if study_id is None or answer is None:
        return
    # What an answer does not say is no attribute, also where an earlier one said it.
    said = {NUMBER: answer["trial"], **{name: answer[name] for name in OF_STUDY}}
    mine = (STUDY_FACTS.c.study_id == study_id) & STUDY_FACTS.c.key.in_(list(said))
    connection.execute(STUDY_FACTS.delete().where(mine))
    facts = {name: each for name, each in said.items() if each is not None}
    write_attributes(connection, STUDY_FACTS, {"study_id": study_id}, facts)

    mark_trial(connection, study_id, answer["trial"])


def mark_trial(connection: sa.Connection, study_id: int, number: int | None) -> None:
    """Let the trial of this number, and no other one of the study, be the recommended one."""
    trials = sa.select(TRIALS.c.trial_id).where(TRIALS.c.study_id == study_id)
    marked = (FACTS.c.key == RECOMMENDED) & FACTS.c.trial_id.in_(trials)
    connection.execute(FACTS.delete().where(marked))
    this = connection.execute(trials.where(TRIALS.c.number == number)).scalar()
    if this is not None:
        write_facts(connection, this, {RECOMMENDED: True})


def trial_of(connection: sa.Connection, study: str, said: SaidOfAnswer) -> int | None:
    """The number of the full trial with the choices and parameters of an answer.

    Where none has these parameters, such as the rates of another arm, it is the best one with these
    choices; None where there is none, or the answer cannot be read.
    """
    if not said.columns:
        return None
    direction = sa.select(plans.c.direction).where(plans.c.study == study)
    sign = -1 if connection.execute(direction).scalar() == "minimize" else 1
    changed = {slot: name for slot, name in said.choices.items() if name != KEEP}
    found: list[tuple[bool, float, int]] = []
    for (number, score), params in full_trials(connection, study).items():
        arm = {name: each for name, each in params.items() if "." not in name and each != KEEP}
        if arm == changed:
            is_same = all(params.get(name) == each for name, each in said.params.items())
            found.append((is_same, sign * score, -number))
    return -max(found)[2] if found else None


def full_trials(connection: sa.Connection, study: str) -> dict[tuple[int, float], dict[str, Any]]:
    """The parameters of the trials that were trained to their ends, by number and score."""
    mine = (STUDIES.c.study_name == study) & (TRIALS.c.state == TrialState.COMPLETE)
    select = (
        sa.select(TRIALS.c.number, VALUES.c.value, *PARAMS.c["param_name", "param_value"])
        .add_columns(PARAMS.c.distribution_json)
        .join(STUDIES, STUDIES.c.study_id == TRIALS.c.study_id)
        .join(VALUES, VALUES.c.trial_id == TRIALS.c.trial_id)
        .join(PARAMS, PARAMS.c.trial_id == TRIALS.c.trial_id)
        .where(mine & VALUES.c.value.is_not(None))
    )
    distribution = cache(json_to_distribution)
    trials: dict[tuple[int, float], dict[str, Any]] = defaultdict(dict)
    for number, score, name, value, text in connection.execute(select):
        with suppress(*UNREADABLE):
            trials[number, score][name] = distribution(text).to_external_repr(value)
    return trials
