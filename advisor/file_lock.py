"""A lock on a file that goes with its process and leaves no file behind.

The package `filelock` removes its file in some versions and leaves it in others; and whoever
removes the file of another's lock lets two processes hold two files of one name.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


class FileLock:
    """A file that one process at a time holds; the system lets it go when the process ends.

    Attributes:
        path: of the file; it is there while somebody holds it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None
        # A process that is forked off must not hold the file when this one is gone.
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._close)

    def take(self) -> bool:
        """Take the file, or return False where it is held; nothing is waited for.

        Raises `OSError` where the file cannot be made, or the file system has no locks.
        """
        while self._descriptor is None:
            descriptor = open_file(self.path)
            try:
                is_ours = lock_descriptor(descriptor)
                # Who held the file may have removed it after it was opened here: then another
                # process may hold a new one of the same name.
                is_there = os.fstat(descriptor).st_nlink > 0
            except BaseException:
                os.close(descriptor)
                raise
            if is_ours and is_there:
                self._descriptor = descriptor
                break
            os.close(descriptor)
            if not is_ours:
                return False
        return True

    def give_back(self) -> None:
        """Remove the file and let others make a new one."""
        if self._descriptor is None:
            return
        # Only who holds the file removes it; Windows refuses that as long as anybody has it open.
        if sys.platform == "win32":
            self._close()
        with suppress(OSError):
            self.path.unlink()
        self._close()

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def open_file(path: Path) -> int:
    """Open a file for its lock; it is made where it is not there, and so is its folder."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:
            # Another process may have removed the folder, which was empty.
            if path.parent.is_dir():
                raise


def lock_descriptor(descriptor: int) -> bool:
    """Lock an open file, or return False where another holds it."""
    try:
        if sys.platform == "win32":
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True
