"""The source that ran: finds the syntax of a code object, and of what a module's names are made of.

A file may have been edited since it was imported. So a piece of source counts only where compiling
it gives the very code that ran.
"""

from __future__ import annotations

import ast
import linecache
import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import CodeType

from advisor.content.bytecode import codes_in, content
from advisor.content.syntax import canonical_function
from advisor.loading.own_modules import digest_of

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_SIMPLE = (ast.If, ast.Try, ast.TryStar)


@dataclass
class RanSource:
    """One source that was parsed, by what is looked up in it.

    Arguments:
        text: the source.
        tree: its syntax.
        compiled: its code.
        digest: a hash of the file's content.
    """

    text: bytes
    tree: ast.Module
    compiled: CodeType
    digest: str = field(init=False)
    _texts: dict[ast.AST, str | None] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.digest = digest_of(self.text)

    @cached_property
    def _codes(self) -> set[CodeType]:
        """All code of the source. Two are equal only where they stand at the same place."""
        return set(codes_in(self.compiled))

    @cached_property
    def _nodes(self) -> dict[tuple[str, int], list[ast.AST]]:
        """Functions by their name in code and the line where that begins."""
        nodes: dict[tuple[str, int], list[ast.AST]] = defaultdict(list)
        for node in ast.walk(self.tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                first = node.decorator_list[0] if node.decorator_list else node
                nodes[node.name, first.lineno].append(node)
            elif isinstance(node, ast.Lambda):
                nodes["<lambda>", node.lineno].append(node)
        return nodes

    def function(self, code: CodeType) -> ast.AST | None:
        """The syntax of the function that this code runs; None where the source is another."""
        if code in self._codes:
            return self._node_at(code)
        # The lines above it may have changed since, and the function not.
        for other in self._codes:
            if other.co_qualname == code.co_qualname and content(other) == content(code):
                return self._node_at(other)
        return None

    def _node_at(self, code: CodeType) -> ast.AST | None:
        """The smallest function at the place of a code object of this source."""
        nodes = self._nodes.get((code.co_name, code.co_firstlineno), [])
        around = nodes
        if len(nodes) > 1:
            around = [node for node in nodes if _is_around(node, code)]
        return min(around, key=_size) if len(around) > 1 else next(iter(around), None)

    def canonical(self, node: ast.AST) -> str | None:
        """What a function of this source does, without comments and layout; None where it is
        nested too deeply to be walked through.
        """
        if node not in self._texts:
            try:
                self._texts[node] = canonical_function(node)
            except RecursionError:
                self._texts[node] = None
        return self._texts[node]

    @cached_property
    def makers(self) -> Mapping[str, list[ast.stmt]]:
        """The statements at the top level that name each global name, in order."""
        return _makers(self.tree.body)

    def attribute_makers(self, qualname: str, name: str) -> list[ast.stmt]:
        """The statements in the bodies of the classes of that name that name an attribute."""
        found: list[ast.stmt] = []
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ClassDef) and node.name == qualname.rpartition(".")[2]:
                found += _makers(node.body).get(name, [])
        return found


def read_source(filename: str) -> RanSource | None:
    """The source in a file, or of a notebook's cell; None where there is none that can be read."""
    try:
        text = Path(filename).read_bytes()
    except (OSError, ValueError):
        text = "".join(linecache.getlines(filename)).encode()
    if not text.strip():
        return None
    try:
        with warnings.catch_warnings():  # the user has seen them when the file was imported
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
            compiled = compile(tree, filename, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError):
        return None
    return RanSource(text, tree, compiled)


class Sources:
    """Sources by their files, each read once."""

    def __init__(self) -> None:
        self._by_file: dict[str, RanSource | None] = {}

    def of(self, filename: str) -> RanSource | None:
        """The source in a file, or None."""
        if filename not in self._by_file:
            self._by_file[filename] = read_source(filename)
        return self._by_file[filename]


def _is_around(node: ast.AST, code: CodeType) -> bool:
    """Whether all that a code object does is written inside a node; lines alone tell no lambdas
    apart.
    """
    if not isinstance(node, ast.Lambda):
        return True
    start, end = (node.lineno, node.col_offset), (node.end_lineno or 0, node.end_col_offset or 0)
    for line, last_line, column, last_column in code.co_positions():
        if line is None or last_line is None or not last_column or column is None:
            continue
        if (line, column) < start or (last_line, last_column) > end:
            return False
    return True


def _size(node: ast.AST) -> int:
    return sum(1 for _ in ast.walk(node))


def _makers(body: list[ast.stmt]) -> dict[str, list[ast.stmt]]:
    """The statements of a block by the names that they bind or change."""
    makers: dict[str, list[ast.stmt]] = defaultdict(list)
    for statement in _simple_statements(body):
        for name in dict.fromkeys(_names_made_by(statement)):
            makers[name].append(statement)
    return makers


def _simple_statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a block, those inside its conditions one by one."""
    for statement in body:
        if isinstance(statement, _SIMPLE):
            for part in (statement.body, statement.orelse, getattr(statement, "finalbody", [])):
                yield from _simple_statements(part)
            for handler in getattr(statement, "handlers", []):
                yield from _simple_statements(handler.body)
        else:
            yield statement


def _names_made_by(node: ast.AST) -> Iterator[str]:
    """The names that a statement binds, or whose objects it may change."""
    if isinstance(node, _DEFINITIONS):
        yield node.name
        return
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        for alias in node.names:
            yield (alias.asname or alias.name).partition(".")[0]
    elif isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
        yield node.id
    elif isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
        yield from _root(node)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        yield from _root(node.func)
    for child in ast.iter_child_nodes(node):
        yield from _names_made_by(child)


def _root(node: ast.AST) -> Iterator[str]:
    """The name with which `NAME.attribute[…]` begins."""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    if isinstance(node, ast.Name):
        yield node.id
