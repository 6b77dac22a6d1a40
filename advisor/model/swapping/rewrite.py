"""Rewrite single calls in the source of a method; the result is a function that is otherwise the
same.
"""

from __future__ import annotations
import __future__

import ast
import copy
import linecache
import os
from collections.abc import Iterable, Iterator
from functools import lru_cache, reduce
from operator import or_
from types import CodeType, FunctionType
from typing import Any, NamedTuple

from advisor.errors import InputError
from advisor.model.anatomy import Span
from advisor.model.references import CALLS

Definition = ast.FunctionDef | ast.AsyncFunctionDef

# End line and end column of a call: no two calls of a file share it.
End = tuple[int, int]

# The flags by which compiled code remembers its `from __future__` imports.
_FUTURES = reduce(
    or_, (getattr(__future__, name).compiler_flag for name in __future__.all_feature_names)
)

# The syntax nodes of a function.
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

# The keywords by which torch and people name an activation's argument.
_INPUTS = ("input", "x", "inputs")

# How deep to look for the method in functions that decorators made of it.
_DECORATORS = 3


class CallEdit(NamedTuple):
    """One call that is rewritten.

    Arguments:
        depth: the position, in the MRO of the user's class, of the class that defines the method.
        method: the method's name.
        end: where the call ends.
        key: under which key the owner keeps what the call is to run.
        receiver: whether the tensor stands before the dot, `x.f()` rather than `f(x)`.
    """

    depth: int
    method: str
    end: End
    key: str
    receiver: bool

    @property
    def place(self) -> tuple[int, str, End]:
        """Which call it is."""
        return self.depth, self.method, self.end


def functions_in(attribute: Any, depth: int = _DECORATORS) -> Iterator[FunctionType]:
    """The functions behind a class attribute, which may be a property or wrapped by a decorator."""
    if isinstance(attribute, property):
        attribute = attribute.fget
    if not isinstance(attribute, FunctionType):
        return
    yield attribute
    if depth == 0:
        return
    for cell in attribute.__closure__ or ():
        try:
            content = cell.cell_contents
        except ValueError:  # an empty cell
            continue
        yield from functions_in(content, depth - 1)


def source_of(function: FunctionType) -> str:
    """The parsed source of a function, with line numbers, as text."""
    return ast.dump(definition_of(function), include_attributes=True)


def rewrite_method(
    attribute: Any, original: FunctionType, edits: Iterable[CallEdit], class_name: str
) -> Any:
    """A class attribute like `attribute`, decorators included, in which the calls of `edits` run
    another function.

    Each of these calls becomes `self.<CALLS>[key](x)`. `original` is the function behind the
    decorators.

    Raises InputError where there is no source, it has changed since, or it cannot be compiled
    outside its class.
    """
    code = original.__code__
    definition = definition_of(original)
    decorators = definition.decorator_list
    definition.decorator_list = []
    if not decorators and attribute is not original:
        raise InputError(
            f"{_where(code)} was wrapped after it was defined; use a decorator on it, "
            "or an nn.Module activation."
        )
    editor = _CallEditor(code.co_varnames[0], edits, class_name)
    edited = ast.fix_missing_locations(editor.visit(definition))
    if editor.missing:
        raise InputError(f"{_where(code)} has changed since it was imported; start again.")
    return _decorated(_compiled(edited, original), decorators)


def _where(code: CodeType) -> str:
    """`model.py:18 forward`, for messages."""
    return f"{os.path.basename(code.co_filename)}:{code.co_firstlineno} {code.co_name}"


def definition_of(function: FunctionType) -> Definition:
    """The parsed source of a function, for the caller to change. Raises InputError where there is
    none.
    """
    code = function.__code__
    source = "".join(linecache.getlines(code.co_filename, function.__globals__))
    definition = find_definition(_parsed(source), code)
    if definition is not None:
        return copy.deepcopy(definition)
    if source:
        raise InputError(f"{_where(code)} has changed since it was imported; start again.")
    raise InputError(
        f"No source for {function.__qualname__} (defined by exec, in a REPL or a .pyc). "
        "Save the class in a file; activations that are modules can still be swapped."
    )


def find_definition(tree: ast.Module, code: CodeType) -> Definition | None:
    """Where a file defines the function with this code; None where it does not."""
    for node in ast.walk(tree):
        if not isinstance(node, DEFINITIONS) or node.name != code.co_name:
            continue
        if first_line(node) == code.co_firstlineno:
            return node
    return None


def first_line(node: Definition) -> int:
    """Where Python says that a function begins: at its first decorator."""
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


# The whole file, as inspect.getsource and dedent break on a comment in column 0. Keyed by the
# text of the file.
@lru_cache(maxsize=32)
def _parsed(source: str) -> ast.Module:
    return ast.parse(source)


def end_of(call: ast.Call) -> End:
    """Where a call ends."""
    return call.end_lineno or 0, call.end_col_offset or 0


def span_end(span: Span) -> End:
    """Where a call ends that a trace has seen."""
    _, end_line, _, end_column = span
    return end_line, end_column


class _CallEditor(ast.NodeTransformer):
    """Replaces calls, and writes private names as the class body would have."""

    def __init__(self, me: str, edits: Iterable[CallEdit], class_name: str) -> None:
        self._me = me
        self._edits = {edit.end: edit for edit in edits}
        self._class = class_name.lstrip("_")
        self.missing = set(self._edits)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Replace a call that is to be edited."""
        self.generic_visit(node)
        edit = self._edits.get(end_of(node))
        if edit is None:
            return node
        self.missing.discard(edit.end)
        kept = ast.parse(f"{self._me}.{CALLS}[{edit.key!r}]", mode="eval").body
        call = ast.Call(kept, [argument_of(node, edit.receiver)], [])
        for new in (call, *ast.walk(kept)):
            ast.copy_location(new, node)
        return call

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        """Assign the result where the original activation worked in place and dropped it."""
        is_edited = isinstance(node.value, ast.Call) and end_of(node.value) in self._edits
        self.generic_visit(node)
        if not is_edited or not isinstance(node.value, ast.Call):
            return node
        target = copy.deepcopy(node.value.args[0])
        if not isinstance(target, (ast.Name, ast.Attribute, ast.Subscript)):
            return node
        target.ctx = ast.Store()
        return ast.copy_location(ast.Assign([target], node.value), node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """Write a private attribute as the class body would have."""
        self.generic_visit(node)
        node.attr = self._mangled(node.attr)
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """Write a private name as the class body would have."""
        node.id = self._mangled(node.id)
        return node

    def _mangled(self, name: str) -> str:
        is_private = name.startswith("__") and not name.endswith("__")
        return f"_{self._class}{name}" if is_private and self._class else name


def argument_of(call: ast.Call, receiver: bool) -> ast.expr:
    """The tensor that an activation is called on.

    Raises InputError where there is none.
    """
    if receiver and isinstance(call.func, ast.Attribute):
        holder = call.func.value
        if ast.unparse(holder) not in ("torch.Tensor", "Tensor"):
            return holder
    if call.args:
        return call.args[0]
    by_name = {keyword.arg: keyword.value for keyword in call.keywords}
    for name in (*_INPUTS, *by_name):
        if name in by_name:
            return by_name[name]
    raise InputError(
        f"line {call.lineno}: {ast.unparse(call)} has no argument; call the activation on a tensor."
    )


def _compiled(definition: ast.AST, original: FunctionType) -> FunctionType:
    """The function that a definition makes, with the globals, cells and defaults of `original`."""
    code = original.__code__
    # The free variables are arguments of an outer function, so that the compiler takes them for
    # cells; one of them may be __class__, which serves super().
    outer = ast.parse(f"def outer({', '.join(code.co_freevars)}): pass").body[0]
    assert isinstance(outer, ast.FunctionDef)
    outer.body = [definition]  # type: ignore[list-item]  # a definition is a statement
    module = ast.fix_missing_locations(ast.Module([ast.copy_location(outer, definition)], []))
    flags = code.co_flags & _FUTURES
    compiled = compile(module, code.co_filename, "exec", flags=flags, dont_inherit=True)
    inner = _constant(_constant(compiled, "outer"), code.co_name)
    inner = inner.replace(co_qualname=code.co_qualname)

    cells = dict(zip(code.co_freevars, original.__closure__ or (), strict=True))
    closure = tuple(cells[name] for name in inner.co_freevars)
    name, defaults = original.__name__, original.__defaults__
    function = FunctionType(inner, original.__globals__, name, defaults, closure)
    function.__kwdefaults__ = original.__kwdefaults__
    function.__doc__ = original.__doc__
    function.__module__ = original.__module__
    function.__annotations__ = original.__annotations__
    function.__qualname__ = original.__qualname__
    attributes = dict(vars(original))
    attributes.pop("__wrapped__", None)
    function.__dict__.update(attributes)
    return function


def _constant(code: CodeType, name: str) -> CodeType:
    """The code of a function that is defined inside other code."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType) and constant.co_name == name:
            return constant
    raise KeyError(name)


def _decorated(function: FunctionType, decorators: list[ast.expr]) -> Any:
    """Apply the decorators of the original definition once more."""
    result: Any = function
    for decorator in reversed(decorators):
        text = ast.unparse(decorator)
        try:
            apply = eval(text, function.__globals__)  # noqa: S307  # the user's own decorator
            result = apply(result)
        except Exception as error:
            raise InputError(
                f"{_where(function.__code__)}: its decorator @{text} cannot be applied again "
                f"({error}); move the activation into an nn.Module."
            ) from error
    return result
