"""The slots that a database has seen, each of which is a column where people look for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import sqlalchemy as sa

from advisor.store.schema import SCHEMA
from advisor.store.tables import recommendations, slots

MOST_BYTES = 63
"""The length of a name in PostgreSQL, which cuts what is longer; such a slot has rows alone."""
WITH_SLOTS = ("advisor_trials", "advisor_recommendations")
"""Where each slot is a column."""


def add_slots(connection: sa.Connection, names: Iterable[str]) -> None:
    """Note slots that the database has not seen; in a transaction."""
    seen = slots_seen(connection)
    for name in names:
        if name not in seen and name.isidentifier():
            connection.execute(slots.insert(), {"place": len(seen), "slot": name})
            seen.append(name)


def slots_seen(connection: sa.Connection) -> list[str]:
    """All slots that the database has seen, in the order in which they came."""
    return list(connection.execute(sa.select(slots.c.slot).order_by(slots.c.place)).scalars())


def columns_of(names: Sequence[str]) -> dict[str, str]:
    """The column of each of these slots: its name, or `slot.NAME` where another column has it."""
    # Neither database tells names apart by their case alone everywhere.
    used = {column.casefold() for view in WITH_SLOTS for column in SCHEMA[view][1]}
    columns = {}
    for name in names:
        column = f"slot.{name}" if name.casefold() in used else name
        if column.casefold() not in used and len(column.encode()) <= MOST_BYTES:
            used.add(column.casefold())
            columns[name] = column
    return columns


def add_columns_of_slots(connection: sa.Connection, columns: Mapping[str, str]) -> None:
    """Give the table of recommendations the columns of slots that it lacks."""
    there = {each["name"] for each in sa.inspect(connection).get_columns(recommendations.name)}
    quote = connection.dialect.identifier_preparer.quote_identifier
    for column in columns.values():
        if column not in there:
            added = f"ALTER TABLE {recommendations.name} ADD COLUMN {quote(column)} TEXT"
            connection.exec_driver_sql(added)
