"""The folder of a study's training states while it runs, for one coordinator at a time."""

from __future__ import annotations

import errno
import hashlib
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import sqlalchemy as sa

from advisor.errors import InputError, MachineError, explain
from advisor.file_lock import FileLock
from advisor.store.database import Database
from advisor.store.location import DEFAULT
from advisor.store.older_folder import adopt_older_states
from advisor.store.server_lock import ServerLock

SUFFIX = ".checkpoints"
"""What the name of a database gets to be that of the folder of its studies."""
PRINTED = ".logs"
"""What it gets to be that of the folder of what scripts have printed."""
PASSING = ("pilot-*.pt", "**/*.part")
"""Files that a study which was stopped does not need to go on."""
NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK)
"""The errors of file systems that have no locks."""

# A server has many names; these are of the database itself. Some servers do not tell theirs.
_DATABASE = sa.text(
    "SELECT datname, oid, current_schema(), "
    "has_function_privilege('pg_control_system()', 'execute') AS tells "
    "FROM pg_database WHERE datname = current_database()"
)
_SERVER = sa.text("SELECT system_identifier FROM pg_control_system()")


@contextmanager
def study_folder(database: Database, name: str) -> Iterator[Path]:
    """The folder of a study's training states; no other process runs the study meanwhile.

    Where the block ends well, nothing of the folder is left. Where it ends by an exception, what
    the study needs to go on is left.

    Arguments:
        database: that holds the study.
        name: of the study, begun or not.

    Raises:
        InputError: another process runs the study, or the folder cannot be there.
        MachineError: the disk is full, the file system has no locks, the server does not answer.
    """
    place = folder_of_all(database)
    folder = place / leaf_of(name)
    with held(database, name, folder):
        try:
            with errors_told(place):
                if not adopt_older_states(database.url, folder):
                    raise is_running(name)
                make_folder(folder)
            yield folder
        except BaseException:
            remove_passing(folder)
            raise
        shutil.rmtree(folder, ignore_errors=True)


def folder_of_all(database: Database) -> Path:
    """The folder of all studies of a database, whoever opens it by whatever name.

    It lies beside an SQLite file. For a server it lies beside the default file, as the same command
    goes on in the same directory.
    """
    if database.path is not None:
        return database.path.with_name(database.path.name + SUFFIX)
    with database.engine.connect() as connection:
        one = connection.execute(_DATABASE).one()
        server = database.engine.url.host
        if one.tells:
            server = connection.execute(_SERVER).scalar()
    identity = f"{server} {one.oid} {one.current_schema}"
    digest = hashlib.sha256(identity.encode()).hexdigest()[:8]
    beside = Path(DEFAULT.removeprefix("sqlite:///")).resolve()
    return beside.with_name(f"postgresql-{readable(one.datname)}-{digest}{SUFFIX}")


def folder_of_prints(database: Database, name: str) -> Path:
    """Where what the scripts of a study print is kept, also after its end."""
    states = folder_of_all(database)
    return states.with_name(states.name.removesuffix(SUFFIX) + PRINTED) / leaf_of(name)


def leaf_of(name: str) -> str:
    """The name of a study's own folder."""
    # Two names that are spelled alike for a file system have folders of their own.
    digest = hashlib.sha256(name.encode()).hexdigest()[:6]
    return f"{readable(name)}-{digest}"


def readable(name: str) -> str:
    """A name in letters that every file system has."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name)[:40]


@contextmanager
def held(database: Database, name: str, folder: Path) -> Iterator[None]:
    """Hold a study against other processes. Raises what `study_folder` raises."""
    # The lock of an SQLite file lies beside the study's folder; a server has locks of its own.
    lock: FileLock | ServerLock = FileLock(folder.with_suffix(".lock"))
    if database.path is None:
        lock = ServerLock(database.engine, name)
    try:
        with errors_told(folder.parent):
            is_ours = lock.take()
        if not is_ours:
            raise is_running(name)
        try:
            yield
        finally:
            remove_empty(folder)
    finally:
        lock.give_back()
        # Other studies of the database may have their folders and locks there.
        remove_empty(folder.parent)
        if database.path is None:
            remove_empty(folder.parent.parent)


def is_running(name: str) -> InputError:
    """The error about a study that another process has."""
    # A lock that is held is not waited for: a study takes minutes or hours.
    return InputError(
        f"Study {name!r} is running in another process on this database; "
        "wait for it, or use another --name."
    )


@contextmanager
def errors_told(place: Path) -> Iterator[None]:
    """Say in one message what is wrong with the folder of all studies."""
    try:
        yield
    except OSError as problem:
        cause = explain(problem)
        if problem.errno in NO_LOCKS:
            raise MachineError(
                f"The file system of {place} has no locks, without which two processes could "
                f"write one study ({cause}). Keep the study database on a disk of this machine, "
                "or in PostgreSQL: --storage."
            ) from problem
        message = f"The training states of studies cannot be kept in {place}: {cause}. "
        if isinstance(problem, FileExistsError | NotADirectoryError | PermissionError):
            raise InputError(
                f"{message}It must be a folder that you can write; or use another --storage."
            ) from problem
        raise MachineError(message + "Make room there, or use another --storage.") from problem


def make_folder(folder: Path) -> None:
    """Make a folder with those above it, which others may remove as long as they are empty."""
    while not folder.is_dir():
        with suppress(FileNotFoundError):
            folder.mkdir(parents=True, exist_ok=True)


def remove_empty(folder: Path) -> None:
    """Remove a folder that is empty."""
    with suppress(OSError):
        folder.rmdir()


def remove_passing(folder: Path) -> None:
    """Remove the files that nobody reads again, and folders that are empty."""
    for pattern in PASSING:
        for file in folder.glob(pattern):
            with suppress(OSError):
                file.unlink()
    for inner in folder.glob("*/"):
        remove_empty(inner)
