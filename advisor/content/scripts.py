"""What a training script is made of: each part of its file, and of the user's own that it imports.

Nothing of it is run: imports are found where they are written, also inside functions.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path

from advisor.content.own_files import is_own_file
from advisor.content.syntax import canonical
from advisor.content.tokens import combine

THE_SCRIPT = "the script"
"""What the script's own file is called, whatever its name: a copy is the same script."""
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
"""Statements that have a digest each; all others of a file have one together."""


@dataclass(frozen=True)
class ImportedName:
    """A module that some code may import.

    Attributes:
        name: with dots.
        package: the one that a relative import starts from; empty for an absolute one.
    """

    name: str
    package: str = ""

    @property
    def whole(self) -> str:
        """Its name from the outermost package on."""
        return ".".join(part for part in (self.package, self.name) if part)


def script_parts(path: str | Path) -> dict[str, str]:
    """Digests of all definitions of a script, and of the user's own modules that it may import.

    Comments, layout, docstrings and annotations change nothing.

    Raises:
        OSError, SyntaxError, ValueError: the script cannot be read.
    """
    path = Path(path).resolve()
    parts: dict[str, str] = {}
    folder = path.parent
    waiting = [("", path)]
    seen = {path}
    while waiting:
        module, file = waiting.pop(0)
        try:
            tree = ast.parse(file.read_bytes(), str(file))
        except (SyntaxError, ValueError):
            if file == path:
                raise
            continue  # a module that is imported in a case that never is
        parts.update(parts_of(tree, THE_SCRIPT if file == path else name_of(file, folder)))
        for imported in imported_by(tree, module, file):
            for whole, found in own_files_of(imported.whole, [str(folder), *sys.path]):
                if found not in seen:
                    seen.add(found)
                    waiting.append((whole, found))
    return parts


def name_of(file: Path, folder: Path) -> str:
    """What a file is called: by its path from the script's folder, where it is below that."""
    return str(file.relative_to(folder) if file.is_relative_to(folder) else file)


def parts_of(tree: ast.Module, file: str) -> dict[str, str]:
    """A digest of each definition in a file, and one of all its other statements."""
    others: list[str] = []
    parts: dict[str, str] = {}
    for statement in tree.body:
        if isinstance(statement, DEFINITIONS):
            name = f"{statement.name} in {file}"
            # A name that is defined twice has both.
            parts[name] = combine(parts.get(name, ""), canonical(statement))
        elif not is_docstring(statement):
            others.append(canonical(statement))
    parts[f"the statements of {file}"] = combine(*others)
    return parts


def is_docstring(statement: ast.stmt) -> bool:
    """Whether a statement is a text that nobody reads."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def imported_by(tree: ast.Module, module: str, file: Path) -> Iterator[ImportedName]:
    """The modules that the code of a file may import, wherever that is written in it.

    Arguments:
        tree: of the file.
        module: its name with dots; empty for a script.
        file: its path.
    """
    # A package is its own start for relative imports.
    package = module if file.stem == "__init__" else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield ImportedName(alias.name)
        elif isinstance(node, ast.ImportFrom):
            start = ""
            if node.level:
                start = package_above(package, node.level - 1)
            inner = node.module or ""
            if inner:
                yield ImportedName(inner, start)
            # What is imported from a package may be a module of it.
            for alias in node.names:
                yield ImportedName(f"{inner}.{alias.name}".lstrip("."), start)


def package_above(package: str, levels: int) -> str:
    """The package that lies so many levels above a package."""
    words = package.split(".") if package else []
    return ".".join(words[: len(words) - levels])


def own_files_of(name: str, path: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """The user's own files that run when a module is imported: its packages', and its own.

    Arguments:
        name: of the module, with dots.
        path: folders to look in.
    """
    places: Sequence[str] | None = path
    whole = ""
    for word in name.split("."):
        whole = f"{whole}.{word}".lstrip(".")
        try:
            spec = PathFinder.find_spec(whole if places is path else word, places)
            spec = spec or PathFinder.find_spec(whole, places)
        except (ImportError, ValueError):
            return
        if spec is None:
            return
        if spec.origin is not None and spec.origin.endswith(".py"):
            file = Path(spec.origin).resolve()
            if not is_own_file(file):
                return
            yield whole, file
        if spec.submodule_search_locations is None:
            return
        places = list(spec.submodule_search_locations)
