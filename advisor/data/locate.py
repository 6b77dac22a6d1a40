"""Finds what a word of the user names: a path, or an object in a Python file or module."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

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
        raise InputError(f"there is no file or folder {str(text)!r}{_alike(places)}. Check the path.")
    return found


def _alike(places: list[Path]) -> str:
    """Which names in the folders that were searched look like the one that is missing."""
    names: list[str] = []
    for place in places:
        if place.parent.is_dir():
            names += difflib.get_close_matches(place.name, [entry.name for entry in place.parent.iterdir()])
    looked = " or ".join(dict.fromkeys(str(place.parent) for place in places))
    return f" (looked in {looked}" + (f"; did you mean {listing(dict.fromkeys(names), 3)}?)" if names else ")")


def is_reference(text: str) -> bool:
    """Whether `text` reads like FILE.py:NAME or package.module:NAME."""
    place, _, name = text.rpartition(":")
    module = place.endswith(".py") or all(word.isidentifier() for word in place.split("."))
    return bool(place) and module and name.isidentifier()


def load(reference: str, folder: Path | None) -> Any:
    """The object that FILE.py:NAME or package.module:NAME names.

    Raises:
        InputError: the file or module is missing or fails, or has no such name.
    """
    place, _, name = reference.rpartition(":")
    module = _from_file(find_path(place, folder)) if place.endswith(".py") else _from_package(place, folder)
    try:
        return getattr(module, name)
    except AttributeError:
        names = [word for word in vars(module) if not word.startswith("_")]
        raise InputError(f"{place} has no {name!r}; it has {listing(names)}.") from None


def _from_file(path: Path) -> ModuleType:
    """Execute a Python file once as a module, its siblings importable."""
    path = path.resolve()
    # The name holds path and content: one file is run once, and again after it was edited.
    mark = hashlib.sha256(str(path).encode() + path.read_bytes()).hexdigest()[:8]
    name = f"advisor_data_{path.stem}_{mark}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path} cannot be read as a Python file.")
    module = importlib.util.module_from_spec(spec)
    _importable(path.parent)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise InputError(f"{path} fails when it is run: {type(error).__name__}: {error}") from error
    return module


def _from_package(name: str, folder: Path | None) -> ModuleType:
    _importable(folder or Path.cwd())
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise InputError(f"the module {name!r} cannot be imported: {type(error).__name__}: {error}") from error


def _importable(folder: Path) -> None:
    """The user's files may import their neighbours, also later, when a function is called."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
