"""How a database fails, as errors of advisor's. Standard library only, so that commands that only
read stay fast.
"""

from __future__ import annotations

import errno
import shlex
import sqlite3
from dataclasses import dataclass, replace

from advisor.errors import AdvisorError, InputError, MachineError, explain
from advisor.store.location import shown, sqlite_path, without_password

BUSY_SECONDS = 60
"""How long a statement waits for another program that holds the database."""


@dataclass(frozen=True)
class Failure:
    """A way in which a database fails.

    Attributes:
        what: what is wrong, after the words "The study database …".
        advice: what to do next; `{file}` stands for an SQLite file.
        error: whose fault it is, once the database is open.
        at_opening: whose fault it is when the database is opened.
    """

    what: str
    advice: str
    error: type[AdvisorError] = MachineError
    at_opening: type[AdvisorError] = MachineError


ANOTHER = "Give another with --storage sqlite:///FILE.db."
"""What to do where a database cannot be used at all."""
OWN_OR_ANOTHER = f"It and its folder must be yours to read and to write. {ANOTHER}"
"""What to do where a database is closed to the user."""

FULL = Failure("cannot be written, because the disk is full", "Make room on the disk.")
DISK = Failure(
    "cannot be read or written", "Look at its disk: it may be full, have a quota, or be gone."
)
BUSY = Failure("is held by another program", "End that program first.")
FORBIDDEN = Failure("does not allow this", OWN_OR_ANOTHER, at_opening=InputError)
CLOSED = Failure("cannot be opened", OWN_OR_ANOTHER, at_opening=InputError)
AWAY = Failure("does not answer", "Start its server, or see why it is not reached.")
DAMAGED = Failure(
    "is damaged",
    "Bring back a copy of it, or begin anew with --storage sqlite:///FILE.db. "
    "What can still be read of an SQLite file is written by: sqlite3 {file} .dump > saved.sql",
    InputError,
    InputError,
)
UNREADABLE = replace(DAMAGED, what="holds a value that cannot be read")
NO_DATABASE = Failure("is not a database", ANOTHER, InputError, InputError)
FOREIGN = Failure(
    "is not as advisor makes it, so another program has written it",
    ANOTHER,
    InputError,
    InputError,
)
CHANGED = Failure(
    "does not take what is written, because another program has changed its rows",
    "Let no other program write it while a study runs.",
)
NO_DRIVER = Failure(
    "cannot be opened",
    "For PostgreSQL: pip install 'torch-advisor[postgresql]'.",
    at_opening=InputError,
)
OTHER = Failure("cannot be used", ANOTHER, at_opening=InputError)

_SQLITE = {
    sqlite3.SQLITE_FULL: FULL,
    sqlite3.SQLITE_IOERR: DISK,
    sqlite3.SQLITE_BUSY: BUSY,
    sqlite3.SQLITE_LOCKED: BUSY,
    sqlite3.SQLITE_READONLY: FORBIDDEN,
    sqlite3.SQLITE_PERM: FORBIDDEN,
    sqlite3.SQLITE_CANTOPEN: CLOSED,
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: NO_DATABASE,
    sqlite3.SQLITE_SCHEMA: FOREIGN,
    sqlite3.SQLITE_ERROR: FOREIGN,
    sqlite3.SQLITE_MISMATCH: FOREIGN,
    sqlite3.SQLITE_CONSTRAINT: CHANGED,
}
"""What SQLite's primary result codes say."""

_SERVER = {
    "08": AWAY,  # the connection
    "25006": FORBIDDEN,  # the server is a read-only copy
    "22": UNREADABLE,
    "23": CHANGED,
    "28": CLOSED,  # who may log in
    "3D": CLOSED,  # no such database
    "40": BUSY,
    "42": FOREIGN,
    "42501": FORBIDDEN,
    "53100": FULL,
    "53": AWAY,  # its memory or connections are used up
    "55P03": BUSY,
    "57": AWAY,  # the server is being shut down or started
    "58": DISK,
    "XX001": DAMAGED,
    "XX002": DAMAGED,
}
"""What the SQLSTATE codes of a server say, or their first two characters, which are a class."""

_NOT_REACHED = (
    "refused",
    "timeout",
    "timed out",
    "unreachable",
    "starting up",
    "shutting down",
    "closed",
    "reset by peer",
)
"""Words by which PostgreSQL's client says that a server does not answer: it has no code for that.
"""

_SYSTEM = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: FULL,
    errno.EIO: DISK,
    errno.EACCES: FORBIDDEN,
    errno.EPERM: FORBIDDEN,
    errno.EROFS: FORBIDDEN,
    errno.EEXIST: CLOSED,  # a file where a folder should be
    errno.ENOTDIR: CLOSED,
    errno.EISDIR: CLOSED,
}
"""What the error numbers of the operating system say."""


def as_error(problem: Exception, url: str, *, at_opening: bool = False) -> AdvisorError:
    """What goes wrong with a database, as one message that says what to do next.

    Arguments:
        problem: what a driver, SQLAlchemy or the operating system raised.
        url: of the database.
        at_opening: whether the database is being opened; what is wrong may then be its place.
    """
    # SQLAlchemy and Optuna wrap the error of the database's own driver, which says more.
    problem = driver_error(problem)
    failure = failure_of(problem)
    error = failure.at_opening if at_opening else failure.error

    cause = without_password(explain(problem), url)
    file = shlex.quote(str(sqlite_path(url) or "FILE.db"))
    advice = failure.advice.format(file=file)
    return error(f"The study database {shown(url)} {failure.what} ({cause}). {advice}")


def driver_error(problem: Exception) -> Exception:
    """The error of the database's own driver inside one of SQLAlchemy's or Optuna's."""
    inner = getattr(problem, "orig", None) or problem.__cause__
    return driver_error(inner) if isinstance(inner, Exception) else problem


def failure_of(problem: Exception) -> Failure:
    """What an error of a driver, or of the operating system, says."""
    if isinstance(problem, sqlite3.Error):
        # An extended result code has its primary one in the lowest byte; a few errors have none.
        code = getattr(problem, "sqlite_errorcode", None)
        if code is None:
            # Such as text that is not text.
            return UNREADABLE if isinstance(problem, sqlite3.OperationalError) else OTHER
        return _SQLITE.get(code & 0xFF, OTHER)
    if isinstance(problem, OSError):
        return _SYSTEM.get(problem.errno or 0, OTHER)
    if isinstance(problem, ImportError):
        return NO_DRIVER

    state = getattr(problem, "sqlstate", None)
    if state is not None:
        return _SERVER.get(state) or _SERVER.get(state[:2]) or OTHER
    is_away = any(words in str(problem) for words in _NOT_REACHED)
    return AWAY if is_away else OTHER
