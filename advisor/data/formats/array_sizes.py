"""How much memory an `.npz` file asks for, before any of it is read."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import IO

from numpy.lib import format as npy

from advisor.errors import InputError

GIGABYTE = 10**9
"""Bytes of the unit in which messages give sizes."""


def check_sizes(path: Path) -> None:
    """Raise `InputError` where the arrays of an `.npz` file are not whole, or larger than memory.

    Both the header of an array and the list of the archive say how large it is, and each may be
    wrong: a damaged file has fewer bytes than it says, and packed zeros take no room on a disk.
    """
    total = 0
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            with archive.open(member) as file:
                needed = bytes_of(file)
            if needed > member.file_size:
                raise InputError(
                    f"{path} is damaged: {member.filename} says that it has {in_gigabytes(needed)} "
                    f"of numbers, and holds {member.file_size:,} bytes. Save it again."
                )
            total += member.file_size
    if total > free_memory():
        raise InputError(
            f"{path} has {in_gigabytes(total)} of numbers, more than this machine has memory free "
            f"({in_gigabytes(free_memory())}); give fewer rows, or a Dataset that reads them one "
            "by one."
        )


def bytes_of(file: IO[bytes]) -> int:
    """The bytes of an array, by its header; 0 for objects, and for what is no array."""
    try:
        version = npy.read_magic(file)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read(file)
    except (ValueError, EOFError):
        return 0
    return 0 if dtype.hasobject else math.prod(shape) * dtype.itemsize


def free_memory() -> float:
    """Bytes of memory that can be used now; infinite where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return math.inf
    for line in lines:
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return math.inf


def in_gigabytes(size: float) -> str:
    """`30.0 GB`."""
    return f"{size / GIGABYTE:,.1f} GB"
