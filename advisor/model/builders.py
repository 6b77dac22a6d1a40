"""Which constructor calls in the source made a module of a model: followed from where the module hangs, or not at all."""

from __future__ import annotations

import ast
import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from torch import nn

from advisor.errors import InputError
from advisor.model.advised import base_of
from advisor.model.rewrite import DEFINITIONS, first_line, functions_in
from advisor.model.sourcefile import SourceFile, is_installed
from advisor.model.walk import Holding

_STEP = re.compile(r"\[[^\]]*\]|[^.\[\]]+")
_THROUGH = (ast.List, ast.Tuple, ast.Starred, ast.ListComp, ast.GeneratorExp, ast.IfExp, ast.NamedExpr, ast.BinOp, ast.keyword)
_COMPREHENSIONS = (ast.ListComp, ast.GeneratorExp)
_ENDS = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Return, ast.Expr, ast.Yield)
_KEEPERS = {"append", "extend", "insert", "add_module", "register_module", "setattr", "deepcopy", "__init__"}
_GROUPS = (list, tuple, OrderedDict, dict)


class OriginError(InputError):
    """It cannot be told which call made a module; the text is a clause that says why."""


@dataclass(frozen=True)
class Constructor:
    """A constructor call in a file."""

    file: SourceFile
    call: ast.Call

    @property
    def key(self) -> tuple[str, int, int]:
        """What tells it from all others."""
        return self.file.path, self.file.start(self.call), self.file.end(self.call)


class Files:
    """The user's source files, each read once."""

    def __init__(self) -> None:
        self.opened: dict[str, SourceFile] = {}

    def of(self, function: FunctionType) -> SourceFile:
        """The file in which a function is written. Raises OriginError where that is not the user's."""
        path = function.__code__.co_filename
        if is_installed(path):
            raise OriginError("its class belongs to an installed library")
        if path not in self.opened:
            try:
                self.opened[path] = SourceFile(path, function.__globals__)
            except (InputError, SyntaxError) as error:
                raise OriginError(f"its source cannot be read: {error}") from error
        return self.opened[path]

    def definition(self, function: FunctionType) -> tuple[SourceFile, Any]:
        """A function's file and its definition there."""
        file, code = self.of(function), function.__code__
        for node in ast.walk(file.tree):
            named = isinstance(node, DEFINITIONS) and node.name == code.co_name
            if isinstance(node, DEFINITIONS) and named and first_line(node) == code.co_firstlineno:
                return file, node
        raise OriginError("its file has changed since it was imported")

    def class_of(self, klass: type) -> tuple[SourceFile, ast.ClassDef]:
        """A class's file and its definition there."""
        inside = (function for value in vars(klass).values() for function in functions_in(value))
        own = (each for each in inside if each.__code__.co_qualname == f"{klass.__qualname__}.{each.__code__.co_name}")
        function = next(own, None)
        if function is None:
            raise OriginError(f"{klass.__name__} has no method of its own")
        file, inner = self.definition(function)
        for node in ast.walk(file.tree):
            if isinstance(node, ast.ClassDef) and inner in node.body:
                return file, node
        raise OriginError(f"{klass.__name__} is not written as a class")


@dataclass
class _Place:
    """What of the source can have made the children of one class of module, and the names that functions there take."""

    parts: list[tuple[SourceFile, ast.AST]]
    parents: dict[ast.AST, ast.AST]


class Builders:
    """Finds constructor calls for the modules of one model, as its holdings were before a swap."""

    def __init__(self, model: nn.Module, holdings: Iterable[Holding], files: Files) -> None:
        self._files = files
        self._by_path: dict[str, nn.Module] = {"": model}
        self._paths: dict[int, list[str]] = {}
        for holding in holdings:
            self._by_path.setdefault(holding.path, holding.module)
            self._paths.setdefault(id(holding.module), []).append(holding.path)
        self._places: dict[type, _Place] = {}

    def exact(self, module: nn.Module) -> list[Constructor]:
        """The calls to which one of the module's names leads directly; none if it does not.

        Raises OriginError where the module comes from elsewhere: an argument, a table, a choice.
        """
        for path in self._paths.get(id(module), ()):
            builder, steps = self._climb(path)
            found = self._assigned(builder, steps, type(module))
            if found:
                return found
        return []

    def possible(self, module: nn.Module) -> list[Constructor]:
        """All calls near the module that could have made it. Raises OriginError where others could have as well."""
        for path in self._paths.get(id(module), ()):
            builder, _ = self._climb(path)
            place = self._place(builder)
            return [call for file, part in place.parts for call in _made_in(file, part, type(module), place.parents)]
        raise OriginError("nothing holds it")

    def all_near(self, module: nn.Module) -> list[Constructor]:
        """All calls of its class near the module, whatever becomes of them."""
        found: dict[tuple[str, int, int], Constructor] = {}
        for path in self._paths.get(id(module), ()):
            try:
                place = self._place(self._climb(path)[0])
            except OriginError:
                continue
            found |= {each.key: each for file, part in place.parts for each in _constructors(file, part, type(module))}
        return list(found.values())

    def _climb(self, path: str) -> tuple[nn.Module, list[str]]:
        """The nearest module above a path whose class is not torch's, and the steps from there."""
        steps = list(_STEP.finditer(path))
        for count in range(len(steps) - 1, -1, -1):
            above = self._by_path.get(path[: steps[count].start()].rstrip("."))
            if above is not None and not type(above).__module__.startswith("torch."):
                return above, [step.group().strip("[]'") for step in steps[count:]]
        raise OriginError("no class of yours builds it; the change belongs where the model is made")

    def _place(self, builder: nn.Module) -> _Place:
        cls: type = base_of(type(builder))
        if cls not in self._places:
            self._places[cls] = self._place_of(cls)
        return self._places[cls]

    def _place_of(self, cls: type) -> _Place:
        parts: list[tuple[SourceFile, ast.AST]] = []
        for klass in cls.__mro__:
            if klass.__module__.partition(".")[0] != "torch" and klass is not object and _has_methods(klass):
                parts.append(self._files.class_of(klass))
        for file, part in parts:  # grows while functions are found
            for function in _functions_used(file, part):
                if not is_installed(function.__code__.co_filename):
                    definition = self._files.definition(function)
                    parts += [definition] if definition not in parts else []
        return _Place(
            parts, {child: node for _, part in parts for node in ast.walk(part) for child in ast.iter_child_nodes(node)}
        )

    def _assigned(self, builder: nn.Module, steps: list[str], cls: type) -> list[Constructor]:
        place = self._place(builder)
        found: list[Constructor] = []
        for file, part in place.parts:
            for value, local in assigned_values(part, steps[0]):
                calls = _descend(file, value, steps[1:], cls, local)
                if calls is None:
                    return []
                found += [Constructor(file, call) for call in calls]
        return found


def _has_methods(klass: type) -> bool:
    return any(isinstance(value, FunctionType) for value in vars(klass).values())


def _functions_used(file: SourceFile, part: ast.AST) -> Iterator[FunctionType]:
    for node in ast.walk(part):
        meaning = file.meaning(node) if isinstance(node, (ast.Name, ast.Attribute)) else None
        if isinstance(meaning, FunctionType) and meaning.__code__.co_name != "<lambda>":
            yield meaning


# ---------------------------------------------------------------- from a name to the call


def assigned_values(part: ast.AST, attribute: str) -> Iterator[tuple[ast.expr, ast.FunctionDef]]:
    """What methods assign to an attribute of their first argument."""
    for method in ast.walk(part):
        if isinstance(method, ast.FunctionDef) and method.args.args:
            me = method.args.args[0].arg
            for node in ast.walk(method):
                if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
                    for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                        yield from ((found, method) for found in _matched(target, node.value, me, attribute))


def _matched(target: ast.expr, value: ast.expr, me: str, attribute: str) -> Iterator[ast.expr]:
    if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
        if target.value.id == me and target.attr == attribute:
            yield value
    elif isinstance(target, (ast.Tuple, ast.List)):
        each = value.elt if isinstance(value, _COMPREHENSIONS) else value
        elements = value.elts if isinstance(value, (ast.Tuple, ast.List)) else [each] * len(target.elts)
        for one, other in zip(target.elts, elements, strict=False):
            yield from _matched(one, other, me, attribute)


def _descend(file: SourceFile, node: ast.expr, steps: list[str], cls: type, method: ast.FunctionDef) -> list[ast.Call] | None:
    """The constructor calls of `cls` at `steps` below a value; None where that cannot be followed but is local."""
    if isinstance(node, ast.IfExp):
        branches = [_descend(file, branch, steps, cls, method) for branch in (node.body, node.orelse)]
        return None if None in branches else [call for branch in branches for call in branch or ()]
    if isinstance(node, ast.Call):
        return _descend_call(file, node, steps, cls, method)
    if isinstance(node, (*_COMPREHENSIONS, ast.List, ast.Tuple, ast.Dict)):
        child = _item(file, node, steps[0]) if steps else None
        return None if child is None else _descend(file, child, steps[1:], cls, method)
    if isinstance(node, ast.Constant):
        return []
    if isinstance(node, ast.BinOp) or (isinstance(node, ast.Name) and node.id not in _parameters(method)):
        return None
    raise OriginError(f"it comes from {ast.unparse(node)} (line {node.lineno})")


def _descend_call(
    file: SourceFile, node: ast.Call, steps: list[str], cls: type, method: ast.FunctionDef
) -> list[ast.Call] | None:
    made = file.meaning(node.func)
    if made is cls and not steps:
        return [node]
    if isinstance(made, FunctionType) or _is_own_method(node.func, method) or _is_nested(node.func, method):
        return None
    if not isinstance(made, type):
        raise OriginError(f"it comes from {ast.unparse(node)} (line {node.lineno})")
    if not steps or not _is_torch_module(made):
        return []
    child = _item(file, node, steps[0]) if made.__module__.endswith(".container") else None
    return None if child is None else _descend(file, child, steps[1:], cls, method)


def _item(file: SourceFile, node: ast.expr, step: str) -> ast.expr | None:
    """What a container, a list, a dictionary or a comprehension has under a name or number; None where that is not written."""
    if isinstance(node, _COMPREHENSIONS):
        return node.elt
    if isinstance(node, ast.Dict):
        return _keyed(zip(node.keys, node.values, strict=True), step)
    if isinstance(node, ast.Call) and len(node.args) == 1 and _is_group(file, node.args[0]):
        return _item(file, node.args[0], step)
    items = node.args if isinstance(node, ast.Call) else getattr(node, "elts", [])
    if not step.isdigit():
        return _keyed((pair.elts for pair in items if isinstance(pair, ast.Tuple)), step)
    plain = int(step) < len(items) and not any(isinstance(item, ast.Starred) for item in items)
    return items[int(step)] if plain else None


def _keyed(pairs: Iterable[Any], step: str) -> ast.expr | None:
    return next((value for key, value in pairs if isinstance(key, ast.Constant) and key.value == step), None)


def _is_group(file: SourceFile, node: ast.expr) -> bool:
    if isinstance(node, ast.Call):
        return file.meaning(node.func) is OrderedDict
    return isinstance(node, (*_COMPREHENSIONS, ast.List, ast.Tuple, ast.Dict))


def _parameters(method: ast.AST) -> set[str]:
    return {node.arg for node in ast.walk(method) if isinstance(node, ast.arg)}


def _is_own_method(node: ast.expr, method: ast.FunctionDef) -> bool:
    me = method.args.args[0].arg
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == me


def _is_nested(node: ast.expr, method: ast.FunctionDef) -> bool:
    inner = {each.name for each in ast.walk(method) if isinstance(each, ast.FunctionDef) and each is not method}
    return isinstance(node, ast.Name) and node.id in inner


def _is_torch_module(thing: Any) -> bool:
    return isinstance(thing, type) and issubclass(thing, nn.Module) and thing.__module__.startswith("torch.")


# ---------------------------------------------------------------- all calls near


def _constructors(file: SourceFile, part: ast.AST, cls: type) -> Iterator[Constructor]:
    for node in ast.walk(part):
        if isinstance(node, ast.Call) and file.meaning(node.func) is cls:
            yield Constructor(file, node)


def _made_in(file: SourceFile, part: ast.AST, cls: type, parents: dict[ast.AST, ast.AST]) -> Iterator[Constructor]:
    """Calls of `cls` whose results can only end up as children. Raises OriginError where modules may come from elsewhere."""
    for node in ast.walk(part):
        if isinstance(node, (ast.Name, ast.Attribute)) and file.meaning(node) is cls:
            call = parents.get(node)
            if not isinstance(call, ast.Call) or call.func is not node:
                raise OriginError(f"{ast.unparse(node)} is handed on as a class (line {node.lineno})")
            _refuse_detour(file, call, parents)
            yield Constructor(file, call)
        elif isinstance(node, ast.Call):
            _refuse_choice(node, parents)


def _refuse_detour(file: SourceFile, node: ast.AST, parents: dict[ast.AST, ast.AST]) -> None:
    named = False
    while not isinstance(above := parents.get(node), _ENDS):
        keeps = isinstance(above, ast.Call) and (_keeps(file, above) or above is node)
        named = named or isinstance(above, ast.Dict)
        if not (keeps or isinstance(above, (*_THROUGH, ast.Dict))):
            raise OriginError(f"{ast.unparse(node)} (line {node.lineno}) is an argument or one choice of several")  # type: ignore[attr-defined]
        node = above  # type: ignore[assignment]  # not None: the check above
    if named and isinstance(above, ast.Assign) and isinstance(above.targets[0], ast.Name):
        raise OriginError(f"it is one choice of several (line {above.lineno})")


def _keeps(file: SourceFile, call: ast.Call) -> bool:
    meaning = file.meaning(call.func)
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    return _is_torch_module(meaning) or meaning in _GROUPS or name in _KEEPERS or name in ("list", "tuple", "dict")


def _refuse_choice(call: ast.Call, parents: dict[ast.AST, ast.AST]) -> None:
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    if name == "getattr" and len(call.args) > 1 and not isinstance(call.args[1], ast.Constant):
        raise OriginError(f"it may be chosen by {ast.unparse(call)} (line {call.lineno})")
    above: ast.AST | None = call
    while name and (above := parents.get(above)) is not None:  # type: ignore[arg-type]  # never None here
        if isinstance(above, (ast.FunctionDef, ast.Lambda)) and name in _parameters(above.args):
            raise OriginError(f"it may be made by {ast.unparse(call)}, an argument (line {call.lineno})")
