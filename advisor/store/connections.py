"""The connections to an open database: they wait for a server that restarts, notice a file that was
moved, and say what goes wrong as an error of advisor's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from advisor.errors import MachineError
from advisor.store.failures import AWAY, BUSY_SECONDS, as_error, failure_of
from advisor.store.location import shown

RETRY_SECONDS = 0.5
"""How long after a server did not answer it is asked again."""


def guard(engine: sa.Engine, url: str, path: Path | None) -> None:
    """Let every use of a database that has just been opened end as it should, Optuna's too.

    Arguments:
        engine: of the database.
        url: of the database.
        path: the real path of an SQLite file; None for a server.
    """

    def translate(context: sa.ExceptionContext) -> None:
        """Raise what a driver says as an error of advisor's."""
        # A connection that was dropped while nobody used it is replaced without a word.
        problem = context.original_exception
        is_drivers = isinstance(context.sqlalchemy_exception, sa.exc.DBAPIError)
        if is_drivers and not context.is_pre_ping and isinstance(problem, Exception):
            raise as_error(problem, url) from problem

    sa.event.listen(engine, "handle_error", translate)
    if path is None:
        sa.event.listen(engine, "do_connect", connect_again)
    elif path.is_file():
        sa.event.listen(engine, "begin", check_in_place(path.resolve(), url))


def connect_again(dialect: sa.Dialect, _: Any, arguments: Any, options: dict[str, Any]) -> Any:
    """Connect to a server, and wait for one that restarts: nothing is lost by trying again."""
    end = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            return dialect.connect(*arguments, **options)
        except Exception as problem:  # each driver has errors of its own
            if failure_of(problem) is not AWAY or time.monotonic() > end:
                raise
        time.sleep(RETRY_SECONDS)


def check_in_place(path: Path, url: str) -> Callable[[sa.Connection], None]:
    """What looks, before anything is read or written, whether a file is where it was opened.

    SQLite goes on writing a file that was deleted, and all of it would be lost.
    """
    opened = path.stat()

    def check(_: sa.Connection) -> None:
        """Raise `MachineError` where another file, or none, is in the place of the database."""
        try:
            now = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            now = None
        except OSError as problem:
            raise as_error(problem, url) from problem
        if now is None or (now.st_dev, now.st_ino) != (opened.st_dev, opened.st_ino):
            raise MachineError(
                f"The study database {shown(url)} was deleted, moved or replaced while it was "
                "open. Put it back, or the study begins anew."
            )

    return check
