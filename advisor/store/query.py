"""Read-only questions to the study database."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from advisor.errors import InputError, near, near_files
from advisor.store.location import sqlite_path
from advisor.store.views import SCHEMA

_READS = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
}


def read(url: str, sql: str, params: Sequence[Any] = ()) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Column names and rows of a `SELECT` (or of a view, by its name). Nothing can be written
    through it.

    Raises `InputError` when the database is not there, the statement is not a read, or it is wrong.
    """
    if sql.strip().isidentifier():
        sql = f"SELECT * FROM {sql.strip()}"
    path = sqlite_path(url)
    columns, rows = (
        _read_sqlite(path, sql, params) if path is not None else _read_server(url, sql, params)
    )
    if not columns:
        raise InputError(
            f"advisor query: {sql!r} asks nothing; write a SELECT, or a view of advisor query --schema."
        )
    return columns, rows


def _read_sqlite(
    path: Path, sql: str, params: Sequence[Any]
) -> tuple[list[str], list[tuple[Any, ...]]]:
    if not path.is_file():
        raise InputError(
            f"No study database at {path}.{near_files(path)} Run advisor tune first, or name it with --storage sqlite:///FILE.db."
        )
    try:
        with closing(
            sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=60)
        ) as connection:
            connection.execute("PRAGMA query_only=ON")
            connection.set_authorizer(
                lambda action, *_: sqlite3.SQLITE_OK if action in _READS else sqlite3.SQLITE_DENY
            )
            cursor = connection.execute(sql, tuple(params))
            return [column[0] for column in cursor.description or ()], cursor.fetchall()
    except (sqlite3.Error, sqlite3.Warning) as problem:
        raise InputError(_explain(str(path), sql, problem)) from problem


def _read_server(
    url: str, sql: str, params: Sequence[Any]
) -> tuple[list[str], list[tuple[Any, ...]]]:
    import sqlalchemy as sa  # only here: SQLite needs no more than the standard library

    try:
        engine = sa.create_engine(url)
        with engine.connect() as connection:
            connection.exec_driver_sql("SET TRANSACTION READ ONLY")
            if params:
                result = connection.exec_driver_sql(sql.replace("?", "%s"), tuple(params))
            else:  # a user's own % is no placeholder
                result = connection.execution_options(no_parameters=True).exec_driver_sql(sql)
            return list(result.keys()), [tuple(row) for row in result]
    except (sa.exc.SQLAlchemyError, ImportError) as problem:
        raise InputError(_explain(url, sql, problem)) from problem


def _explain(place: str, sql: str, problem: Exception) -> str:
    text = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
    if any(
        word in text for word in ("not authorized", "authorization denied", "readonly", "read-only")
    ):
        return f"advisor query only reads, and this would write: {sql!r}. Nothing was changed."
    if "not a database" in text:
        return f"{place} is not a database; name a study database with --storage sqlite:///FILE.db."
    missing = re.search(r'no such table: (\w+)|relation "(\w+)" does not exist', text)
    if missing:
        name = missing.group(1) or missing.group(2)
        if name in SCHEMA:
            return f"{place} is a database in which advisor has written nothing: it has no {name}. Run advisor tune with it first."
        return f"advisor query: no such table: {name}.{near(name, SCHEMA)} advisor query --schema lists the views."
    return f"advisor query: {text}, in {sql!r}. advisor query --schema lists the views with their columns."
