"""Runs what a Python file defines and leaves out what it does: no training, no downloads, no
reading of arguments.
"""

from __future__ import annotations
import __future__

import ast
import builtins
import logging
import os
import re
from collections import OrderedDict, defaultdict, namedtuple
from collections.abc import Iterable, Iterator
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any, NewType, TypeVar

from advisor.errors import LEFT_OUT, left_out_of

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_IMPORTS = (ast.Import, ast.ImportFrom)
_PLAIN = (
    ast.Constant, ast.Name, ast.Attribute, ast.Subscript, ast.Slice, ast.Starred, ast.Tuple, ast.List, ast.Set, ast.Dict,
    ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.JoinedStr, ast.FormattedValue, ast.Lambda, ast.Call,
    ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.comprehension, ast.keyword, ast.expr_context,
    ast.operator, ast.unaryop, ast.boolop, ast.cmpop,
)  # fmt: skip
# calls that only make a value
_HARMLESS = (
    *(
        bool,
        complex,
        dict,
        enumerate,
        float,
        frozenset,
        int,
        len,
        list,
        max,
        min,
        range,
        round,
        set,
        slice,
        sorted,
        str,
        sum,
    ),
    *(
        tuple,
        zip,
        abs,
        namedtuple,
        OrderedDict,
        defaultdict,
        partial,
        SimpleNamespace,
        re.compile,
        logging.getLogger,
    ),
    *(os.getenv, TypeVar, NewType),
)
_HARMLESS_NAMES = ("torch.device", "torch.cuda.is_available", "torch.backends.mps.is_available")
_HARMLESS_MODULES = ("math",)
_VALUES = (
    str,
    bytes,
    int,
    float,
    tuple,
    list,
    dict,
    set,
    frozenset,
)  # whose methods change nothing else
_PATHS = ("sys.path.append", "sys.path.insert", "sys.path.extend")  # later imports rely on them


def run_definitions(module: ModuleType, source: bytes, path: str) -> None:
    """Run the imports, functions, classes and constants of a file in `module`, statement by
    statement.

    A constant is a literal, or is made of names defined above by arithmetic and containers. What
    fails is left out as well, with what it would have defined; `left_out_of` tells where such a
    name was. Raises `SyntaxError`.
    """
    tree = ast.parse(source, path)
    reader = _Reader(module, path)
    vars(module)["__doc__"] = ast.get_docstring(tree)
    reader.run(tree.body)


class _Reader:
    """Takes a file's statements one by one; knows what is defined so far and what was left out."""

    def __init__(self, module: ModuleType, path: str) -> None:
        self.names = vars(module)
        self.path = path
        self.file = path.replace("\\", "/").rpartition("/")[2]
        self.left_out: dict[str, str] = {}
        self.futures = 0
        setattr(module, LEFT_OUT, self.left_out)

    def run(self, statements: Iterable[ast.stmt]) -> None:
        """Run the statements that define something."""
        for statement in statements:
            for kept in self.kept(statement):
                self._run(kept)

    def kept(self, statement: ast.stmt) -> Iterator[ast.stmt]:
        """What of a statement is to be run: itself, the branch that holds, or nothing."""
        if (
            isinstance(statement, ast.If)
            and self._is_plain(statement.test)
            and (holds := self._holds(statement.test)) is not None
        ):
            for inner in statement.body if holds else statement.orelse:
                yield from self.kept(inner)
        elif isinstance(statement, ast.Try):
            yield self._guarded(statement)
        elif self._defines(statement):
            yield statement
        else:
            self._leave_out(statement, "")

    def _defines(self, statement: ast.stmt) -> bool:
        if isinstance(statement, ast.Assign):
            return all(map(_is_name, statement.targets)) and self._is_plain(statement.value)
        if isinstance(statement, ast.AugAssign):
            return _is_name(statement.target) and self._is_plain(statement.value)
        if isinstance(statement, ast.AnnAssign):
            return _is_name(statement.target) and (
                statement.value is None or self._is_plain(statement.value)
            )
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            return ast.unparse(statement.value.func) in _PATHS
        return (
            isinstance(statement, (*_DEFINITIONS, *_IMPORTS, ast.Pass))
            or type(statement).__name__ == "TypeAlias"
        )

    def _guarded(self, statement: ast.Try) -> ast.Try:
        """`try: import x`, `except ImportError: x = None` without what else is tried."""
        handlers = [
            ast.copy_location(ast.ExceptHandler(h.type, h.name, self._block(h.body)), h)
            for h in statement.handlers
        ]
        blocks = [
            self._block(block) for block in (statement.body, statement.orelse, statement.finalbody)
        ]
        rest = [
            block if block[1:] or not isinstance(block[0], ast.Pass) else [] for block in blocks[1:]
        ]
        if not handlers and not rest[1]:
            rest[1] = [ast.Pass()]
        return ast.fix_missing_locations(
            ast.copy_location(ast.Try(blocks[0], handlers, *rest), statement)
        )

    def _block(self, statements: Iterable[ast.stmt]) -> list[ast.stmt]:
        return [kept for statement in statements for kept in self.kept(statement)] or [ast.Pass()]

    def _run(self, statement: ast.stmt) -> None:
        if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
            for alias in statement.names:
                self.futures |= getattr(__future__, alias.name).compiler_flag
        tree = ast.Module([statement], [])
        try:
            code = compile(tree, self.path, "exec", flags=self.futures, dont_inherit=True)
            exec(code, self.names)  # the user named this file, and asked for its definitions
        except SyntaxError:
            raise
        except (Exception, SystemExit) as problem:
            why = " ".join(str(problem).split()) + left_out_of(problem)
            self._leave_out(statement, f"; it failed with {type(problem).__name__}: {why}")
        else:
            for name in filter(self.names.__contains__, _bound([statement])):
                self.left_out.pop(name, None)

    def _leave_out(self, statement: ast.stmt, why: str) -> None:
        for name in _bound([statement]):
            self.left_out.setdefault(
                name,
                f"is made at {self.file}:{statement.lineno}, which --definitions-only left out{why}",
            )

    def _holds(self, test: ast.expr) -> bool | None:
        try:
            return bool(self._value(test)) if self._is_plain(test) else None
        except Exception:  # the user's own comparison may raise anything
            return None

    def _value(self, expression: ast.expr) -> Any:
        return eval(
            compile(
                ast.Expression(expression), self.path, "eval", flags=self.futures, dont_inherit=True
            ),
            self.names,
        )

    def _is_plain(self, expression: ast.expr) -> bool:
        """Whether an expression is made of names that are defined, without calls that could do
        something.
        """
        own = {
            node.id
            for node in ast.walk(expression)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        return all(self._is_plain_part(node, own) for node in _outside_lambdas(expression))

    def _is_plain_part(self, node: ast.AST, own: set[str]) -> bool:
        if isinstance(node, ast.Name):
            return node.id in own or node.id in self.names or hasattr(builtins, node.id)
        return isinstance(node, _PLAIN) and (
            not isinstance(node, ast.Call) or self._is_harmless(node.func)
        )

    def _is_harmless(self, function: ast.expr) -> bool:
        if not isinstance(function, (ast.Name, ast.Attribute)) or not self._is_plain(function):
            return False
        try:
            found = self._value(function)
        except Exception:  # a missing attribute, or a property that raises
            return False
        place = getattr(found, "__module__", None)
        if place in _HARMLESS_MODULES or isinstance(getattr(found, "__self__", None), _VALUES):
            return True
        return (
            any(found is known for known in _HARMLESS)
            or f"{place}.{getattr(found, '__qualname__', '')}" in _HARMLESS_NAMES
        )


def _is_name(target: ast.expr) -> bool:
    """A name, several, or an element of a container that has a name; not an attribute of another
    module.
    """
    if isinstance(target, (ast.Tuple, ast.List)):
        return all(map(_is_name, target.elts))
    return isinstance(target, ast.Name) or (
        isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name)
    )


def _outside_lambdas(expression: ast.AST) -> Iterator[ast.AST]:
    """An expression's nodes, but not those that run only when a lambda in it is called."""
    yield expression
    for child in () if isinstance(expression, ast.Lambda) else ast.iter_child_nodes(expression):
        yield from _outside_lambdas(child)


def _bound(statements: Iterable[ast.AST]) -> Iterator[str]:
    """The names that statements define, those inside their functions and classes left out."""
    for node in statements:
        if isinstance(node, _DEFINITIONS):
            yield node.name
            continue
        if isinstance(node, _IMPORTS):
            yield from ((alias.asname or alias.name).partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        yield from _bound(ast.iter_child_nodes(node))
