"""Finds the file or folder that a user names."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from pathlib import Path

from advisor.errors import InputError, listing
from advisor.loading.references import Reference
from advisor.values import fault_of_path, shown


@dataclass(frozen=True)
class SentFiles:
    """Files of a study that were sent to this machine.

    Attributes:
        root: the folder below which each of them has its whole path of where it comes from.
        home: the user's home folder there.
    """

    root: Path
    home: str


_sent: list[SentFiles] = []
"""The files that were sent to this process, where that is so."""


def find_in(sent: SentFiles) -> None:
    """From now on, find what was sent where it lies."""
    _sent[:] = [sent]


def expanded(text: str | Path) -> Path:
    """A path in which `~` stands for the user's home folder no more."""
    path = Path(text)
    for sent in _sent:
        if path.parts[:1] == ("~",):
            return sent.root / Path(sent.home, *path.parts[1:]).relative_to(Path(sent.home).anchor)
    return path.expanduser()


def where_it_lies(path: Path) -> Path:
    """Where a file lies that was sent, by its whole path of where it comes from; any other path as
    it is.
    """
    for sent in _sent:
        if path.is_absolute() and not path.is_relative_to(sent.root):
            plain = Path(os.path.normpath(path))
            below = sent.root / plain.relative_to(plain.anchor)
            if below.exists():
                return below
    return path


def find_path(text: str | Path, folder: Path | None) -> Path:
    """The file or folder that `text` names, looked up in `folder`, then in the current directory.

    Raises:
        InputError: there is no such file; the message shows names that look alike.
    """
    if not str(text).strip():
        raise InputError("a path is empty; give a file or a folder.")
    path = expanded(text)
    candidates = [current_folder() / path]
    if folder is not None:
        candidates.insert(0, folder / path)
    for candidate in map(where_it_lies, candidates):
        refuse_odd(candidate)
        if candidate.exists():
            return candidate
    raise InputError(
        f"there is no file or folder {str(text)!r}{_searched(candidates)}. Check the path."
    )


def refuse_odd(path: Path) -> None:
    """Raise `InputError` for a path that no file can have, or where there is a pipe or a device."""
    fault = fault_of_path(path)
    if fault is not None:
        raise InputError(f"{shown(str(path))} {fault}.")


def current_folder() -> Path:
    """The current folder. Raises `InputError` where it has been deleted."""
    try:
        return Path.cwd()
    except OSError as problem:
        raise InputError(
            "The current folder has been deleted; go to one that is there (cd)."
        ) from problem


def _searched(candidates: list[Path]) -> str:
    """Which folders were searched, and which names in them look like the missing one."""
    folders: list[str] = []
    similar: list[str] = []
    for candidate in candidates:
        folders.append(str(candidate.parent))
        if candidate.parent.is_dir():
            names = [entry.name for entry in candidate.parent.iterdir()]
            similar += difflib.get_close_matches(candidate.name, names)
    text = "looked in " + " or ".join(dict.fromkeys(folders))
    if similar:
        text += f"; did you mean {listing(dict.fromkeys(similar), 3)}?"
    return f" ({text})"


def is_reference(text: str) -> bool:
    """Whether `text` reads like FILE.py:NAME or package.module:NAME."""
    return bool(Reference.parse(text).name)
