"""Finds the file or folder that a user names."""

from __future__ import annotations

import difflib
from pathlib import Path

from advisor.errors import InputError, listing
from advisor.loading.references import Reference
from advisor.values import fault_of_path, shown


def find_path(text: str | Path, folder: Path | None) -> Path:
    """The file or folder that `text` names, looked up in `folder`, then in the current directory.

    Raises:
        InputError: there is no such file; the message shows names that look alike.
    """
    if not str(text).strip():
        raise InputError("a path is empty; give a file or a folder.")
    path = Path(text).expanduser()
    candidates = [current_folder() / path]
    if folder is not None:
        candidates.insert(0, folder / path)
    for candidate in candidates:
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
