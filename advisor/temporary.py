"""Temporary folders that do not outlive their process for long.

A process that is killed cannot remove what it has written; the next one that needs such a folder
does.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from advisor.file_lock import FileLock

LETTERS = 8
"""Letters that tell the folders of two processes apart."""


class TemporaryFolder:
    """An empty folder of this process, which nobody else may read.

    Its name is locked for as long as the process lives, so that others know whose it is.

    Arguments:
        prefix: what its name begins with. Folders of that prefix whose processes have ended are
            removed first.

    Attributes:
        path: where it is.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, prefix: str) -> None:
        place = Path(tempfile.gettempdir())
        remove_left(place, prefix)
        # The lock comes before the folder, so that there is no folder without one.
        self._lock = own_lock(place, prefix)
        self.path = self._lock.path.with_suffix("")
        try:
            self.path.mkdir(mode=0o700)
        except OSError:
            self._lock.give_back()
            raise

    def remove(self) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.give_back()


def own_lock(place: Path, prefix: str) -> FileLock:
    """A lock of a name that nobody has; it is not held where the file system has no locks."""
    while True:
        name = f"{prefix}{secrets.token_hex(LETTERS // 2)}"
        lock = FileLock(place / f"{name}.lock")
        if lock.path.exists():
            continue
        # One who tidies up may hold a new file for a moment.
        with suppress(OSError):
            if not lock.take():
                continue
        return lock


def remove_left(place: Path, prefix: str) -> None:
    """Remove the folders of a prefix that ended processes have left in a place."""
    for path in place.glob(f"{prefix}*.lock"):
        if path.is_symlink():
            continue  # none of ours is one
        left = FileLock(path)
        try:
            is_left = left.take()
        except OSError:  # another user's, or on a file system without locks
            continue
        if is_left:
            shutil.rmtree(path.with_suffix(""), ignore_errors=True)
            left.give_back()
