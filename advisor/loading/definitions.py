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

# The syntax of a constant's value; calls are restricted further.
_EXPRESSIONS = (
    ast.Constant, ast.Name, ast.Attribute, ast.Subscript, ast.Slice, ast.Starred, ast.Tuple,
    ast.List, ast.Set, ast.Dict, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp,
    ast.JoinedStr, ast.FormattedValue, ast.Lambda, ast.Call, ast.ListComp, ast.SetComp,
    ast.DictComp, ast.GeneratorExp, ast.comprehension, ast.keyword, ast.expr_context, ast.operator,
    ast.unaryop, ast.boolop, ast.cmpop,
)  # fmt: skip

# Functions and classes whose call only makes a value.
_HARMLESS = (
    bool, complex, dict, enumerate, float, frozenset, int, len, list, max, min, range, round, set,
    slice, sorted, str, sum, tuple, zip, abs, namedtuple, OrderedDict, defaultdict, partial,
    SimpleNamespace, re.compile, logging.getLogger, os.getenv, TypeVar, NewType,
)  # fmt: skip

# More of them, by name, so that torch need not be imported here.
_HARMLESS_NAMES = ("torch.device", "torch.cuda.is_available", "torch.backends.mps.is_available")

# Modules of which every function only makes a value.
_HARMLESS_MODULES = ("math",)

# Types whose methods change nothing but the value itself.
_VALUES = (str, bytes, int, float, tuple, list, dict, set, frozenset)

# Calls that are run although they do something, because later imports rely on them.
_PATH_CALLS = ("sys.path.append", "sys.path.insert", "sys.path.extend")


def run_definitions(module: ModuleType, source: bytes, path: str) -> None:
    """Run the imports, functions, classes and constants of a file in `module`, statement by
    statement.

    A constant is a literal, or is made of names defined above by arithmetic and containers. What
    fails is left out as well, with what it would have defined; `left_out_of` says where such a
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
        self.future_flags = 0
        setattr(module, LEFT_OUT, self.left_out)

    def run(self, statements: Iterable[ast.stmt]) -> None:
        """Run the statements that define something."""
        for statement in statements:
            for kept in self.kept(statement):
                self._run(kept)

    def kept(self, statement: ast.stmt) -> Iterator[ast.stmt]:
        """What of a statement is to be run: itself, the branch that holds, or nothing."""
        if isinstance(statement, ast.If):
            holds = self._holds(statement.test)
            if holds is None:
                self._leave_out(statement, "")
            else:
                branch = statement.body if holds else statement.orelse
                yield from self._kept_of(branch)
        elif isinstance(statement, ast.Try):
            yield self._kept_of_try(statement)
        elif self._defines(statement):
            yield statement
        else:
            self._leave_out(statement, "")

    def _kept_of(self, statements: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
        for statement in statements:
            yield from self.kept(statement)

    def _defines(self, statement: ast.stmt) -> bool:
        """Whether a statement is an import, a definition, or an assignment of a constant."""
        if isinstance(statement, ast.Assign):
            return all(map(_is_own_target, statement.targets)) and self._is_plain(statement.value)
        if isinstance(statement, ast.AugAssign):
            return _is_own_target(statement.target) and self._is_plain(statement.value)
        if isinstance(statement, ast.AnnAssign):
            has_plain_value = statement.value is None or self._is_plain(statement.value)
            return _is_own_target(statement.target) and has_plain_value
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            return ast.unparse(statement.value.func) in _PATH_CALLS
        is_type_alias = type(statement).__name__ == "TypeAlias"  # unknown to Python 3.11
        return is_type_alias or isinstance(statement, (*_DEFINITIONS, *_IMPORTS, ast.Pass))

    def _kept_of_try(self, statement: ast.Try) -> ast.Try:
        """`try: import x`, `except ImportError: x = None` without what else is tried."""
        handlers = []
        for handler in statement.handlers:
            body = self._block(handler.body)
            kept = ast.ExceptHandler(handler.type, handler.name, body)
            handlers.append(ast.copy_location(kept, handler))
        body = self._block(statement.body)
        orelse = list(self._kept_of(statement.orelse))
        finalbody = list(self._kept_of(statement.finalbody))

        # A `try` needs a handler or a `finally`.
        if not handlers and not finalbody:
            finalbody = [ast.Pass()]
        kept_try = ast.Try(body, handlers, orelse, finalbody)
        return ast.fix_missing_locations(ast.copy_location(kept_try, statement))

    def _block(self, statements: Iterable[ast.stmt]) -> list[ast.stmt]:
        """What is kept of statements, as a block, which cannot be empty."""
        return list(self._kept_of(statements)) or [ast.Pass()]

    def _run(self, statement: ast.stmt) -> None:
        # `from __future__ import annotations` holds for the statements that follow.
        if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
            for alias in statement.names:
                self.future_flags |= getattr(__future__, alias.name).compiler_flag
        try:
            code = self._compiled(ast.Module([statement], []), "exec")
            exec(code, self.names)  # noqa: S102  # the user asked for this file's definitions
        except SyntaxError:
            raise
        except (Exception, SystemExit) as problem:
            why = " ".join(str(problem).split()) + left_out_of(problem)
            self._leave_out(statement, f"; it failed with {type(problem).__name__}: {why}")
        else:
            for name in _names_defined_by(statement):
                if name in self.names:
                    self.left_out.pop(name, None)

    def _compiled(self, tree: ast.Module | ast.Expression, mode: str) -> Any:
        return compile(tree, self.path, mode, flags=self.future_flags, dont_inherit=True)

    def _leave_out(self, statement: ast.stmt, why: str) -> None:
        """Note where the names of a statement are made that is not run, or failed."""
        place = f"{self.file}:{statement.lineno}"
        text = f"is made at {place}, which --definitions-only left out{why}"
        for name in _names_defined_by(statement):
            self.left_out.setdefault(name, text)

    def _holds(self, test: ast.expr) -> bool | None:
        """Whether a condition holds; None where it cannot be evaluated."""
        if not self._is_plain(test):
            return None
        try:
            return bool(self._value(test))
        except Exception:  # the user's own comparison may raise anything
            return None

    def _value(self, expression: ast.expr) -> Any:
        """The value of a plain expression."""
        code = self._compiled(ast.Expression(expression), "eval")
        return eval(code, self.names)  # noqa: S307  # of the file that the user named

    def _is_plain(self, expression: ast.expr) -> bool:
        """Whether an expression is made of names that are defined, without calls that could do
        something.
        """
        loop_variables = set()
        for node in ast.walk(expression):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                loop_variables.add(node.id)
        return all(
            self._is_plain_part(node, loop_variables) for node in _outside_lambdas(expression)
        )

    def _is_plain_part(self, node: ast.AST, loop_variables: set[str]) -> bool:
        if isinstance(node, ast.Name):
            is_defined = node.id in loop_variables or node.id in self.names
            return is_defined or hasattr(builtins, node.id)
        if isinstance(node, ast.Call):
            return self._is_harmless(node.func)
        return isinstance(node, _EXPRESSIONS)

    def _is_harmless(self, function: ast.expr) -> bool:
        """Whether a call of this function only makes a value."""
        if not isinstance(function, (ast.Name, ast.Attribute)) or not self._is_plain(function):
            return False
        try:
            called = self._value(function)
        except Exception:  # a missing attribute, or a property that raises
            return False
        module = getattr(called, "__module__", None)
        name = f"{module}.{getattr(called, '__qualname__', '')}"
        is_method_of_value = isinstance(getattr(called, "__self__", None), _VALUES)
        if module in _HARMLESS_MODULES or name in _HARMLESS_NAMES or is_method_of_value:
            return True
        return any(called is harmless for harmless in _HARMLESS)


def _is_own_target(target: ast.expr) -> bool:
    """Whether an assignment is to a name, to several, or to an element of a container that has a
    name; not to an attribute, which may be another module's.
    """
    if isinstance(target, (ast.Tuple, ast.List)):
        return all(map(_is_own_target, target.elts))
    if isinstance(target, ast.Subscript):
        return isinstance(target.value, ast.Name)
    return isinstance(target, ast.Name)


def _outside_lambdas(expression: ast.AST) -> Iterator[ast.AST]:
    """An expression's nodes, but not those that run only when a lambda in it is called."""
    yield expression
    if isinstance(expression, ast.Lambda):
        return
    for child in ast.iter_child_nodes(expression):
        yield from _outside_lambdas(child)


def _names_defined_by(node: ast.AST) -> Iterator[str]:
    """The names that a statement defines, those inside its functions and classes left out."""
    if isinstance(node, _DEFINITIONS):
        yield node.name
        return
    if isinstance(node, _IMPORTS):
        for alias in node.names:
            yield (alias.asname or alias.name).partition(".")[0]
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    for child in ast.iter_child_nodes(node):
        yield from _names_defined_by(child)
