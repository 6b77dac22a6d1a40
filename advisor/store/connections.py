"""What watches over an open database: a file that is gone is noticed, and whatever a driver says is
an error of advisor's.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from advisor.errors import MachineError
from advisor.store.failures import as_error
from advisor.store.location import shown


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
    if path is not None:
        sa.event.listen(engine, "begin", check_in_place(path, url))


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
