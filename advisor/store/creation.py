"""The tables and views of a study database, made and brought up to date in one transaction.

Several processes may open a database that is not there yet, or an older one. Each waits for its
turn, and what a killed one has begun is undone by the database.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache

import optuna
import sqlalchemy as sa
from optuna.storages import RDBStorage

from advisor.store import tables
from advisor.store.migrations import fill_answers, migrate
from advisor.store.slot_columns import add_columns_of_slots, add_slots, columns_of, slots_seen
from advisor.store.views import statements

TURN = int.from_bytes(b"advisor")
"""The key of PostgreSQL's lock on the tables."""
WAIT = "60s"
"""How long PostgreSQL waits for a table or a view that another program holds."""


def bring_up_to_date(engine: sa.Engine, slots: Sequence[str] | None) -> None:
    """Make the tables that are missing, convert what older versions wrote, and renew the views.

    Where people look for slots there is a column for each that was ever in `slots` or in a plan;
    None adds none.
    """
    with engine.begin() as connection:
        await_turn(connection)
        make_optuna_tables(connection)
        tables.METADATA.create_all(connection)
        migrate(connection)
        add_slots(connection, slots or ())
        columns = columns_of(slots_seen(connection))
        add_columns_of_slots(connection, columns)
        fill_answers(connection, columns)
        renew_views(connection, columns)


def await_turn(connection: sa.Connection) -> None:
    """Wait until no other process changes the tables; the turn ends with the transaction."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        return
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{WAIT}'")
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(TURN)))


def make_optuna_tables(connection: sa.Connection) -> None:
    """Make Optuna's tables as Optuna itself makes them, but for its many transactions."""
    metadata = tables.STUDIES.metadata
    metadata.create_all(connection)
    # An older version that was killed may have made a table without its indexes.
    for table in metadata.sorted_tables:
        for index in table.indexes:
            index.create(connection, checkfirst=True)

    # Optuna knows by two rows that it has its tables of this version before it.
    version = connection.execute(sa.select(tables.VERSION.c.schema_version)).scalar()
    if version is None:
        row = {"schema_version": tables.SCHEMA_VERSION, "library_version": optuna.__version__}
        connection.execute(tables.VERSION.insert().values(version_info_id=1, **row))
    elif version != tables.SCHEMA_VERSION:
        return  # an older one, about which Optuna says what to do
    tables.REVISION.create(connection, checkfirst=True)
    if connection.execute(sa.select(tables.REVISION)).first() is None:
        connection.execute(tables.REVISION.insert().values(version_num=optuna_revision()))


@cache
def optuna_revision() -> str:
    """The revision of Optuna's tables, as it writes it into a new database."""
    storage = RDBStorage("sqlite://", skip_compatibility_check=True)
    try:
        return str(storage.get_current_version())
    finally:
        storage.remove_session()
        storage.engine.dispose()


def renew_views(connection: sa.Connection, columns: Mapping[str, str]) -> None:
    """Make the views anew where they are not those of this version and of these slots' columns.

    Who reads a view holds it, so that those which are right are left alone.
    """
    dialect = connection.dialect.name
    wanted = statements(dialect, columns)
    digest = hashlib.sha256("\n".join(wanted).encode()).hexdigest()
    if dialect == "sqlite":
        current = "SELECT sql FROM sqlite_master WHERE type = 'view'"
        there = set(connection.exec_driver_sql(current).scalars())
        if there.issuperset(each for each in wanted if each.startswith("CREATE")):
            return
    else:
        comment = "SELECT obj_description(to_regclass('advisor_studies'), 'pg_class')"
        if connection.exec_driver_sql(comment).scalar() == digest:
            return

    for statement in wanted:
        connection.execute(sa.text(statement))
    if dialect != "sqlite":
        connection.exec_driver_sql(f"COMMENT ON VIEW advisor_studies IS '{digest}'")
