"""A folder that the command and all workers reach: a plain path, or a URL of fsspec's."""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from advisor.errors import InputError, MachineError, explain

CACHE = "cache"
"""How the name of a folder of what pretrainings have made begins."""


@dataclass(frozen=True)
class Scratch:
    """Files by name in such a folder. What is written is whole or not there.

    Arguments:
        place: the path or URL.
    """

    place: str

    @property
    def folder(self) -> Path | None:
        """The folder, where it is a plain one."""
        return None if "://" in self.place else Path(self.place)

    def read(self, name: str) -> bytes | None:
        """The content of a file; None where it is not there. Raises `MachineError`."""
        try:
            if self.folder is not None:
                return (self.folder / name).read_bytes()
            data: bytes = self._system().cat_file(self._url(name))
        except FileNotFoundError:
            return None
        except Exception as problem:  # file systems of fsspec's raise what they like
            raise self._trouble("read", problem) from problem
        return data

    def write(self, name: str, data: bytes) -> None:
        """Write a file. Raises `MachineError` where it cannot be written."""
        try:
            if self.folder is None:
                self._system().makedirs(self._url(name).rpartition("/")[0], exist_ok=True)
                self._system().pipe_file(self._url(name), data)
                return
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
            part.write_bytes(data)
            part.replace(path)
        except Exception as problem:  # as above
            raise self._trouble("written", problem) from problem

    def names(self, folder: str) -> list[str]:
        """Names of the files in a folder of it; none where it is not there or cannot be read."""
        with suppress(Exception):  # as above
            if self.folder is not None:
                return [each.name for each in (self.folder / folder).iterdir()]
            return [each.rpartition("/")[2] for each in self._system().ls(self._url(folder), False)]
        return []

    def remove(self, name: str) -> None:
        """Remove a file, where that is possible: nobody reads what should not be read."""
        with suppress(Exception):  # as above
            if self.folder is not None:
                (self.folder / name).unlink(missing_ok=True)
            else:
                self._system().rm_file(self._url(name))

    def tidy(self, name: str, folder: Path) -> None:
        """Remove the files from a folder of it that this machine does not keep in its own.

        What pretrainings have made is in there alone, as long as there is the folder here.
        """
        for file in self.names(name):
            if not file.startswith(CACHE):
                if not (folder / file).exists():
                    self.remove(f"{name}/{file}")
            elif not folder.exists():
                for made in self.names(f"{name}/{file}"):
                    self.remove(f"{name}/{file}/{made}")

    def _url(self, name: str) -> str:
        return f"{self.place.rstrip('/')}/{name}"

    def _system(self) -> Any:
        try:
            import fsspec
        except ImportError as problem:
            raise InputError(
                f"--scratch {self.place} is a URL, which fsspec reads: pip install fsspec, or give "
                "a folder that all workers reach."
            ) from problem
        return fsspec.core.url_to_fs(self.place)[0]

    def _trouble(self, verb: str, problem: Exception) -> Exception:
        if isinstance(problem, InputError):
            return problem
        return MachineError(
            f"The scratch folder {self.place} cannot be {verb} ({explain(problem)}). "
            "It must be one that this machine and all workers reach; mend it, or give another "
            "--scratch."
        )
