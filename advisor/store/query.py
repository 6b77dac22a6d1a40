"""Read-only queries to the study database."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from advisor.errors import AdvisorError, InputError, near, near_files
from advisor.store.failures import (
    BUSY_SECONDS,
    FOREIGN,
    OTHER,
    UNREADABLE,
    as_error,
    driver_error,
    failure_of,
)
from advisor.store.location import shown, sqlite_path
from advisor.store.views import SCHEMA

Table = tuple[list[str], list[tuple[Any, ...]]]
"""Column names, and rows."""

_READS = frozenset(
    [
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_FUNCTION,
        sqlite3.SQLITE_RECURSIVE,
    ]
)
"""What SQLite may do for a query; it refuses everything else."""

_WRITE_REFUSED = ("not authorized", "authorization denied", "query_only", "read-only transaction")
"""Words by which SQLite and PostgreSQL say that a statement would write."""

_NO_TABLE = re.compile(r'no such table: (\w+)|relation "(\w+)" does not exist')
"""How SQLite and PostgreSQL name a table that is not there; they give its name nowhere else."""


def read(url: str, sql: str, params: Sequence[Any] = ()) -> Table:
    """Column names and rows of a query, through which nothing can be written.

    Arguments:
        url: of the database.
        sql: a `SELECT`, or the name of a view, which is read whole.
        params: the values of the `?` in `sql`.

    Raises:
        InputError: the database is not there or damaged, or the statement would write or is wrong.
        MachineError: the database does not answer.
    """
    name = sql.strip()
    if name.isidentifier():
        sql = f"SELECT * FROM {name}"

    path = sqlite_path(url)
    if path is None:
        columns, rows = _read_server(url, sql, params)
    else:
        columns, rows = _read_sqlite(url, path, sql, params)
    if not columns:
        raise InputError(
            f"advisor query: {sql!r} asks nothing; "
            "write a SELECT, or a view of advisor query --schema."
        )
    return columns, rows


def _read_sqlite(url: str, path: Path, sql: str, params: Sequence[Any]) -> Table:
    # SQLite would make an empty database where there is none.
    if not path.is_file():
        raise InputError(
            f"No study database at {path}.{near_files(path)} "
            "Run advisor tune first, or name it with --storage sqlite:///FILE.db."
        )

    # Three locks: the file is opened for reading, the connection only queries, and each action of
    # a statement is authorized.
    address = f"{path.resolve().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS)) as connection:
            connection.execute("PRAGMA query_only=ON")
            connection.set_authorizer(
                lambda action, *_: sqlite3.SQLITE_OK if action in _READS else sqlite3.SQLITE_DENY
            )
            cursor = connection.execute(sql, tuple(params))
            columns = [column[0] for column in cursor.description or ()]
            return columns, cursor.fetchall()
    except (sqlite3.Error, sqlite3.Warning) as problem:
        raise _error(url, str(path), sql, problem) from problem


def _read_server(url: str, sql: str, params: Sequence[Any]) -> Table:
    import sqlalchemy as sa  # only here: SQLite needs no more than the standard library

    # The server refuses to write in such a transaction, which ends with the connection.
    try:
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        with engine.connect() as connection:
            connection.exec_driver_sql("SET TRANSACTION READ ONLY")
            if params:
                result = connection.exec_driver_sql(sql.replace("?", "%s"), tuple(params))
            else:  # a user's own % is no placeholder
                result = connection.execution_options(no_parameters=True).exec_driver_sql(sql)
            return list(result.keys()), [tuple(row) for row in result]
    except (sa.exc.SQLAlchemyError, ImportError, ValueError) as problem:
        raise _error(url, shown(url), sql, problem) from problem


def _error(url: str, place: str, sql: str, problem: Exception) -> AdvisorError:
    """What went wrong with a query: the statement, or else the database."""
    # A database that is not reached has seen no statement, and its driver gives no code.
    cause = driver_error(problem)
    is_seen = isinstance(cause, sqlite3.Error) or getattr(cause, "sqlstate", None)
    if is_seen and failure_of(cause) in (FOREIGN, UNREADABLE, OTHER):
        return InputError(_message(place, sql, cause))
    return as_error(cause, url, at_opening=True)


def _message(place: str, sql: str, problem: Exception) -> str:
    """What is wrong with a statement for the database at `place`, and what to do next."""
    # A server shows the place in the statement below the first line.
    text = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
    if any(word in text for word in _WRITE_REFUSED):
        return f"advisor query only reads, and this would write: {sql!r}. Nothing was changed."

    missing = _NO_TABLE.search(text)
    if missing:
        return no_such_table(place, missing.group(1) or missing.group(2))
    return (
        f"advisor query: {text}, in {sql!r}. "
        "advisor query --schema lists the views with their columns."
    )


def no_such_table(place: str, name: str) -> str:
    """What a query says that names a table which the database at `place` does not have."""
    # A view of ours is missing where only Optuna has written; another name may be misspelt.
    if name in SCHEMA:
        return (
            f"{place} is a database in which advisor has written nothing: it has no {name}. "
            "Run advisor tune with it first."
        )
    return (
        f"advisor query: no such table: {name}.{near(name, SCHEMA)} "
        "advisor query --schema lists the views."
    )
