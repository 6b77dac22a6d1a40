"""The folder beside the database in which a study keeps its training states while it runs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from advisor.errors import InputError
from advisor.store.location import DEFAULT, sqlite_path


@contextmanager
def study_folder(url: str, name: str) -> Iterator[Path]:
    """The folder of a study's training states, for one coordinator at a time.

    Arguments:
        url: of the database.
        name: of the study.

    Raises:
        InputError: another process has the folder; the lock on it goes with its process.
    """
    folder = folder_of(url, name)
    folder.mkdir(parents=True, exist_ok=True)

    # A lock that is held is not waited for: a study takes minutes or hours.
    lock = filelock.FileLock(folder.with_suffix(".lock"))
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as problem:
        raise InputError(
            f"Study {name!r} is running in another process on this database; "
            "wait for it, or use another --name."
        ) from problem
    try:
        yield folder
    finally:
        lock.release()


def folder_of(url: str, name: str) -> Path:
    """Where the folder of a study lies: beside an SQLite file, else beside the default one."""
    path = sqlite_path(url) or Path(DEFAULT.removeprefix("sqlite:///"))

    # Two names that are spelled alike for a file system have folders of their own.
    readable = re.sub(r"[^A-Za-z0-9_-]+", "-", name)[:40]
    digest = hashlib.sha256(name.encode()).hexdigest()[:6]
    return path.with_suffix(".checkpoints") / f"{readable}-{digest}"
