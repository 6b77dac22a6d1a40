"""The line of a technique's file that most likely breaks a promise."""

from __future__ import annotations

import ast
import inspect
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

import advisor
from advisor.technique import Technique

_FOREIGN = tuple(str(Path(module.__file__ or "").parent) for module in (advisor, torch))
"""Folders whose files are not the plugin author's."""


def file_of(technique: Technique) -> Path | None:
    """The file of a technique's class, or of what its factory is; None where both are advisor's or
    torch's own.
    """
    # A plugin may write a class of its own, or hand its function to one of advisor's.
    return _source(type(technique)) or _source(getattr(technique, "factory", None))


def place_of(
    technique: Technique, at: tuple[str, ...], problem: BaseException | None, file: Path | None
) -> str:
    """`snake.py:12` where a line is known, else `snake.py`, else the technique's class.

    The line is the deepest of `problem`'s in the file; else that of the first of `at` in the
    technique's class, or in the class or function that its factory is; else the one that writes its
    name.
    """
    file = file_of(technique) or file
    if file is None:
        return type(technique).__name__
    # Where nothing was raised, a promise knows which names are likely at fault.
    line = _raised_at(problem, file) or _declared_at(technique, at, file)
    return f"{file.name}:{line}" if line else file.name


def _source(thing: Any) -> Path | None:
    module = sys.modules.get(getattr(thing, "__module__", None) or "")
    path = getattr(module, "__file__", None)
    if path is None or path.startswith(_FOREIGN):
        return None
    return Path(path)


def _raised_at(problem: BaseException | None, file: Path) -> int | None:
    """The deepest line in the file of an exception, or of the one that led to it."""
    line = None
    # An exception that was wrapped shows its line in the one that led to it.
    visited = set()
    while problem is not None and id(problem) not in visited:
        visited.add(id(problem))
        for call in traceback.extract_tb(problem.__traceback__):
            if _is_same_file(Path(call.filename), file):
                line = call.lineno
        problem = problem.__cause__ or problem.__context__
    return line


def _is_same_file(path: Path, file: Path) -> bool:
    return path.name == file.name and path.resolve() == file.resolve()


def _declared_at(technique: Technique, at: tuple[str, ...], file: Path) -> int | None:
    """The line that declares the first of `at`, else the class, else the technique's name."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    definitions = {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            definitions[node.name] = node

    # The technique's classes come before what its factory is, each with its base classes.
    factory = getattr(technique, "factory", None)
    owners: list[Any] = [*type(technique).__mro__]
    owners += inspect.getmro(factory) if inspect.isclass(factory) else [factory]
    own_definitions = []
    for owner in owners:
        name = getattr(owner, "__name__", None)
        path = _source(owner)
        if name in definitions and path is not None and _is_same_file(path, file):
            own_definitions.append(definitions[name])

    # Without a line of its own, a fault stands where the technique is defined.
    line_of_name = _line_of_name(tree, technique)
    for name in at:
        if name == "name" and line_of_name:
            return line_of_name
        for definition in own_definitions:
            line = _line_of_member(definition, name)
            if line is not None:
                return line
    return own_definitions[0].lineno if own_definitions else line_of_name


def _line_of_member(node: ast.ClassDef | ast.FunctionDef, name: str) -> int | None:
    """The line in a class that defines a method or sets an attribute; a tuple of attributes too."""
    if isinstance(node, ast.ClassDef):
        for child in node.body:
            if getattr(child, "name", None) == name or name in _assigned_names(child):
                return child.lineno
    return None


def _assigned_names(node: ast.stmt) -> Iterator[str]:
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign):
        targets = [node.target]
    for target in targets:
        for part in ast.walk(target):
            if isinstance(part, ast.Name):
                yield part.id


def _line_of_name(tree: ast.Module, technique: Technique) -> int | None:
    """The first line that writes the technique's name as a text."""
    name = getattr(technique, "name", None)
    # The first is where it is declared; others may be in texts or tests below.
    lines = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value == name:
            lines.append(node.lineno)
    return min(lines, default=None)
