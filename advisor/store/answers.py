"""What people ask of a recommendation, as columns of the database, from the JSON that holds it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from advisor.store.read_back import UNREADABLE, json_object
from advisor.store.tables import recommendations, recommended_choices, recommended_params
from advisor.technique import KEEP

NUMBERS: Mapping[str, tuple[str, ...]] = {
    "gain": ("gain", "mean"),
    "low": ("gain", "low"),
    "high": ("gain", "high"),
    "seeds": ("gain", "seeds"),
    "rows": ("gain", "rows"),
    "min_gain": ("min_gain",),
    "baseline": ("baseline", "mean"),
    "recommended": ("recommended", "mean"),
    "baseline_seconds": ("baseline", "seconds"),
    "recommended_seconds": ("recommended", "seconds"),
}
"""Columns that are one number of the JSON, each with the keys that lead to it."""


@dataclass(frozen=True)
class SaidOfAnswer:
    """What the JSON of a recommendation says, as far as it can be read.

    Attributes:
        columns: of `advisor_recommendations`, but those of slots.
        choices: the recommended technique by slot.
        params: the recommended parameters by their full names.
    """

    columns: Mapping[str, Any]
    choices: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)


def said_of(text: str) -> SaidOfAnswer:
    """What a recommendation says; what is not there, or is damaged, has no value."""
    try:
        plain = json_object(text)
    except UNREADABLE:
        return SaidOfAnswer({})
    columns: dict[str, Any] = {name: number_at(plain, keys) for name, keys in NUMBERS.items()}
    spent = [number_at(plain, ("seconds", part)) for part in ("search", "confirm")]
    if None not in spent:
        columns["seconds"] = sum(each for each in spent if each is not None)
    choices = {slot: str(name) for slot, name in object_at(plain, "choices").items()}
    params = object_at(plain, "params")
    gain = object_at(plain, "gain")
    columns["choices"] = words_of(choices)
    columns["parameters"] = " ".join(f"{name}={each}" for name, each in params.items())
    columns["arm"] = words_of(object_at(gain, "arm"))
    return SaidOfAnswer(columns, choices, params)


def number_at(plain: Mapping[str, Any], keys: tuple[str, ...]) -> float | None:
    """The number to which keys lead; None where there is none."""
    found: Any = plain
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    is_number = isinstance(found, int | float) and not isinstance(found, bool)
    return found if is_number else None


def object_at(plain: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The object of a key; empty where there is none."""
    found = plain.get(key)
    return dict(found) if isinstance(found, Mapping) else {}


def words_of(choices: Mapping[str, Any]) -> str:
    """An arm in words, as `advisor_confirmations` has it: `activation=elu`, or `keep`."""
    changed = [f"{slot}={name}" for slot, name in choices.items() if name != KEEP]
    return " ".join(changed) or KEEP


def replace_last(connection: sa.Connection, study: str, said: SaidOfAnswer) -> None:
    """Write choices and parameters of a study's last answer in place of those of an earlier one.

    Arguments:
        connection: in a transaction.
        study: its name.
        said: what the answer says.
    """
    for table in (recommended_choices, recommended_params):
        connection.execute(table.delete().where(table.c.study == study))
    chosen = [{"slot": slot, "technique": name} for slot, name in said.choices.items()]
    if chosen:
        connection.execute(recommended_choices.insert().values(study=study), chosen)
    params = [param_row(name, each) for name, each in said.params.items()]
    if params:
        connection.execute(recommended_params.insert().values(study=study), params)


def by_column(said: SaidOfAnswer, columns: Mapping[str, str]) -> dict[str, str]:
    """The choices of an answer by column; `columns` are those of slots, by slot."""
    return {columns[slot]: name for slot, name in said.choices.items() if slot in columns}


def param_row(name: str, value: Any) -> dict[str, Any]:
    """A parameter as a row: its value as text, and as a number where it is one."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return {"name": name, "value": str(value), "quantity": float(value) if is_number else None}


def with_slots(columns: Iterable[str], times: sa.types.TypeEngine[Any]) -> sa.TableClause:
    """The table of recommendations with these columns, which may be those of slots.

    `times` is the type as which its times are read and written.
    """
    types = {column.name: column.type for column in recommendations.columns}
    types["created"] = times
    typed = [sa.column(name, types.get(name, sa.Text())) for name in columns]
    return sa.table(recommendations.name, *typed)
