"""Finds the file or folder that a word of the user names."""

from __future__ import annotations

import difflib
from pathlib import Path

from advisor.errors import InputError, listing


def find_path(text: str | Path, folder: Path | None) -> Path:
    """The file or folder that `text` names, looked for in `folder`, then in the current directory.

    Raises:
        InputError: there is no such file; names that look alike are shown.
    """
    if not str(text).strip():
        raise InputError("a path is empty; give a file or a folder.")
    path = Path(text).expanduser()
    places = [base / path for base in (folder, Path.cwd()) if base is not None]
    found = next((place for place in places if place.exists()), None)
    if found is None:
        raise InputError(
            f"there is no file or folder {str(text)!r}{_alike(places)}. Check the path."
        )
    return found


def _alike(places: list[Path]) -> str:
    """Which names in the folders that were searched look like the one that is missing."""
    names: list[str] = []
    for place in places:
        if place.parent.is_dir():
            names += difflib.get_close_matches(
                place.name, [entry.name for entry in place.parent.iterdir()]
            )
    looked = " or ".join(dict.fromkeys(str(place.parent) for place in places))
    return f" (looked in {looked}" + (
        f"; did you mean {listing(dict.fromkeys(names), 3)}?)" if names else ")"
    )


def is_reference(text: str) -> bool:
    """Whether `text` reads like FILE.py:NAME or package.module:NAME."""
    place, _, name = text.rpartition(":")
    module = place.endswith(".py") or all(word.isidentifier() for word in place.split("."))
    return bool(place) and module and name.isidentifier()
