"""The syntax of code as a text that comments, layout, docstrings and annotations do not change.

It is the same on every Python that advisor runs on.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence

# Fields that say nothing of what the code does.
_LEFT_OUT = {"annotation", "returns", "type_comment", "type_params", "ctx", "kind", "type_ignores"}

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)

# A dotted name, `helpers.layers.f`, word by word.
Chain = tuple[str, ...]


def canonical(node: ast.AST) -> str:
    """The text of a piece of syntax."""
    return "".join(_texts(node))


def canonical_function(node: ast.AST) -> str:
    """The text of a function without its defaults, which are known by their values."""
    if not isinstance(node, _FUNCTIONS):
        return canonical(node)
    arguments = node.args
    names = ast.arguments(
        posonlyargs=arguments.posonlyargs,
        args=arguments.args,
        vararg=arguments.vararg,
        kwonlyargs=arguments.kwonlyargs,
        kw_defaults=[],
        kwarg=arguments.kwarg,
        defaults=[],
    )
    body = node.body if isinstance(node.body, list) else [node.body]
    kind = type(node).__name__
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return f"{kind}{canonical(names)}{''.join(_list(decorators))}{''.join(_statements(body))}"


def chains(node: ast.AST) -> Iterator[Chain]:
    """The dotted names that are read in a piece of syntax, each as long as it is written."""
    chain = _chain(node)
    if chain:
        yield chain
        return
    for child in ast.iter_child_nodes(node):
        yield from chains(child)


def _chain(node: ast.AST) -> Chain:
    """The words of a dotted name; empty where this is none."""
    if isinstance(node, ast.Name):
        return (node.id,)
    if isinstance(node, ast.Attribute):
        base = _chain(node.value)
        return (*base, node.attr) if base else ()
    return ()


def _texts(node: ast.AST) -> Iterator[str]:
    """The pieces of a node's text."""
    if isinstance(node, ast.Constant):
        yield _constant(node.value)
        return
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        node = ast.Assign(targets=[node.target], value=node.value)
    elif isinstance(node, ast.Delete):
        node = ast.Delete(targets=list(_flat(node.targets)))
    elif isinstance(node, ast.JoinedStr):
        node = ast.JoinedStr(values=_merged(node.values))

    yield f"{type(node).__name__}("
    for name, value in ast.iter_fields(node):
        if name in _LEFT_OUT or value is None or value == []:
            continue
        yield f"{name}="
        yield from _field(value)
    yield ")"


def _field(value: object) -> Iterator[str]:
    """The pieces of what stands in one field of a node."""
    if isinstance(value, list):
        is_block = any(isinstance(item, ast.stmt) for item in value)
        yield from _statements(value) if is_block else _list(value)
    elif isinstance(value, ast.AST):
        yield from _texts(value)
    else:
        yield ascii(value)


def _list(items: Iterable[object]) -> Iterator[str]:
    yield "["
    for item in items:
        # None stands for a place that is empty, such as the key of `{**x}`.
        yield from _field(item) if item is not None else "-"
        yield ","
    yield "]"


def _statements(statements: Iterable[ast.AST]) -> Iterator[str]:
    """The pieces of a block, without the statements that do nothing."""
    yield "["
    for statement in statements:
        does_nothing = isinstance(statement, ast.Pass) or (
            isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        )
        if not does_nothing:
            yield from _texts(statement)
            yield ";"
    yield "]"


def _constant(value: object) -> str:
    """A literal with its type: 1, 1.0 and True are three things."""
    # Python refuses to write an integer of thousands of digits with ten of them.
    text = hex(value) if type(value) is int else ascii(value)
    return f"{type(value).__name__}:{text}"


def _flat(targets: Iterable[ast.expr]) -> Iterator[ast.expr]:
    """The targets of `del (a, b)`, which is `del a, b`."""
    for target in targets:
        if isinstance(target, (ast.Tuple, ast.List)):
            yield from _flat(target.elts)
        else:
            yield target


def _merged(values: Sequence[ast.expr]) -> list[ast.expr]:
    """The parts of an f-string, of which Pythons split the plain ones differently."""
    merged: list[ast.expr] = []
    for value in values:
        last = merged[-1] if merged else None
        if isinstance(value, ast.Constant) and value.value == "":
            continue
        if isinstance(value, ast.Constant) and isinstance(last, ast.Constant):
            merged[-1] = ast.Constant(f"{last.value!s}{value.value!s}")
        else:
            merged.append(value)
    return merged
