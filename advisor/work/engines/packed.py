"""The files of a study as one value: packed by the command, unpacked by a worker.

Each file keeps its whole path, below a root of the worker's, so that files find each other there as
they do where they come from.
"""

from __future__ import annotations

import hashlib
import io
import secrets
import shutil
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

PICKLE = "study.pickle"
"""The name of a study that has no file."""
_TIME = (1980, 1, 1, 0, 0, 0)  # the same content is the same archive at any time


@dataclass(frozen=True)
class Packed:
    """Files in one archive.

    Attributes:
        digest: a hash of the archive.
        data: the archive.
        left_out: files that are too large to travel, with their bytes.
    """

    digest: str
    data: bytes = field(repr=False)
    left_out: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, files: Mapping[str, bytes], left_out: Mapping[str, int]) -> Packed:
        """Files by their names in the archive."""
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packing:
            for name in sorted(files):
                packing.writestr(zipfile.ZipInfo(name, _TIME), files[name])
        data = archive.getvalue()
        return cls(hashlib.sha256(data).hexdigest(), data, left_out)


def name_of(path: Path) -> str:
    """The name of a file in an archive: its whole path, without the root."""
    return path.relative_to(path.anchor).as_posix()


def under(root: Path, path: str | Path) -> Path:
    """Where a whole path of the command's machine lies below the root of a worker."""
    whole = Path(path)
    return root / whole.relative_to(whole.anchor)


def unpack(data: bytes, digest: str, place: Path) -> Path:
    """Unpack an archive into a folder of its digest's name in `place`, and return that.

    Raises `ValueError` for an archive that is not the one of the digest.
    """
    if hashlib.sha256(data).hexdigest() != digest:
        raise ValueError("the files of the study have been damaged on their way")
    root = place / digest
    # Two jobs may bring it at once; a folder of this name is whole.
    part = place / f"{digest}.{secrets.token_hex(4)}"
    part.mkdir(parents=True)
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        packed.extractall(part)  # which keeps names inside of the folder
    with suppress(OSError):  # it is there already
        part.replace(root)
    shutil.rmtree(part, ignore_errors=True)
    return root
