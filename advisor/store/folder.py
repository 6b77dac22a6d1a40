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

    The lock goes with its process. Raises `InputError` where another process has it.
    """
    path = sqlite_path(url) or Path(DEFAULT.removeprefix("sqlite:///"))

    # Two names that are spelled alike for a file system have folders of their own.
    readable = re.sub(r"[^A-Za-z0-9_-]+", "-", name)[:40]
    digest = hashlib.sha256(name.encode()).hexdigest()[:6]
    folder = path.with_suffix(".checkpoints") / f"{readable}-{digest}"
    folder.mkdir(parents=True, exist_ok=True)
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
