"""A file of the user's: what is called in it, how it names things, which edits it shall have, and
the diff of them.
"""

from __future__ import annotations

import ast
import builtins
import difflib
import importlib.util
import os
import symtable
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import FunctionType
from typing import Any

import torch

from advisor.errors import InputError
from advisor.model.swapping.rewrite import DEFINITIONS, first_line, functions_in
from advisor.model.writing.constructors import Call, OriginError

_INSTALLED = tuple(
    {
        os.path.realpath(sysconfig.get_paths()[key]) + os.sep
        for key in ("purelib", "platlib", "stdlib", "platstdlib")
    }
)
_TORCH = os.path.dirname(os.path.realpath(torch.__file__)) + os.sep
_CONTEXT = 3
_MISSING = object()
CHANGED = "its file has changed since it was imported"


def is_installed(path: str, root: str = "") -> bool:
    """Whether a file belongs to Python or to an installed library, and not to the one in which the
    user works (`root`).
    """
    path, root = os.path.realpath(path), os.path.realpath(root) + os.sep
    mine = root.startswith(_INSTALLED) and path.startswith(root)
    return path.startswith((*_INSTALLED, _TORCH)) and not mine


@dataclass(order=True)
class Edit:
    """Replace what is between two byte offsets; of two at one place, the lower rank comes first."""

    start: int
    end: int
    rank: int
    text: str = field(compare=False)


@dataclass
class SourceFile:
    """One file: its bytes as they are on disk, its syntax tree, and the edits so far."""

    path: str
    globals: Mapping[str, Any]  # those of its module that its functions know
    source: bytes = field(init=False, repr=False)
    tree: ast.Module = field(init=False, repr=False)
    edits: list[Edit] = field(default_factory=list)
    head: dict[str, None] = field(default_factory=dict)  # import lines and classes to add, in order

    def __post_init__(self) -> None:
        try:
            with open(self.path, "rb") as file:
                self.source = file.read()
        except OSError as error:
            raise InputError(f"{self.path} cannot be read ({error.strerror})") from error
        self.tree = ast.parse(self.source)
        table = symtable.symtable(self.source, self.path, "exec")  # type: ignore[arg-type]  # bytes too, which know their encoding
        self.names = {*self.globals, *table.get_identifiers()}
        self._lines = [0]
        for line in self.source.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))

    # ---------------------------------------------------------------- places

    def start(self, node: ast.AST) -> int:
        """The byte offset at which a node begins."""
        at: Any = node
        return self._offset(at.lineno, at.col_offset)

    def end(self, node: ast.AST) -> int:
        """The byte offset at which a node ends."""
        at: Any = node
        return self._offset(at.end_lineno, at.end_col_offset)

    def _offset(self, line: int, column: int) -> int:
        return self._lines[line - 1] + column

    def text(self, start: int, end: int) -> str:
        """The source between two offsets."""
        return self.source[start:end].decode()

    def replace(self, start: int, end: int, text: str, rank: int = 0) -> None:
        """Note an edit."""
        self.edits.append(Edit(start, end, rank, text))

    def line_start(self, line: int) -> int:
        """The byte offset of a line, counted from 1."""
        return self._lines[min(line, len(self._lines)) - 1]

    # ---------------------------------------------------------------- the syntax tree

    @cached_property
    def _above(self) -> dict[ast.AST, ast.AST]:
        return {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}

    def above(self, node: ast.AST) -> Iterator[ast.AST]:
        """What a node is part of, from the inside out."""
        while (outer := self._above.get(node)) is not None:
            yield outer
            node = outer

    @cached_property
    def _calls(self) -> dict[tuple[int | None, int | None], ast.Call]:
        return {
            (node.end_lineno, node.end_col_offset): node
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Call)
        }

    def call(self, call: Call) -> ast.Call:
        """A call that ran. Raises OriginError where there is none at its place."""
        node = self._calls.get((call.span[1], call.span[3])) if call.span else None
        if node is None:
            raise OriginError("no call is written there now")
        name = getattr(node.func, "attr", getattr(node.func, "id", None))
        code = call.code
        if name is not None and name not in {
            *code.co_names,
            *code.co_varnames,
            *code.co_cellvars,
            *code.co_freevars,
        }:
            raise OriginError(CHANGED)
        return node

    # ---------------------------------------------------------------- names

    def meaning(self, node: ast.AST) -> Any:
        """What a dotted name means in this file; None where that is nothing."""
        if isinstance(node, ast.Name):
            return self.globals.get(node.id, vars(builtins).get(node.id))
        if isinstance(node, ast.Attribute):
            return getattr(self.meaning(node.value), "__dict__", {}).get(node.attr)
        return None

    def spelled(self, dotted: str, hidden: Iterable[str] = ()) -> str:
        """How this file says an importable name, where the names in `hidden` mean something else;
        an import is added if need be.

        Raises InputError where it cannot be said.
        """
        own = self.globals.get("__name__")
        if dotted.startswith(f"{own}."):
            return dotted[len(f"{own}.") :]
        known = [(target, alias) for alias, target in self._aliases() if alias not in hidden]
        for target, alias in sorted(known, key=lambda item: -len(item[0])):
            if dotted == target or dotted.startswith(f"{target}."):
                return alias + dotted[len(target) :]
        top = dotted.partition(".")[0]
        if top not in hidden and self.globals.get(top, _MISSING) is sys.modules.get(
            top
        ):  # by `from … import *`
            return dotted
        if (
            dotted.startswith("__main__.")
            or top in hidden
            or top in self.names
            or importlib.util.find_spec(top) is None
        ):
            raise InputError(
                f"{dotted} cannot be named there, as {top} means something else or cannot be imported"
            )
        self.head[f"import {top if top == 'torch' else dotted.rpartition('.')[0]}\n"] = None
        return dotted

    def _aliases(self) -> Iterator[tuple[str, str]]:
        for node in self.tree.body:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield (
                        (alias.asname, alias.name)
                        if alias.asname
                        else (alias.name.partition(".")[0],) * 2
                    )
            elif isinstance(node, ast.ImportFrom) and not node.level:
                yield from (
                    (alias.asname or alias.name, f"{node.module}.{alias.name}")
                    for alias in node.names
                )

    # ---------------------------------------------------------------- result

    def edited(self) -> str:
        """The text with all edits."""
        self._add_head()
        parts, at = [], 0
        for edit in sorted(self.edits):
            parts += [self.source[at : edit.start], edit.text.encode()]
            at = edit.end
        return b"".join([*parts, self.source[at:]]).decode()

    def _add_head(self) -> None:
        """Imports and classes after the last import at the top of the file, or after its docstring."""
        if self.head:
            imports = "".join(text for text in self.head if text.startswith("import "))
            classes = "".join(f"\n\n{text}" for text in self.head if not text.startswith("import "))
            place = self.line_start(self._last_of_head() + 1)
            self.replace(place, place, imports + classes)
            self.head.clear()

    def _last_of_head(self) -> int:
        last = 0
        for node in self.tree.body:
            if isinstance(node, (ast.Import, ast.ImportFrom)) or (
                isinstance(node, ast.Expr) and node is self.tree.body[0]
            ):
                last = node.end_lineno or 0
            elif isinstance(node, (ast.ClassDef, ast.FunctionDef)):
                break
        return last

    def diff(self, name: str) -> str:
        """The edits as a unified diff of a file of that name."""
        newline = "\r\n" if b"\r\n" in self.source else "\n"
        before, after = self.source.decode(), self.edited()
        if newline == "\r\n":
            after = after.replace("\r\n", "\n").replace("\n", "\r\n")
        lines = difflib.unified_diff(_lines(before), _lines(after), name, name, n=_CONTEXT)
        return "".join(
            line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
            for line in lines
        )


def _lines(text: str) -> list[str]:
    return [line + "\n" for line in text.split("\n")[:-1]] + (
        [last] if (last := text.rpartition("\n")[2]) else []
    )


class Files:
    """The user's source files below `root`, or anywhere outside installed libraries, each read
    once.
    """

    def __init__(self, root: str = "") -> None:
        self._root = root
        self.opened: dict[str, SourceFile] = {}

    def at(self, path: str, names: Mapping[str, Any]) -> SourceFile:
        """The file at a path, whose functions know these globals. Raises OriginError where it is
        not the user's.
        """
        if is_installed(path, self._root):
            raise OriginError(
                f"its source, {os.path.basename(path)}, belongs to an installed library"
            )
        if path not in self.opened:
            try:
                self.opened[path] = SourceFile(path, names)
            except (InputError, SyntaxError) as error:
                raise OriginError(f"its source cannot be read: {error}") from error
        return self.opened[path]

    def definition(self, function: FunctionType) -> tuple[SourceFile, Any]:
        """A function's file and its definition there."""
        code = function.__code__
        file = self.at(code.co_filename, function.__globals__)
        for node in ast.walk(file.tree):
            named = isinstance(node, DEFINITIONS) and node.name == code.co_name
            if isinstance(node, DEFINITIONS) and named and first_line(node) == code.co_firstlineno:
                return file, node
        raise OriginError(CHANGED)

    def class_of(self, klass: type) -> tuple[SourceFile, ast.ClassDef]:
        """A class's file and its definition there."""
        inside = (function for value in vars(klass).values() for function in functions_in(value))
        own = (
            each
            for each in inside
            if each.__code__.co_qualname == f"{klass.__qualname__}.{each.__code__.co_name}"
        )
        function = next(own, None)
        if function is None:
            raise OriginError(f"{klass.__name__} has no method of its own")
        file, inner = self.definition(function)
        for node in ast.walk(file.tree):
            if isinstance(node, ast.ClassDef) and inner in node.body:
                return file, node
        raise OriginError(f"{klass.__name__} is not written as a class")
