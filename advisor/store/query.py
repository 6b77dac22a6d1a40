"""Read-only queries to the study database."""

from __future__ import annotations

import re
import secrets
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
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
from advisor.store.schema import SCHEMA
from advisor.store.stoppable import StatementStop, TimeUpError, run_stoppable

UPDATE = (
    "Where an older version of advisor has made the database: advisor studies update adds what is "
    "new."
)
"""What is said where a database lacks what this version's schema has."""

_NO_COLUMN = re.compile(r'no such column: (?:\w+\.)?(\w+)|column (?:\w+\.)?"?(\w+)"? does not')
"""How SQLite and PostgreSQL name a column that is not there."""

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

_NO_QUESTION = ("as cursor", "one statement at a time")
"""Words by which PostgreSQL and SQLite say that a text is not one statement that gives rows."""

_PORTAL = "advisor_answer"
"""What PostgreSQL calls the question whose rows are fetched."""
_OPEN = """DO ${outer}$
DECLARE answer refcursor := '{portal}';
BEGIN
  OPEN answer NO SCROLL FOR EXECUTE ${inner}${sql}${inner}$;
END ${outer}$"""
"""How PostgreSQL is asked. It takes one statement that gives rows and runs it in the transaction
that only reads: none that ends the transaction, and none after it, as a driver would let through.
"""

_NO_TABLE = re.compile(r'no such table: (\w+)|relation "(\w+)" does not exist')
"""How SQLite and PostgreSQL name a table that is not there; they give its name nowhere else."""


@dataclass(frozen=True)
class Limits:
    """How far a question may go; None for as far as it goes.

    Attributes:
        rows: how many rows are read.
        seconds: how long it may take.
    """

    rows: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Answer:
    """What the database answered.

    Attributes:
        columns: their names, of which two may be equal.
        rows: as many values a row as there are columns.
        is_cut: whether there are more rows than the limit.
    """

    columns: list[str]
    rows: list[tuple[Any, ...]]
    is_cut: bool


UNLIMITED = Limits()
"""No limits, for questions of our own."""


def read(url: str, sql: str, params: Sequence[Any] = ()) -> Table:
    """Column names and all rows of a query, through which nothing can be written.

    Arguments:
        url: of the database.
        sql: a `SELECT`, or the name of a view, which is read whole.
        params: the values of the `?` in `sql`.

    Raises:
        InputError: the database is not there or damaged, or the statement would write or is wrong.
        MachineError: the database does not answer.
    """
    answer = ask(url, sql, UNLIMITED, params)
    return answer.columns, answer.rows


def ask(url: str, sql: str, limits: Limits, params: Sequence[Any] = ()) -> Answer:
    """The answer to a query, through which nothing can be written. Ctrl-C stops it at once.

    Arguments:
        url: of the database.
        sql: a `SELECT`, or the name of a view, which is read whole.
        limits: how many rows are read, and how long it may take.
        params: the values of the `?` in `sql`.

    Raises:
        InputError: the database is not there or damaged, the statement would write, is wrong, or
            takes too long.
        MachineError: the database does not answer.
    """
    name = sql.strip()
    if name.isidentifier():
        sql = f"SELECT * FROM {name}"
    if not name.strip(";"):
        raise _asks_nothing(sql)

    # One row more than the limit says whether there are more.
    path = sqlite_path(url)
    count = None if limits.rows is None else limits.rows + 1

    def work(stop: StatementStop) -> Table:
        """Ask, in a thread that can be stopped."""
        if path is None:
            return _read_server(url, sql, params, count, stop)
        return _read_sqlite(url, path, sql, params, count, stop)

    try:
        columns, rows = run_stoppable(work, limits.seconds)
    except TimeUpError:
        raise InputError(
            f"advisor query: no answer within {limits.seconds:g} s to {sql!r}, so it was "
            "stopped. Ask for less, or give it longer with --seconds (0 for no end)."
        ) from None
    if not columns:
        raise _asks_nothing(sql)
    return Answer(columns, rows[: limits.rows], count is not None and len(rows) == count)


def _read_sqlite(
    url: str, path: Path, sql: str, params: Sequence[Any], count: int | None, stop: StatementStop
) -> Table:
    _check_there(path)

    # Three locks: the file is opened for reading, the connection only queries, and each action of
    # a statement is authorized.
    address = f"{path.resolve().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS)) as connection:
            stop.cancel = connection.interrupt
            connection.execute("PRAGMA query_only=ON")
            connection.set_authorizer(
                lambda action, *_: sqlite3.SQLITE_OK if action in _READS else sqlite3.SQLITE_DENY
            )
            cursor = connection.execute(sql, tuple(params))
            columns = [column[0] for column in cursor.description or ()]
            return columns, cursor.fetchall() if count is None else cursor.fetchmany(count)
    except (sqlite3.Error, sqlite3.Warning) as problem:
        raise _error(url, str(path), sql, problem) from problem


def _check_there(path: Path) -> None:
    """Raise `InputError` where no file is: SQLite would make an empty database there."""
    if not path.is_file():
        raise InputError(
            f"No study database at {path}.{near_files(path)} "
            "Run advisor tune first, or name it with --storage sqlite:///FILE.db."
        )


def _read_server(
    url: str, sql: str, params: Sequence[Any], count: int | None, stop: StatementStop
) -> Table:
    import sqlalchemy as sa  # only here: SQLite needs no more than the standard library

    # The server refuses to write in such a transaction, which ends with the connection.
    try:
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        with engine.connect() as connection:
            stop.cancel = getattr(connection.connection.driver_connection, "cancel", None)
            connection.exec_driver_sql("SET TRANSACTION READ ONLY")
            # Compiling a query of ours takes the server longer than answering it.
            connection.exec_driver_sql("SET LOCAL jit = off")
            if params:  # a question of our own
                result = connection.exec_driver_sql(sql.replace("?", "%s"), tuple(params))
            else:  # a user's own % is no placeholder
                # What is read step by step is planned for its first rows, unless it is told.
                connection.exec_driver_sql("SET LOCAL cursor_tuple_fraction = 1")
                plain = connection.execution_options(no_parameters=True)
                plain.exec_driver_sql(_opening(sql))
                some = "ALL" if count is None else count
                result = plain.exec_driver_sql(f"FETCH {some} FROM {_PORTAL}")
            return list(result.keys()), [tuple(row) for row in result]
    except (sa.exc.SQLAlchemyError, ImportError, ValueError) as problem:
        raise _error(url, shown(url), sql, problem) from problem


def _opening(sql: str) -> str:
    """The statement that asks PostgreSQL; no text ends its quotes, as their names are drawn."""
    name = secrets.token_hex(8)
    return _OPEN.format(outer=f"o{name}", inner=f"i{name}", sql=sql, portal=_PORTAL)


def _asks_nothing(sql: str) -> InputError:
    """What is said of a statement that gives no rows."""
    return InputError(
        f"advisor query: {sql!r} asks nothing; write a SELECT, or a view of advisor query --schema."
    )


def _error(url: str, place: str, sql: str, problem: Exception) -> AdvisorError:
    """What went wrong with a query: the statement, or else the database."""
    # A database that is not reached has seen no statement, and its driver gives no code.
    cause = driver_error(problem)
    is_seen = isinstance(cause, sqlite3.Error) or getattr(cause, "sqlstate", None)
    is_refused = any(words in str(cause) for words in (*_WRITE_REFUSED, *_NO_QUESTION))
    if is_seen and (is_refused or failure_of(cause) in (FOREIGN, UNREADABLE, OTHER)):
        return InputError(_message(place, sql, cause))
    return as_error(cause, url, at_opening=True)


def _message(place: str, sql: str, problem: Exception) -> str:
    """What is wrong with a statement for the database at `place`, and what to do next."""
    # A server shows the place in the statement below the first line.
    text, *_ = str(problem).splitlines() or [type(problem).__name__]
    if any(word in text for word in _WRITE_REFUSED):
        return f"advisor query only reads, and this would write: {sql!r}. Nothing was changed."
    if any(words in text for words in _NO_QUESTION):
        one = "advisor query answers one SELECT at a time, and this is something else"
        return f"{one}: {sql!r}. Nothing was changed."

    missing = _NO_TABLE.search(text)
    if missing:
        return no_such_table(place, missing.group(1) or missing.group(2))
    column = _NO_COLUMN.search(text)
    is_newer = column is not None and any(
        (column[1] or column[2]) in names for _, names in SCHEMA.values()
    )
    older = f" {UPDATE}" if is_newer else ""
    return (
        f"advisor query: {text}, in {sql!r}. "
        f"advisor query --schema lists the views with their columns.{older}"
    )


def no_such_table(place: str, name: str) -> str:
    """What a query says that names a table which the database at `place` does not have."""
    # A view of ours is missing where only Optuna has written; another name may be misspelt.
    if name in SCHEMA:
        return (
            f"{place} is a database in which advisor has written nothing: it has no {name}. "
            f"Run advisor tune with it first. {UPDATE}"
        )
    return (
        f"advisor query: no such table: {name}.{near(name, SCHEMA)} "
        "advisor query --schema lists the views."
    )
