"""Files of tensors that are written whole or not at all, and read only where they are whole."""

from __future__ import annotations

import errno
import hashlib
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch.serialization import default_restore_location

from advisor.errors import MachineError, explain
from advisor.faults import is_out_of_memory
from advisor.training.packed import packed, unpacked

PART = ".part"
"""How the name of a file ends that is being written."""
SEAL = hashlib.sha256().digest_size
"""Bytes of the hash with which a file begins, of all that follows."""
TOO_MANY_FILES = (errno.EMFILE, errno.ENFILE)
"""Errors of reading that say nothing about the file."""

Placing = Callable[[Any, str], Any]
"""Where numbers are put that were read, and where they were when they were written."""


@dataclass(frozen=True)
class KeptFile:
    """A file of tensors that can be made again: a training state, answers, or shared work.

    Attributes:
        path: where it lies.
        content: what its tensors depend on. A file that was written for other content is not read.
    """

    path: Path
    content: str = ""

    def write(self, tensors: Mapping[str, Any]) -> None:
        """Write the tensors, in place of what the file holds.

        Raises:
            MachineError: the machine refused it.
        """
        # Processes may write the same file at once, so each has a name of its own until it is
        # whole.
        part = self.path.with_name(f"{self.path.name}.{secrets.token_hex(4)}{PART}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                write_sealed({"content": self.content, **packed(tensors)}, file)
            part.replace(self.path)
            offer(self.path)
        except OSError as problem:
            raise MachineError(
                f"The file {self.path} cannot be written: {explain(problem)}. It holds what a "
                "training needs to go on; make room, or bring its folder back."
            ) from problem
        finally:
            # What was begun and not ended is in nobody's way, and takes no room on a full disk.
            with suppress(OSError):
                part.unlink(missing_ok=True)

    def read(self, device: Placing | str | None = None) -> dict[str, Any] | None:
        """The tensors, or None where the file is gone, damaged, or was written for other content.

        `device` is where they are put, or decides that by where they were; None for the device that
        they were on.

        Raises:
            MachineError: the machine has no room for another open file, or what other machines
                reach cannot be read.
        """
        try:
            fetch(self.path)
            with self.path.open("rb") as file:
                kept = read_sealed(file, device)
            if not isinstance(kept, dict) or kept.get("content") != self.content:
                return None
            return unpacked(kept)
        except OSError as problem:
            if problem.errno in TOO_MANY_FILES:
                raise MachineError(f"{self.path} cannot be read: {explain(problem)}.") from problem
            return None
        except MachineError:
            raise
        except Exception as problem:  # torch raises what it likes about a file of another kind
            if is_out_of_memory(problem):
                raise
            return None


@dataclass(frozen=True)
class Beyond:
    """Where other machines reach the kept files of a folder.

    Attributes:
        folder: of this machine.
        read: gives the content of a file there by its name; None where it is not there.
        write: takes the content of a file by its name.
    """

    folder: Path
    read: Callable[[str], bytes | None]
    write: Callable[[str, bytes], None]


_beyond: list[Beyond] = []
"""In a process that trains for another machine, where its files are shared; else empty."""


@contextmanager
def shared(beyond: Beyond | None) -> Iterator[None]:
    """While this is open, files of a folder that other machines have written are found, and what is
    written into it is given to them. Nothing happens with None.
    """
    _beyond[:] = [] if beyond is None else [beyond]
    try:
        yield
    finally:
        _beyond.clear()


def fetch(path: Path) -> None:
    """Bring a file here that another machine has written. Raises what reading raises there."""
    for beyond in _beyond:
        data = None
        if path.parent == beyond.folder and not path.exists():
            data = beyond.read(path.name)
        if data is not None:
            part = path.with_name(f"{path.name}.{secrets.token_hex(4)}{PART}")
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(data)
            part.replace(path)


def offer(path: Path) -> None:
    """Give a file to the other machines. Raises what writing raises there."""
    for beyond in _beyond:
        if path.parent == beyond.folder:
            beyond.write(path.name, path.read_bytes())


class Sealing:
    """A file that is being written, with the hash of what was written and the error that ended it.

    Torch hides an error of the disk behind one of its own.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.hash = hashlib.sha256()
        self.problem: OSError | None = None
        self._file = file

    def write(self, data: bytes) -> int:
        """Write some bytes."""
        try:
            self.hash.update(data)
            return self._file.write(data)
        except OSError as problem:
            self.problem = problem
            raise

    def flush(self) -> None:
        """Hand what was written to the system."""
        try:
            self._file.flush()
        except OSError as problem:
            self.problem = problem
            raise


def write_sealed(kept: Mapping[str, Any], file: BinaryIO) -> None:
    """Write values and tensors after their hash. Raises the `OSError` of the disk itself."""
    file.write(bytes(SEAL))
    sealing = Sealing(file)
    try:
        torch.save(kept, sealing)  # type: ignore[arg-type]  # it needs no more than these two
    except Exception:
        if sealing.problem is not None:
            raise sealing.problem from None
        raise
    file.seek(0)
    file.write(sealing.hash.digest())


def read_sealed(file: BinaryIO, device: Placing | str | None) -> Any:
    """What `write_sealed` wrote, or None where a byte of it was changed or is missing."""
    # Torch itself reads a file of the right length whatever its numbers are.
    seal = file.read(SEAL)
    content = hashlib.file_digest(file, "sha256")  # type: ignore[arg-type]  # it has readinto()
    if content.digest() != seal:
        return None
    file.seek(SEAL)
    return torch.load(file, weights_only=True, map_location=device)


def to_this(device: torch.device) -> Placing:
    """Puts what was on another device on this one. What was on the CPU stays there."""

    def placed(storage: Any, where: str) -> Any:
        """The numbers where they belong."""
        return storage if where == "cpu" else default_restore_location(storage, str(device))

    return placed


def remove_kept_files(folder: Path) -> None:
    """Remove the files right in a folder, and what was left half written in it or below.

    What cannot be removed stays: nothing reads it that should not.
    """
    with suppress(OSError):
        for file in [*folder.glob("*.pt"), *folder.rglob(f"*{PART}")]:
            file.unlink(missing_ok=True)
