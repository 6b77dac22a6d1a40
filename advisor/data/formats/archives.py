"""Unpacks archives and compressed files for as long as their content is read."""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import tarfile
import weakref
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from advisor.errors import InputError
from advisor.temporary import TemporaryFolder

ONE_FILE: dict[str, Callable[[Path], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
}
"""What opens a compressed file, by the end of its name."""

ARCHIVES = (".zip", ".tar", ".tgz", ".tbz2", ".txz", ".tar.gz", ".tar.bz2", ".tar.xz")
"""How the names of archives of several files end."""

PROBLEMS = (OSError, EOFError, ValueError, tarfile.TarError, zipfile.BadZipFile, zlib.error)
"""What is raised for an archive that is damaged, or that is none."""

BLOCK = 2**20
"""Bytes that are unpacked at once."""

MOST_OF_DISK = 0.5
"""The share of the free disk that an archive may fill."""


class Unpacked:
    """The content of an archive, in a folder that is deleted when nobody refers to this any more.

    Attributes:
        folder: where the content lies.
    """

    def __init__(self, path: Path) -> None:
        place = TemporaryFolder("advisor-unpacked-")
        self.folder = place.path
        weakref.finalize(self, place.remove)
        try:
            _unpack(path, self.folder)
        except PROBLEMS as error:
            raise InputError(f"{path} cannot be unpacked: {error}. Unpack it yourself.") from error

    @property
    def content(self) -> Path:
        """The one file or folder that the archive holds, or the folder of all that it holds."""
        folder = self.folder
        while True:
            inside = [path for path in folder.iterdir() if not path.name.startswith((".", "__"))]
            if len(inside) != 1:
                return folder
            if inside[0].is_file():
                return inside[0]
            folder = inside[0]


class UnpackedFiles(list[Path]):
    """Files that lie in an unpacked archive, which stays as long as this list."""

    def __init__(self, files: list[Path], archive: Unpacked) -> None:
        super().__init__(files)
        self.archive = archive


def is_archive(path: Path) -> bool:
    """Whether a file is packed, by the end of its name."""
    name = path.name.lower()
    return name.endswith((*ARCHIVES, *ONE_FILE))


def _unpack(path: Path, folder: Path) -> None:
    """Write the content of an archive into a folder."""
    room = int(shutil.disk_usage(folder).free * MOST_OF_DISK)
    name = path.name.lower()
    if not name.endswith(ARCHIVES):
        with ONE_FILE[path.suffix.lower()](path) as source:
            _copy(source, folder / path.stem, room)
    elif name.endswith(".zip"):
        with zipfile.ZipFile(path) as archive:
            _check_room(sum(member.file_size for member in archive.infolist()), room)
            archive.extractall(folder)  # noqa: S202 - it leaves out `..` and roots by itself
    else:
        with tarfile.open(path) as packed:
            _check_room(sum(member.size for member in packed), room)
            packed.extractall(folder, filter="data")


def _copy(source: Any, target: Path, room: int) -> None:
    """Unpack one file, as long as there is room for it."""
    with target.open("wb") as file:
        while block := source.read(BLOCK):
            room -= len(block)
            _check_room(0, room)
            file.write(block)


def _check_room(size: int, room: int) -> None:
    """Raises `ValueError` when an archive takes too much of the disk."""
    if size > room or room < 0:
        raise ValueError("what it holds would take more than half of the free disk")
