"""How a study database is reached: its file or server, and what each connection needs."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import sqlalchemy as sa

from advisor.errors import InputError
from advisor.store.failures import BUSY_SECONDS
from advisor.store.location import has_sqlite_form, shown, sqlite_options, sqlite_path

SERVER = {"pool_pre_ping": True}
"""Arguments of an engine that replaces a connection which was dropped while models trained."""
KEEP_ALIVE = {
    "keepalives_idle": 60,
    "keepalives_interval": 15,
    "keepalives_count": 4,
    "tcp_user_timeout": 120_000,
}
"""Options of PostgreSQL's own library: a server that is gone is noticed after two minutes, and a
firewall does not forget a connection. The last one is in milliseconds, the others in seconds.
"""
READ_SECONDS = 0.5
"""How long the end of a study waits for programs that read its SQLite file."""
KINDS = ("sqlite", "postgresql")
"""The kinds of databases for which advisor has views, as SQLAlchemy names them."""


@dataclass(frozen=True)
class Address:
    """What SQLAlchemy makes an engine of.

    Attributes:
        url: of the database.
        arguments: of `sqlalchemy.create_engine`.
    """

    url: str
    arguments: Mapping[str, Any]

    def engine(self, **more: Any) -> sa.Engine:
        """A new engine, with more arguments."""
        return sa.create_engine(self.url, **self.arguments, **more)


@dataclass(frozen=True)
class SqliteFile:
    """An SQLite file, which its real path names, however it was given.

    Attributes:
        name: what SQLite opens: the path, or an URL in SQLite's own form.
        has_sqlite_form: whether it is such an URL.
        busy_seconds: how long a statement waits for another program that holds the file.
    """

    name: str
    has_sqlite_form: bool
    busy_seconds: float

    def connect(self) -> sqlite3.Connection:
        """A new connection."""
        # SQLAlchemy's pool hands a connection to one thread at a time.
        connection = sqlite3.connect(
            self.name,
            timeout=self.busy_seconds,
            uri=self.has_sqlite_form,
            check_same_thread=False,
        )
        try:
            set_pragmas(connection, self.busy_seconds)
        except BaseException:
            connection.close()
            raise
        return connection


def address_of(url: str) -> Address:
    """How a database is reached.

    Raises:
        InputError: the URL has options that are not known, its file cannot hold studies, or it is
            of another kind than SQLite and PostgreSQL.
    """
    path = sqlite_path(url)
    if path is not None:
        file = sqlite_file(url, path)
        # The file is opened by us, so the engine needs no more than the kind of database.
        return Address("sqlite:///study.db", {"creator": file.connect})

    kind = sa.make_url(url).get_backend_name()
    if kind not in KINDS:
        raise InputError(
            f"The study database {shown(url)} cannot be opened: studies are kept in SQLite or "
            f"PostgreSQL, not in {kind!r}. Name one with --storage sqlite:///FILE.db."
        )
    return Address(url, {**SERVER, "connect_args": keep_alive_of(sa.make_url(url))})


def keep_alive_of(url: sa.URL) -> dict[str, int]:
    """The options of `KEEP_ALIVE` that a server's URL does not give, where its driver has them."""
    if url.get_driver_name() not in ("psycopg", "psycopg2"):
        return {}
    return {name: value for name, value in KEEP_ALIVE.items() if name not in url.query}


def sqlite_file(url: str, path: Path) -> SqliteFile:
    """The SQLite file `path`, with the options of its URL.

    Raises:
        InputError: an option is not known or has no such value, or the path cannot hold studies.
    """
    # Working directories may change later; and a link's target is one database with the link.
    real = path.resolve()
    check_place(url, real)

    # SQLite has its own options, for files that are written in its own form.
    options = sqlite_options(url)
    seconds = busy_seconds(url, options.pop("timeout", None))
    if has_sqlite_form(url):
        del options["uri"]
        return SqliteFile(f"{real.as_uri()}?{urlencode(options)}", True, seconds)
    if options:
        raise InputError(
            f"{shown(url)}: there is no option {next(iter(options))!r} for an SQLite file; "
            f"write sqlite:///{path}, or with ?timeout=SECONDS."
        )
    return SqliteFile(str(real), False, seconds)


def busy_seconds(url: str, given: str | None) -> float:
    """The seconds of the option `timeout`. Raises `InputError` where it is no number."""
    if given is None:
        return BUSY_SECONDS
    try:
        seconds = float(given)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e6:  # NaN is not, either
        raise InputError(
            f"{shown(url)}: timeout={given!r} is no number of seconds, such as timeout=60."
        )
    return seconds


def check_place(url: str, path: Path) -> None:
    """Raises `InputError` where no SQLite file with studies can be at `path`."""
    if path.is_dir():
        raise InputError(
            f"The study database {shown(url)} cannot be opened: {path} is a folder. "
            "Name a file with --storage sqlite:///FILE.db."
        )
    # SQLite keeps what is not yet in the file beside it, under the name by which it was opened.
    if path.is_file() and path.stat().st_nlink > 1:
        raise InputError(
            f"The study database {shown(url)} cannot be opened: {path} has a second name (a hard "
            "link), by which SQLite would lose what it writes. Make a copy (cp) or a symbolic link "
            "(ln -s) of it instead, and remove the second name."
        )


def set_pragmas(connection: sqlite3.Connection, seconds: float) -> None:
    """Set what every connection to an SQLite file needs: log, syncs, and checked references.

    With a write-ahead log others read meanwhile, and writing is 8 times faster (measured).
    """
    # SQLite does not wait where two connections begin the log at the same moment.
    repeat_while_locked(connection, "PRAGMA journal_mode=WAL", seconds)
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA foreign_keys=ON")


def fold_log(path: Path) -> None:
    """Fold the log of an SQLite file into it, so that the file is all there is.

    Programs that read are soon done; where another writes, the log stays, and is folded by it.
    """
    with (
        suppress(sqlite3.Error),
        closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True)) as connection,
    ):
        repeat_while_locked(connection, "PRAGMA journal_mode=DELETE", READ_SECONDS)


def repeat_while_locked(connection: sqlite3.Connection, statement: str, seconds: float) -> None:
    """Execute a statement, again for some seconds where others hold the file.

    Raises `sqlite3.OperationalError` where they hold it still, or for another reason.
    """
    last = time.monotonic() + seconds
    while True:
        try:
            connection.execute(statement)
        except sqlite3.OperationalError as problem:
            if "locked" not in str(problem) or time.monotonic() > last:
                raise
            time.sleep(0.01)
        else:
            return
