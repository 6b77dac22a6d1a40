"""Where a technique stands in its file, as well as that can be told."""

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


def file_of(technique: Technique) -> Path | None:
    """The file of a technique's class, or of what its factory is; None where both are advisor's or
    torch's own.
    """
    things = (type(technique), getattr(technique, "factory", None))
    return next((path for thing in things if (path := _source(thing)) is not None), None)


def place_of(
    technique: Technique, at: tuple[str, ...], problem: BaseException | None, file: Path | None
) -> str:
    """`snake.py:12` where a line can be told, else `snake.py`, else the technique's class.

    The line is the deepest of `problem`'s in the file; else that of the first of `at` in the
    technique's class, or in the class or function that its factory is; else the one that writes its
    name.
    """
    file = file_of(technique) or file
    if file is None:
        return type(technique).__name__
    line = _raised_at(problem, file) or _declared_at(technique, at, file)
    return f"{file.name}:{line}" if line else file.name


def _source(thing: Any) -> Path | None:
    module = sys.modules.get(getattr(thing, "__module__", None) or "")
    path = getattr(module, "__file__", None)
    return Path(path) if path is not None and not path.startswith(_FOREIGN) else None


def _raised_at(problem: BaseException | None, file: Path) -> int | None:
    line, seen = None, set()
    while problem is not None and id(problem) not in seen:
        seen.add(id(problem))
        calls = [
            call.lineno
            for call in traceback.extract_tb(problem.__traceback__)
            if _is(call.filename, file)
        ]
        line = calls[-1] if calls else line
        problem = problem.__cause__ or problem.__context__
    return line


def _is(filename: str, file: Path) -> bool:
    return Path(filename).name == file.name and Path(filename).resolve() == file.resolve()


def _declared_at(technique: Technique, at: tuple[str, ...], file: Path) -> int | None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    nodes = {
        node.name: node
        for node in ast.walk(tree)
        if isinstance(node, (ast.ClassDef, ast.FunctionDef))
    }
    factory = getattr(technique, "factory", None)
    owners = [
        *type(technique).__mro__,
        *(inspect.getmro(factory) if inspect.isclass(factory) else [factory]),
    ]
    mine = [
        nodes[name] for thing in owners if _is_in(thing, file) and (name := thing.__name__) in nodes
    ]
    named = _line_of_name(tree, technique)
    for name in at:
        if name == "name" and named:
            return named
        for node in mine:
            if (line := _member(node, name)) is not None:
                return line
    return mine[0].lineno if mine else named


def _is_in(thing: Any, file: Path) -> bool:
    path = _source(thing)
    return path is not None and hasattr(thing, "__name__") and path.resolve() == file.resolve()


def _member(node: ast.ClassDef | ast.FunctionDef, name: str) -> int | None:
    """The line in a class that defines a method or sets an attribute; a tuple of attributes too."""
    for child in node.body if isinstance(node, ast.ClassDef) else []:
        if getattr(child, "name", None) == name or name in _targets(child):
            return child.lineno
    return None


def _targets(node: ast.stmt) -> Iterator[str]:
    targets = (
        node.targets
        if isinstance(node, ast.Assign)
        else [node.target]
        if isinstance(node, ast.AnnAssign)
        else []
    )
    for target in targets:
        yield from (part.id for part in ast.walk(target) if isinstance(part, ast.Name))


def _line_of_name(tree: ast.Module, technique: Technique) -> int | None:
    name = getattr(technique, "name", None)
    lines = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value == name
    ]
    return min(lines, default=None)
