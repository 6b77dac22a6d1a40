"""Rows of the database's tables from values of advisor's."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from optuna.distributions import BaseDistribution, distribution_to_json

from advisor.store.tables import FACTS, comparisons


def param_rows(
    trial_id: int, params: Mapping[str, Any], distributions: Mapping[str, BaseDistribution]
) -> list[dict[str, Any]]:
    """The rows of Optuna's table of parameters for one trial."""
    rows = []
    for name, value in params.items():
        distribution = distributions[name]
        row = {
            "trial_id": trial_id,
            "param_name": name,
            "param_value": distribution.to_internal_repr(value),
            "distribution_json": distribution_to_json(distribution),
        }
        rows.append(row)
    return rows


def write_facts(connection: sa.Connection, trial_id: int, facts: Mapping[str, Any]) -> None:
    """Write user attributes of a trial, in place of those of the same name."""
    write_attributes(connection, FACTS, {"trial_id": trial_id}, facts)


def write_attributes(
    connection: sa.Connection, table: sa.Table, whose: Mapping[str, int], facts: Mapping[str, Any]
) -> None:
    """Write user attributes, in place of those of the same name.

    Arguments:
        connection: in a transaction.
        table: the one of a trial's attributes, or of a study's.
        whose: the column that names the trial or the study, with its id.
        facts: the attributes.
    """
    if not facts:
        return
    (column, number), *_ = whose.items()
    same = (table.c[column] == number) & table.c.key.in_(list(facts))
    connection.execute(table.delete().where(same))
    rows = []
    for key, value in facts.items():
        rows.append({**whose, "key": key, "value_json": json.dumps(value)})
    connection.execute(table.insert(), rows)


def stored_score(score: float) -> tuple[float | None, str]:
    """A score as Optuna stores it: a database has no infinite numbers."""
    if math.isinf(score):
        return None, "INF_POS" if score > 0 else "INF_NEG"
    return score, "FINITE"


def now() -> datetime:
    """The time of a row, in UTC."""
    # Optuna's columns of times have no zone, either.
    return datetime.now(UTC).replace(tzinfo=None)


def has_comparison(engine: sa.Engine, name: str) -> bool:
    """Whether the database has a comparison of this name."""
    named = sa.select(comparisons.c.study).where(comparisons.c.study == name)
    with engine.connect() as connection:
        return connection.execute(named).first() is not None
