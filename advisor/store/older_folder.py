"""The training states of a study that an older version has stopped.

Older versions named the folder after the database without its ending, so that `run.2024` and
`run.2025` shared it, and did not follow links.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from advisor.file_lock import FileLock
from advisor.store.location import sqlite_path


def adopt_older_states(url: str, folder: Path) -> bool:
    """Move a study's training states to `folder`, and return False where an older version runs it.

    Where it is not clear whose states they are, they stay where they are, and the study trains
    again what was under way.

    Arguments:
        url: of the database.
        folder: of the study.
    """
    path = sqlite_path(url)
    if path is None or not path.suffix or folder.exists():
        return True
    older = path.with_suffix(".checkpoints") / folder.name
    if not older.is_dir() or has_namesake(path):
        return True

    # The older version may still be at work there.
    lock = FileLock(older.with_suffix(".lock"))
    if not lock.take():
        return False
    try:
        shutil.move(older, folder)
    finally:
        lock.give_back()
        with suppress(OSError):  # other studies have their states there
            older.parent.rmdir()
    return True


def has_namesake(path: Path) -> bool:
    """Whether a database beside another differs from it in the ending alone."""
    for other in path.parent.iterdir():
        is_same = other.name == path.name or other.resolve() == path.resolve()
        if other.stem == path.stem and not is_same and is_database(other):
            return True
    return False


def is_database(path: Path) -> bool:
    """Whether a file is an SQLite database that is not empty."""
    # SQLite would lose its locks of a file that this process opened and closed by itself.
    address = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(address, uri=True)) as connection:
            (version,) = connection.execute("PRAGMA schema_version").fetchone()
    except sqlite3.Error:
        return False
    return bool(version)
