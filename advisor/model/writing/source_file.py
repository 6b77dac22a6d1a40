"""A file of the user's: what is called in it, how it names things, which edits it shall have, and
the diff of them.
"""

from __future__ import annotations

import ast
import builtins
import difflib
import importlib.util
import symtable
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from advisor.errors import InputError
from advisor.model.swapping.rewrite import End, end_of, span_end
from advisor.model.writing.constructors import ConstructorCall, OriginError

# How many unchanged lines a diff shows around each change.
_CONTEXT = 3

# Stands for a name that a module does not have; None may be a value.
_MISSING = object()

# Why a place in the source is not where it was when the program read it.
CHANGED = "its file has changed since it was imported"


@dataclass(order=True)
class TextEdit:
    """Replace what is between two byte offsets; of two at one place, the lower rank comes first."""

    start: int
    end: int
    rank: int
    text: str = field(compare=False)


class SourceFile:
    """One file: its bytes as they are on disk, its syntax tree, and the edits so far.

    Arguments:
        path: where it is.
        names: the globals of its module, as its functions know them.
    """

    def __init__(self, path: str, names: Mapping[str, Any]) -> None:
        self.path = path
        self._globals = names
        try:
            with open(path, "rb") as file:
                self._source = file.read()
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror})") from error
        self.tree = ast.parse(self._source)
        self._edits: list[TextEdit] = []
        # Import lines and classes to add, in order. Two edits may need the same one.
        self._imports: dict[str, None] = {}
        self._classes: dict[str, None] = {}
        self._line_starts = [0]
        for line in self._source.splitlines(keepends=True):
            self._line_starts.append(self._line_starts[-1] + len(line))

    @property
    def is_edited(self) -> bool:
        """Whether there is anything to write down."""
        return bool(self._edits or self._imports or self._classes)

    # ---------------------------------------------------------------- places

    def start(self, node: ast.AST) -> int:
        """The byte offset at which a node begins."""
        place: Any = node
        return self._offset(place.lineno, place.col_offset)

    def end(self, node: ast.AST) -> int:
        """The byte offset at which a node ends."""
        place: Any = node
        return self._offset(place.end_lineno, place.end_col_offset)

    def _offset(self, line: int, column: int) -> int:
        return self._line_starts[line - 1] + column

    def line_start(self, line: int) -> int:
        """The byte offset of a line, counted from 1."""
        return self._line_starts[min(line, len(self._line_starts)) - 1]

    def text(self, node: ast.AST) -> str:
        """The source of a node."""
        return self._source[self.start(node) : self.end(node)].decode()

    # ---------------------------------------------------------------- edits

    def replace(self, start: int, end: int, text: str, rank: int = 0) -> None:
        """Note an edit."""
        self._edits.append(TextEdit(start, end, rank, text))

    def replace_node(self, node: ast.AST, text: str) -> None:
        """Note an edit that replaces a node."""
        self.replace(self.start(node), self.end(node), text)

    def add_lines(self, block: Sequence[ast.stmt], lines: Sequence[str]) -> None:
        """Note lines at the end of a block, as far in as its first line is.

        Raises `OriginError` where the block has no line of its own.
        """
        first, last = block[0], block[-1]
        start = self.line_start(first.lineno)
        margin = self._source[start : start + first.col_offset].decode()
        if margin.strip():
            raise OriginError(f"line {first.lineno} of {self.path} holds a whole block")
        place = self.line_start((last.end_lineno or last.lineno) + 1)
        text = "".join(f"{margin}{line}\n" for line in lines)
        # The last line of a file may have no end.
        missing = "" if self._source[:place].endswith(b"\n") else "\n"
        self.replace(place, place, missing + text)

    def add_class(self, text: str) -> None:
        """Note a class that is added at the top of the file."""
        self._classes[text] = None

    # ---------------------------------------------------------------- the syntax tree

    @cached_property
    def _parents(self) -> dict[ast.AST, ast.AST]:
        parents = {}
        for node in ast.walk(self.tree):
            for child in ast.iter_child_nodes(node):
                parents[child] = node
        return parents

    def around(self, node: ast.AST) -> Iterator[ast.AST]:
        """What a node is part of, from the inside out."""
        while node in self._parents:
            node = self._parents[node]
            yield node

    def call_ending_at(self, end: End) -> ast.Call | None:
        """The call that is written there; None if there is none."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call) and end_of(node) == end:
                return node
        return None

    def call(self, call: ConstructorCall) -> ast.Call:
        """A call that ran. Raises OriginError where there is none at its place."""
        node = self.call_ending_at(span_end(call.span)) if call.span else None
        if node is None:
            raise OriginError("no call is written there now")

        # If the code that ran does not use the name that is called there, it is another call.
        code = call.code
        used = {*code.co_names, *code.co_varnames, *code.co_cellvars, *code.co_freevars}
        name = getattr(node.func, "attr", getattr(node.func, "id", None))
        if name is not None and name not in used:
            raise OriginError(CHANGED)
        return node

    # ---------------------------------------------------------------- names

    @cached_property
    def names(self) -> set[str]:
        """Every name that means something at the top of the file."""
        # symtable takes bytes too, which know their encoding.
        table = symtable.symtable(self._source, self.path, "exec")  # type: ignore[arg-type]  # see above
        return {*self._globals, *table.get_identifiers()}

    def meaning(self, node: ast.AST) -> Any:
        """What a dotted name means in this file; None where that is nothing."""
        if isinstance(node, ast.Name):
            return self._globals.get(node.id, vars(builtins).get(node.id))
        if isinstance(node, ast.Attribute):
            return getattr(self.meaning(node.value), "__dict__", {}).get(node.attr)
        return None

    def spelled(self, dotted: str, hidden: Collection[str] = ()) -> str:
        """How this file says an importable name, where the names in `hidden` mean something else;
        an import is added if need be.

        Raises InputError where it cannot be said.
        """
        own = f"{self._globals.get('__name__')}."
        if dotted.startswith(own):
            return dotted.removeprefix(own)

        # The longest import of the file that covers the name gives the shortest spelling.
        usable = [item for item in self._import_aliases() if item[1] not in hidden]
        for target, alias in sorted(usable, key=lambda item: -len(item[0])):
            if f"{dotted}.".startswith(f"{target}."):
                return alias + dotted.removeprefix(target)
        top = dotted.partition(".")[0]
        if top not in hidden and self._globals.get(top, _MISSING) is sys.modules.get(top):
            return dotted  # `from … import *` has brought it

        is_taken = top in hidden or top in self.names or top == "__main__"
        if is_taken or importlib.util.find_spec(top) is None:
            raise InputError(
                f"{dotted} cannot be named there, as {top} means something else or cannot be "
                "imported"
            )
        module = top if top == "torch" else dotted.rpartition(".")[0]
        self._imports[f"import {module}\n"] = None
        return dotted

    def _import_aliases(self) -> Iterator[tuple[str, str]]:
        """What the file imports at its top level: the dotted name, and what it is called here."""
        for node in self.tree.body:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    top = alias.name.partition(".")[0]
                    yield (alias.name, alias.asname) if alias.asname else (top, top)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                for alias in node.names:
                    yield f"{node.module}.{alias.name}", alias.asname or alias.name

    # ---------------------------------------------------------------- result

    def edited(self) -> str:
        """The text with all edits."""
        edits = list(self._edits)
        if self._imports or self._classes:
            place = self.line_start(self._last_line_of_head() + 1)
            text = "".join(self._imports) + "".join(f"\n\n{text}" for text in self._classes)
            edits.append(TextEdit(place, place, 0, text))
        parts: list[bytes] = []
        position = 0
        for edit in sorted(edits):
            parts += [self._source[position : edit.start], edit.text.encode()]
            position = edit.end
        return b"".join([*parts, self._source[position:]]).decode()

    def _last_line_of_head(self) -> int:
        """The last line of the imports at the top of the file, or of its docstring."""
        last = 0
        for node in self.tree.body:
            is_docstring = isinstance(node, ast.Expr) and node is self.tree.body[0]
            if is_docstring or isinstance(node, (ast.Import, ast.ImportFrom)):
                last = node.end_lineno or 0
            elif isinstance(node, (ast.ClassDef, ast.FunctionDef)):
                break
        return last

    def diff(self, name: str) -> str:
        """The edits as a unified diff of a file of that name."""
        before, after = self._source.decode(), self.edited()
        if "\r\n" in before:  # new lines end as the others do
            after = after.replace("\r\n", "\n").replace("\n", "\r\n")
        text = ""
        for line in difflib.unified_diff(_lines(before), _lines(after), name, name, n=_CONTEXT):
            text += line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
        return text


def _lines(text: str) -> list[str]:
    """The lines with their ends; the last line may have none. Only newlines end lines."""
    *lines, last = text.split("\n")
    whole = [f"{line}\n" for line in lines]
    return [*whole, last] if last else whole
