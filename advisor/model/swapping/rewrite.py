"""Rewrite single calls in the source of a method, and give the result back as a function that is
otherwise the same.
"""

from __future__ import annotations
import __future__

import ast
import copy
import linecache
import os
from collections.abc import Iterator, Mapping
from functools import lru_cache, reduce
from operator import or_
from types import CodeType, FunctionType
from typing import Any

from advisor.errors import InputError
from advisor.model.references import CALLS

End = tuple[int, int]  # end line and end column of a call: no two calls of a file share it
Edit = tuple[
    str, bool
]  # the key of what it shall run, and whether the tensor is the receiver (`x.f()`)

_FUTURES = reduce(
    or_, (getattr(__future__, name).compiler_flag for name in __future__.all_feature_names)
)
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_INPUTS = (
    "input",
    "x",
    "inputs",
)  # keywords by which torch and people name an activation's argument


def functions_in(attribute: Any, depth: int = 3) -> Iterator[FunctionType]:
    """The functions behind a class attribute: itself, a property's getter, what a decorator wraps."""
    if isinstance(attribute, property):
        attribute = attribute.fget
    if isinstance(attribute, FunctionType):
        yield attribute
        for cell in attribute.__closure__ or () if depth else ():
            yield from functions_in(_content(cell), depth - 1)


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # an empty cell
        return None


def source_of(function: FunctionType) -> str:
    """The parsed source of a function, with line numbers, as text."""
    return ast.dump(definition_of(function), include_attributes=True)


def rewritten(
    attribute: Any, original: FunctionType, edits: Mapping[End, Edit], class_name: str
) -> Any:
    """A class attribute like `attribute`, decorators included, in which the calls that end at
    `edits` run another function.

    Each of these calls becomes `self.<CALLS>[key](x)`. `original` is the function behind the
    decorators.

    Raises InputError where there is no source, it has changed since, or it cannot be compiled
    outside its class.
    """
    code = original.__code__
    definition = definition_of(original)
    decorators, definition.decorator_list = definition.decorator_list, []
    if not decorators and attribute is not original:
        raise InputError(
            f"{_where(code)} was wrapped after it was defined; use a decorator on it, or an nn.Module activation."
        )
    editor = _Editor(code, edits, class_name)
    edited = ast.fix_missing_locations(editor.visit(definition))
    if editor.left:
        raise InputError(f"{_where(code)} has changed since it was imported; start again.")
    return _decorated(_compiled(edited, original), decorators)


def _where(code: CodeType) -> str:
    return f"{os.path.basename(code.co_filename)}:{code.co_firstlineno} {code.co_name}"


def definition_of(function: FunctionType) -> ast.FunctionDef | ast.AsyncFunctionDef:
    """The parsed source of a function, for the taker to change. Raises InputError where there is
    none.
    """
    code = function.__code__
    source = "".join(linecache.getlines(code.co_filename, function.__globals__))
    for node in ast.walk(_parsed(source)):
        if (
            isinstance(node, DEFINITIONS)
            and node.name == code.co_name
            and first_line(node) == code.co_firstlineno
        ):
            return copy.deepcopy(node)
    if source:
        raise InputError(f"{_where(code)} has changed since it was imported; start again.")
    raise InputError(
        f"No source for {function.__qualname__} (defined by exec, in a REPL or a .pyc). Save the class in a file; "
        "activations that are modules can still be swapped."
    )


def first_line(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Where Python says that a function begins: at its first decorator."""
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


@lru_cache(maxsize=32)
def _parsed(source: str) -> ast.Module:
    # the whole file, not the method alone: inspect.getsource and dedent break on a comment in
    # column 0
    return ast.parse(source)


class _Editor(ast.NodeTransformer):
    """Replaces calls, and writes private names as the class body would have."""

    def __init__(self, code: CodeType, edits: Mapping[End, Edit], class_name: str) -> None:
        self._self = code.co_varnames[0]
        self._edits = edits
        self._class = class_name.lstrip("_")
        self.left = set(edits)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        end = (node.end_lineno or 0, node.end_col_offset or 0)
        self.generic_visit(node)
        if end not in self._edits:
            return node
        self.left.discard(end)
        key, receiver = self._edits[end]
        calls = ast.Attribute(ast.Name(self._self, ast.Load()), CALLS, ast.Load())
        call = ast.Call(
            ast.Subscript(calls, ast.Constant(key), ast.Load()), [argument_of(node, receiver)], []
        )
        for new in (calls.value, calls, call.func, call.func.slice, call):  # type: ignore[attr-defined]
            ast.copy_location(new, node)
        return call

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        """An in-place activation whose result is dropped writes to its argument."""
        value = node.value
        edited = (
            isinstance(value, ast.Call)
            and (value.end_lineno or 0, value.end_col_offset or 0) in self._edits
        )
        self.generic_visit(node)
        if not edited or not isinstance(node.value, ast.Call):
            return node
        target = copy.deepcopy(node.value.args[0])
        if not isinstance(target, (ast.Name, ast.Attribute, ast.Subscript)):
            return node
        target.ctx = ast.Store()
        return ast.copy_location(ast.Assign([target], node.value), node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        node.attr = self._mangled(node.attr)
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self._mangled(node.id)
        return node

    def _mangled(self, name: str) -> str:
        private = name.startswith("__") and not name.endswith("__") and self._class
        return f"_{self._class}{name}" if private else name


def argument_of(call: ast.Call, receiver: bool) -> ast.expr:
    """The tensor that an activation is called on."""
    if (
        receiver
        and isinstance(call.func, ast.Attribute)
        and ast.unparse(call.func.value) not in ("torch.Tensor", "Tensor")
    ):
        return call.func.value
    if call.args:
        return call.args[0]
    named = {keyword.arg: keyword.value for keyword in call.keywords}
    chosen = [named[name] for name in _INPUTS if name in named] or list(named.values())
    if not chosen:
        raise InputError(
            f"line {call.lineno}: {ast.unparse(call)} has no argument; call the activation on a tensor."
        )
    return chosen[0]


def _compiled(definition: ast.AST, original: FunctionType) -> FunctionType:
    """The function that a definition makes, with the globals, cells and defaults of `original`."""
    code = original.__code__
    free = [
        ast.arg(name) for name in code.co_freevars
    ]  # as arguments of an outer function; __class__ serves super()
    arguments = ast.arguments(posonlyargs=[], args=free, kwonlyargs=[], kw_defaults=[], defaults=[])
    outer = ast.FunctionDef("outer", arguments, [definition], [])  # type: ignore[list-item]
    if "type_params" in outer._fields:  # required in Python 3.12
        outer.type_params = []  # type: ignore[attr-defined]  # unknown to 3.11
    module = ast.fix_missing_locations(ast.Module([ast.copy_location(outer, definition)], []))
    flags = code.co_flags & _FUTURES
    compiled = compile(module, code.co_filename, "exec", flags=flags, dont_inherit=True)
    inner = _constant(_constant(compiled, "outer"), code.co_name).replace(
        co_qualname=code.co_qualname
    )
    cells = dict(zip(code.co_freevars, original.__closure__ or (), strict=True))
    closure = tuple(cells[name] for name in inner.co_freevars)
    function = FunctionType(
        inner, original.__globals__, original.__name__, original.__defaults__, closure
    )
    function.__kwdefaults__ = original.__kwdefaults__
    function.__doc__, function.__module__ = original.__doc__, original.__module__
    function.__annotations__, function.__qualname__ = (
        original.__annotations__,
        original.__qualname__,
    )
    function.__dict__.update(
        {name: value for name, value in vars(original).items() if name != "__wrapped__"}
    )
    return function


def _constant(code: CodeType, name: str) -> CodeType:
    return next(
        const for const in code.co_consts if isinstance(const, CodeType) and const.co_name == name
    )


def _decorated(function: FunctionType, decorators: list[ast.expr]) -> Any:
    result: Any = function
    for decorator in reversed(decorators):
        text = ast.unparse(decorator)
        try:
            result = eval(text, function.__globals__)(result)  # the user's own decorator, once more
        except Exception as error:
            raise InputError(
                f"{_where(function.__code__)}: its decorator @{text} cannot be applied again ({error}); move the activation "
                "into an nn.Module."
            ) from error
    return result
