"""Which of the user's own files were read while something ran, and what was in them."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from advisor.content.own_files import is_own_file

# Files of code, which counts by what of it is used.
_CODE = {".py", ".pyc", ".pyi", ".pyo", ".pyd", ".so", ".dll", ".ipynb"}

# Where the machine keeps what is no content of a study.
_MACHINE = ("/proc", "/dev", "/etc", "/sys", "/run", "/usr", "/bin", "/lib", "/lib64")

# Folders, wherever they are, in which programs keep what they have fetched or compiled.
_CACHES = {".cache", ".git", ".config", ".local", "__pycache__", ".ipynb_checkpoints"}

# Flags of `os.open` that open for writing.
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


@dataclass
class FilesRead:
    """The files that were opened while a block ran.

    Attributes:
        read: whole paths of those that were opened for reading, in order.
        written: of those that were opened for writing.
    """

    read: dict[str, None] = field(default_factory=dict)
    written: set[str] = field(default_factory=set)

    def digests(
        self, folder: Path, is_own: Callable[[Path], bool] = is_own_file
    ) -> Mapping[str, str]:
        """Digests of the user's own files among them, by their paths from a folder.

        Left out are code, what was written, what belongs to Python, to libraries or to the machine,
        and what is gone.

        Arguments:
            folder: the study's; what lies elsewhere has its whole path.
            is_own: whether a file is the user's.
        """
        digests = {}
        folder = folder.resolve()
        for path in filter(is_own, self.of_the_user()):
            name = str(path.relative_to(folder) if path.is_relative_to(folder) else path)
            try:
                with path.open("rb") as file:
                    digests[name] = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError:
                continue
        return dict(sorted(digests.items()))

    def of_the_user(self) -> Iterator[Path]:
        """Those that were read, without code, what was written, and what belongs to Python, to
        libraries or to the machine.
        """
        for text in self.read:
            path = Path(text)
            if text not in self.written and _may_be_settings(path) and is_own_file(path):
                yield path


@contextmanager
def files_read() -> Iterator[FilesRead]:
    """Note which files are opened while the block runs, by any thread.

    Blocks may stand inside each other; each notes what it saw.
    """
    _install()
    noted = FilesRead()
    with _lock:
        _open_blocks.append(noted)
    try:
        yield noted
    finally:
        with _lock:
            # By identity: two blocks that saw the same files are equal.
            _open_blocks[:] = [block for block in _open_blocks if block is not noted]


_lock = threading.Lock()
_open_blocks: list[FilesRead] = []
"""The blocks that run now."""
_installed: list[bool] = []
"""Not empty once Python calls `_heard`; it can never be told to stop."""


def _install() -> None:
    """Have Python say which files are opened, from now on."""
    with _lock:
        if not _installed:
            _installed.append(True)
            sys.addaudithook(_heard)


def _heard(event: str, arguments: tuple[Any, ...]) -> None:
    """Note a file that is being opened. It must never raise: that would end the user's `open`."""
    if event != "open" or not _open_blocks:
        return
    path, mode, flags = arguments
    if not isinstance(path, (str, bytes, os.PathLike)):
        return  # a file that is open already, by its number
    try:
        whole = os.path.realpath(os.fsdecode(path))
    except (OSError, ValueError):
        return
    is_writing = _is_writing(mode, flags)
    for block in list(_open_blocks):
        if is_writing:
            block.written.add(whole)
        else:
            block.read[whole] = None


def _is_writing(mode: str | None, flags: int) -> bool:
    """Whether a file is opened for writing; `os.open` gives no mode."""
    if mode is not None:
        return not set("wax+").isdisjoint(mode)
    return bool(flags & _WRITING)


def _may_be_settings(path: Path) -> bool:
    """Whether a path may be a file of settings, and not code, a cache or the machine's."""
    if path.suffix.lower() in _CODE or not _CACHES.isdisjoint(path.parts):
        return False
    if any(path.is_relative_to(folder) for folder in _MACHINE):
        return False
    return path.is_file()
