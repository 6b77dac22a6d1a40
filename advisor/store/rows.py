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
    if not facts:
        return
    same = (FACTS.c.trial_id == trial_id) & FACTS.c.key.in_(list(facts))
    connection.execute(FACTS.delete().where(same))
    rows = []
    for key, value in facts.items():
        rows.append({"trial_id": trial_id, "key": key, "value_json": json.dumps(value)})
    connection.execute(FACTS.insert(), rows)


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
