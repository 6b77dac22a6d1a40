"""The source of functions and classes of this library and its plugins, written out for a script.

text = SourceText()
text.add(metric_function)         gives its name there, and brings all that it calls
text.imports, text.definitions    what stands above it, in order
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import FunctionType, ModuleType
from typing import Any

import torch

PLAIN = (bool, int, float, complex, str, bytes, type(None))
"""Types of values that are written as Python writes them."""

OWN = ("advisor", "advisor_plugins")
"""Packages whose functions are written out and not imported."""

SHORT = {
    "torch.nn": ("nn", "from torch import nn"),
    "torch.nn.functional": ("F", "from torch.nn import functional as F"),
}
"""How people name modules of torch, with the line that imports them so."""


class UnwritableError(Exception):
    """Something cannot be written as plain code; the text says what and why."""


class SourceText:
    """Imports and definitions of a script, each once, what is called before what calls it.

    Attributes:
        imports: lines of imports.
        definitions: sources by name.
    """

    def __init__(self) -> None:
        self.imports: dict[str, None] = {}
        self.definitions: dict[str, str] = {}
        self._known: dict[str, Any] = {}

    def add(self, thing: Any) -> str:
        """How a script says a function or class, whose source is added where it is ours.

        Raises `UnwritableError`.
        """
        if isinstance(thing, partial):
            raise UnwritableError("a partial has no source of its own")
        name, module = getattr(thing, "__name__", None), str(getattr(thing, "__module__", ""))
        if name is None or not isinstance(thing, (type, FunctionType)):
            return self._imported(thing)
        if module.partition(".")[0] not in OWN and not _is_plugin(thing):
            return self._imported(thing)
        if "<" in getattr(thing, "__qualname__", "<"):
            raise UnwritableError(f"{name} has no name of its own")
        self._define(name, thing)
        return str(name)

    def value(self, value: Any) -> str:
        """A plain value, a class or function of torch's, or a list of such, as Python writes it.

        Raises `UnwritableError` for anything else.
        """
        if isinstance(value, PLAIN):
            return _literal(value)
        if type(value) in (list, tuple):
            inside = ", ".join(map(self.value, value))
            if type(value) is list:
                return f"[{inside}]"
            return f"({inside},)" if len(value) == 1 else f"({inside})"
        if type(value) is dict:
            return (
                "{" + ", ".join(f"{self.value(k)}: {self.value(v)}" for k, v in value.items()) + "}"
            )
        if isinstance(value, torch.dtype):
            return str(value)
        if callable(value) and not isinstance(value, torch.nn.Module):
            return self.add(value)
        raise UnwritableError(f"a {type(value).__name__} is no plain value")

    def _define(self, name: str, thing: Any) -> None:
        """Add the source of a function or class, and before it all that it names."""
        if name in self._known:
            if self._known[name] is not thing:
                raise UnwritableError(f"two things are called {name}")
            return
        self._known[name] = thing
        try:
            source = textwrap.dedent(inspect.getsource(thing))
        except (OSError, TypeError) as problem:
            raise UnwritableError(f"the source of {name} cannot be read") from problem
        for used, value in names_used(source, thing):
            self.bring(used, value)
        self.definitions[name] = source.rstrip()

    def bring(self, used: str, value: Any) -> None:
        """Let a name mean a value, in what is written. Raises `UnwritableError`."""
        if isinstance(value, ModuleType):
            line = f"import {value.__name__}"
            self.imports[line if value.__name__ == used else f"{line} as {used}"] = None
            if value.__name__ == "torch.nn" and used == "nn":
                del self.imports[f"{line} as {used}"]
                self.imports["from torch import nn"] = None
            return
        if isinstance(value, (type, FunctionType)) or callable(value):
            said = self.add(value)
        else:
            said = self.value(value)
        if said != used and used not in self._known:
            self._known[used] = value
            self.definitions[used] = f"{used} = {said}"

    def _imported(self, thing: Any) -> str:
        """How an importable thing of a library is said, with its import."""
        from advisor.model.writing.describe import dotted_name

        dotted = dotted_name(thing)
        if dotted is None:
            raise UnwritableError(f"{getattr(thing, '__name__', thing)!r} has no importable name")
        module, _, name = shortest(dotted, thing).rpartition(".")
        if module == "builtins":
            return name
        if module in SHORT:
            short, line = SHORT[module]
            self.imports[line] = None
            return f"{short}.{name}"
        self.imports[f"import {module}"] = None
        return f"{module}.{name}"


def shortest(dotted: str, thing: Any) -> str:
    """The shortest dotted name of a library's thing: `torch.optim.SGD`."""
    parts, name = dotted.split(".")[:-1], dotted.rpartition(".")[2]
    for count in range(1, len(parts)):
        module = sys.modules.get(".".join(parts[:count]))
        if getattr(module, name, None) is thing:
            return ".".join([*parts[:count], name])
    return dotted


def _is_plugin(thing: Any) -> bool:
    """Whether a thing is of a plugin file, which is not imported by its name."""
    from advisor.content.own_files import UsersOwn, is_own_file

    owner = UsersOwn(is_own_file)
    return owner.class_(thing) if isinstance(thing, type) else owner.function(thing)


def _literal(value: Any) -> str:
    text = repr(value)
    if isinstance(value, float) and text in ("inf", "-inf", "nan"):
        return f'float("{text}")'
    return text


def names_used(source: str, thing: Any) -> Iterator[tuple[str, Any]]:
    """The global names that a source uses, with their values; annotations do not count."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        _forget_annotation(node)
    names = _globals_of(thing)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Name) or not isinstance(node.ctx, ast.Load):
            continue
        if node.id in names and names[node.id] is not thing:
            yield node.id, names[node.id]


def _forget_annotation(node: ast.AST) -> None:
    """Let a node of a tree have no annotation."""
    if isinstance(node, ast.arg):
        node.annotation = None
    elif isinstance(node, ast.FunctionDef):
        node.returns = None
    elif isinstance(node, ast.AnnAssign):
        node.annotation = ast.Constant(None)


def _globals_of(thing: Any) -> Mapping[str, Any]:
    """The names that the code of a function or class knows."""
    if isinstance(thing, FunctionType):
        return thing.__globals__
    for item in vars(thing).values():
        function = getattr(item, "__func__", item)
        if isinstance(function, FunctionType):
            return function.__globals__
    return {}


def call_text(name: str, arguments: Mapping[str, Any], value: Callable[[Any], str]) -> str:
    """A call as it is written, with all arguments by name."""
    return f"{name}({', '.join(f'{key}={value(each)}' for key, each in arguments.items())})"
