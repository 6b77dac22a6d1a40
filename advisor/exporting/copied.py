"""The user's own files that a folder needs: the named ones, and those that they import."""

from __future__ import annotations

import ast
import importlib.util
import keyword
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from advisor.content.own_files import is_own_file
from advisor.errors import InputError

OWN_CODE = "own_code"
"""The folder of an export in which the user's files are."""


@dataclass
class CopiedFiles:
    """Files of the user by their place in the folder of an export.

    Attributes:
        files: where each file goes, relative to `OWN_CODE`, and where it is.
        libraries: top names of installed modules that they import.
        edited: the text of files that are not copied as they are, by their places.
    """

    files: dict[str, Path] = field(default_factory=dict)
    libraries: set[str] = field(default_factory=set)
    edited: dict[str, str] = field(default_factory=dict)

    def add(self, file: Path, root: Path | None = None) -> str:
        """Take a file, and what it imports beside it; returns its place there.

        Arguments:
            file: a Python file.
            root: the folder from which its siblings are imported; None for its own.

        Raises:
            InputError: two different files would have one place.
        """
        file = file.resolve()
        root = file.parent if root is None else root.resolve()
        place = self.take(file, root)
        seen = {file}
        waiting = [file]
        while waiting:
            for found in self._siblings(waiting.pop(), root):
                if found not in seen:
                    seen.add(found)
                    waiting.append(found)
                    self.take(found, root)
        return place

    def place_of(self, file: Path) -> str | None:
        """The place of a file that was taken; None where it was not."""
        return next((place for place, own in self.files.items() if own == file.resolve()), None)

    def text(self, place: str) -> bytes:
        """What is written at a place."""
        if place in self.edited:
            return self.edited[place].encode()
        return self.files[place].read_bytes()

    def take(self, file: Path, root: Path) -> str:
        """Take one file as it is; returns its place. Raises `InputError` as `add`."""
        place = file.relative_to(root).as_posix() if file.is_relative_to(root) else file.name
        other = self.files.setdefault(place, file)
        if other != file and other.read_bytes() != file.read_bytes():
            raise InputError(
                f"{other} and {file} would both be {place} in the exported folder; rename one."
            )
        return place

    def _siblings(self, file: Path, root: Path) -> Iterator[Path]:
        """The user's files that one imports, anywhere in its code."""
        try:
            tree = ast.parse(file.read_bytes())
        except (SyntaxError, ValueError):
            return
        for name in _imported(tree, file, root):
            found = list(_files_of(name, root))
            yield from found
            if not found:
                self.libraries.add(name.partition(".")[0])


def _imported(tree: ast.Module, file: Path, root: Path) -> Iterator[str]:
    """The dotted names of modules that may be imported, relative ones made whole."""
    package = list(file.relative_to(root).parent.parts) if file.is_relative_to(root) else []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            if module:
                yield module
            yield from (f"{module}.{alias.name}".lstrip(".") for alias in node.names)


def _files_of(name: str, root: Path) -> Iterator[Path]:
    """The files below a folder that an import of a dotted name runs."""
    parts = name.split(".")
    for count in range(1, len(parts) + 1):
        place = root.joinpath(*parts[:count])
        for file in (place / "__init__.py", place.with_suffix(".py") if place.name else place):
            if file.is_file() and is_own_file(file):
                yield file.resolve()


def importable(place: str) -> str | None:
    """The dotted name under which a file of `OWN_CODE` is imported; None where another module has
    its name, or it is none.
    """
    parts = place.removesuffix(".py").split("/")
    if parts[-1] == "__init__":
        parts = parts[:-1]
    is_name = all(part.isidentifier() and not keyword.iskeyword(part) for part in parts)
    top = parts[0] if parts else ""
    if not is_name or top in sys.stdlib_module_names or top in ("train", "predict"):
        return None
    loaded = sys.modules.get(top)
    file = getattr(loaded, "__file__", None) or getattr(_spec_of(top), "origin", None)
    if isinstance(file, str) and not is_own_file(Path(file)):
        return None
    return ".".join(parts)


def _spec_of(top: str) -> object:
    try:
        return importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
