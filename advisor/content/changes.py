"""What code changes while it runs: counters, caches, lists that grow.

Such a value is another one after a training, and the code is still the same. So it does not count
by its content but by how it was made.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import FunctionType, ModuleType
from typing import Any

from advisor.content.bytecode import codes_in
from advisor.content.syntax import Chain, chains

# Methods that change the object itself; those of tensors end with an underscore.
_CHANGING = {
    "append", "appendleft", "extend", "extendleft", "insert", "add", "update", "setdefault", "pop",
    "popitem", "popleft", "remove", "discard", "clear", "sort", "reverse", "write", "put",
}  # fmt: skip

# Methods that make an object: what they set on it is not changed while the program runs.
_MAKING = {"__init__", "__new__", "__post_init__", "__setstate__"}

# Methods that run while classes are made.
_AT_IMPORT = {"__init_subclass__", "__set_name__"}

# Modules whose functions give another value at each call.
_CLOCKS = {"time", "datetime", "uuid", "secrets", "tempfile", "_tempfile"}
_DRAWS = {"random", "numpy.random", "numpy.random.mtrand", "torch", "torch.random"}

# Functions of torch that draw without saying so in the name of their module.
_DRAWING = re.compile("rand|normal|bernoulli|multinomial|poisson")

MISSING = object()
"""Stands for a name that means nothing; None may be a value."""


@dataclass
class RunningChanges:
    """What the functions seen so far change.

    Attributes:
        objects: ids of objects that are changed in place.
        bindings: names that are bound anew, with the id of the module's names, class, function or
            cell that has them.
        attributes: names of attributes of objects that are not known before the code runs.
        shared: the same, also where a constructor changes them in place.
        parameters: parameters whose defaults are changed in place, by the id of the code.
    """

    objects: set[int] = field(default_factory=set)
    bindings: set[tuple[int, str]] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)
    shared: set[str] = field(default_factory=set)
    parameters: set[tuple[int, str]] = field(default_factory=set)

    @property
    def count(self) -> int:
        """How much is known."""
        sets = (self.objects, self.bindings, self.attributes, self.shared, self.parameters)
        return sum(len(each) for each in sets)

    def note(self, function: FunctionType, node: ast.AST) -> None:
        """Note what a function changes, whose syntax is `node`."""
        if function.__code__.co_name in _AT_IMPORT:
            return
        scope = Scope(function)
        is_making = function.__code__.co_name in _MAKING
        for child in ast.walk(node):
            if isinstance(child, ast.Global):
                for name in child.names:
                    self.bindings.add((id(function.__globals__), name))
            elif isinstance(child, ast.Nonlocal):
                self.bindings.update(
                    (id(scope.cells[name]), "") for name in child.names if name in scope.cells
                )
            elif isinstance(child, ast.Subscript) and not isinstance(child.ctx, ast.Load):
                self._note_object(scope, child.value, is_making)
            elif isinstance(child, ast.Attribute) and not isinstance(child.ctx, ast.Load):
                self._note_attribute(scope, child, is_making)
            elif isinstance(child, ast.Call) and isinstance(child.func, ast.Attribute):
                method = child.func.attr
                if method in _CHANGING or (method.endswith("_") and not method.startswith("_")):
                    self._note_object(scope, child.func.value, is_making)
        for name in _volatile_attributes(node, scope):
            self.attributes.add(name)

    def _note_object(self, scope: Scope, base: ast.AST, is_making: bool) -> None:
        """Note that what an expression gives is changed in place."""
        while isinstance(base, ast.Subscript):
            base = base.value
        chain = next(chains(base), ()) if isinstance(base, (ast.Name, ast.Attribute)) else ()
        value = scope.value(chain)
        if value is not MISSING:
            self.objects.add(id(value))
        elif isinstance(base, ast.Attribute):
            self.shared.add(base.attr)
            if not is_making:
                self.attributes.add(base.attr)
        elif len(chain) == 1:
            self.parameters.add((id(scope.function.__code__), chain[0]))

    def _note_attribute(self, scope: Scope, target: ast.Attribute, is_making: bool) -> None:
        """Note that an attribute is set."""
        base = target.value
        value = MISSING
        if isinstance(base, (ast.Name, ast.Attribute)):
            value = scope.value(next(chains(base), ()))
        if isinstance(value, ModuleType):
            self.bindings.add((id(vars(value)), target.attr))
        elif value is not MISSING:
            self.bindings.add((id(value), target.attr))
        else:
            if _is_class(base):
                self.shared.add(target.attr)
            if not is_making:
                self.attributes.add(target.attr)


class Scope:
    """What the names in a function mean that are not its own.

    Arguments:
        function: the function.
    """

    def __init__(self, function: FunctionType) -> None:
        self.function = function
        code = function.__code__
        self.cells = dict(zip(code.co_freevars, function.__closure__ or (), strict=True))
        self._locals: set[str] = set()
        for each in codes_in(code):
            self._locals.update(each.co_varnames, each.co_cellvars)

    def value(self, chain: Chain) -> Any:
        """What a dotted name gives before the function runs; `MISSING` where that is not known."""
        if not chain or chain[0] in self._locals:
            return MISSING
        name, *attributes = chain
        if name in self.cells:
            value = contents(self.cells[name])
        else:
            value = self.function.__globals__.get(name, MISSING)
        return follow(value, attributes)


def _is_class(base: ast.AST) -> bool:
    """Whether an expression gives the class of an object: `cls`, `type(self)`, `x.__class__`."""
    if isinstance(base, ast.Call):
        return next(chains(base.func), ()) == ("type",)
    return next(chains(base), ("",))[-1] in ("cls", "__class__")


def contents(cell: Any) -> Any:
    """What a closure's cell holds; `MISSING` where it is empty."""
    try:
        return cell.cell_contents
    except ValueError:
        return MISSING


def follow(value: Any, attributes: Any) -> Any:
    """An attribute of an attribute of a value, as far as that runs no code of the user's."""
    for name in attributes:
        if value is MISSING:
            break
        names = getattr(value, "__dict__", {})
        if isinstance(value, type):
            names = {}
            for base in reversed(value.__mro__):
                names.update(vars(base))
        value = names.get(name, MISSING)
    return value


def is_volatile(node: ast.AST, value_of: Callable[[Chain], Any], is_seeded: bool) -> bool:
    """Whether a piece of code gives another value each time it runs: the time, a random draw.

    Arguments:
        node: the code.
        value_of: what a dotted name means there.
        is_seeded: whether random draws are the same each time.
    """
    for call in _calls(node):
        chain = next(chains(call.func), ())
        function = value_of(chain)
        home = _module_of(function)
        if home in _CLOCKS or (chain and chain[-1] in ("getpid", "urandom")):
            return True
        is_drawing = home in _DRAWS and (home != "torch" or _DRAWING.match(chain[-1]) is not None)
        if is_drawing and not is_seeded:
            return True
    return False


def seeds(node: ast.AST) -> bool:
    """Whether a piece of code seeds what draws random numbers."""
    for call in _calls(node):
        name = next(chains(call.func), ("",))[-1]
        if "seed" in name.lower() or (
            name in ("default_rng", "RandomState", "Random") and call.args
        ):
            return True
    return False


def _calls(node: ast.AST) -> Iterator[ast.Call]:
    return (child for child in ast.walk(node) if isinstance(child, ast.Call))


def _module_of(function: Any) -> str:
    """The module of a function or method, also where it is written in C."""
    owner = getattr(function, "__self__", None)
    if owner is not None and not isinstance(owner, ModuleType):
        return str(getattr(owner, "__module__", None) or type(owner).__module__)
    name = getattr(function, "__module__", None) or getattr(owner, "__name__", "")
    return "torch" if str(name).startswith(("torch._C", "torch.functional")) else str(name)


def _volatile_attributes(node: ast.AST, scope: Scope) -> Iterator[str]:
    """Attributes that a method sets to another value each time."""
    for child in ast.walk(node):
        if not isinstance(child, ast.Assign) or not is_volatile(child.value, scope.value, False):
            continue
        for target in child.targets:
            if isinstance(target, ast.Attribute):
                yield target.attr
