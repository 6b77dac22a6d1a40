"""Values as a script of Python writes them: literals, and what a file or a package has by name."""

from __future__ import annotations

import ast
import inspect
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from operator import attrgetter
from pathlib import Path, PurePath
from types import SimpleNamespace
from typing import Any

from advisor.user_code import is_users

RESERVED = ("advisor", "task", "study", "techniques", "trained", "model")
"""Names that the script gives to other things."""
LONGEST_SOURCE = 70
"""Letters of a lambda's source that a comment shows, at most."""


class Unwritten(Exception):  # noqa: N818  # not an error: the value is taken from the study then
    """A value that no expression gives."""


class Expressions:
    """Writes values, and collects what they need before them: imports, and objects of files.

    Arguments:
        study: what loads the study, for values that no expression gives; None where nothing does.
    """

    def __init__(self, study: str | None) -> None:
        self._study = study
        self._imports: dict[str, None] = {}
        self._loads: dict[str, str] = {}

    def imports(self) -> list[str]:
        """Lines that import the packages."""
        return sorted([*self._imports, "import advisor"])

    def loads(self) -> list[str]:
        """Lines that load objects from the user's files, each under a name of its own."""
        return [f"{name} = {call}" for call, name in self._loads.items()]

    def field(self, name: str, value: Any) -> str:
        """An argument of the task; where nothing writes it, what the study itself has there."""
        try:
            return self.of(value)
        except Exception:  # whatever a user's object raises while it is looked at
            if self._study is None:
                return f"...  # {described(value)}, which you gave in Python: put it here"
            study = self._loaded(self._study, "asked")
            return f"{study}.task.{name}  # {described(value)}"

    def of(self, value: Any) -> str:
        """A value as an expression. Raises `Unwritten` where there is none."""
        for kinds, write in WRITERS:
            if isinstance(value, kinds):
                return write(self, value)
        return self._named(value)

    # --- by name --------------------------------------------------------------------------------

    def _named(self, value: Any) -> str:
        """A class or function by its name. Raises `Unwritten` where it has none."""
        module, name = getattr(value, "__module__", ""), getattr(value, "__qualname__", "")
        holder = sys.modules.get(module or "")
        if holder is None or not name or not has_there(holder, name, value):
            raise Unwritten(name)
        file = getattr(holder, "__file__", None)
        if isinstance(file, str) and file.endswith(".py") and is_users(file):
            place = Path(file).resolve()
            return self._loaded(f"advisor.load({f'{place}:{name}'!r})", name.rpartition(".")[2])
        package = public_home(module, name, value)
        if package != "builtins":
            self._imports[f"import {package}"] = None
        return name if package == "builtins" else f"{package}.{name}"

    def _loaded(self, call: str, name: str) -> str:
        """The name under which the script has what a call loads."""
        if call not in self._loads:
            taken = {*RESERVED, *self._loads.values()}
            while name in taken:
                name += "_"
            self._loads[call] = name
        return self._loads[call]

    # --- by their parts -------------------------------------------------------------------------

    def literal(self, value: Any) -> str:
        """A number, a text or a constant."""
        if isinstance(value, float) and not math.isfinite(value):
            return f"float({str(value)!r})"
        if ast.literal_eval(repr(value)) != value:
            raise Unwritten(repr(value))
        return repr(value)

    def sequence(self, value: Any) -> str:
        """A list, tuple or set."""
        if type(value) not in BRACKETS or (not value and isinstance(value, set)):
            raise Unwritten(type(value).__name__)
        first, last = BRACKETS[type(value)]
        only = "," if isinstance(value, tuple) and len(value) == 1 else ""
        return f"{first}{', '.join(map(self.of, value))}{only}{last}"

    def mapping(self, value: Mapping[Any, Any]) -> str:
        """A dictionary."""
        items = [f"{self.of(key)}: {self.of(item)}" for key, item in value.items()]
        return f"{{{', '.join(items)}}}"

    def namespace(self, value: SimpleNamespace) -> str:
        """An object that holds settings."""
        self._imports["import types"] = None
        return f"types.SimpleNamespace({self._keywords(vars(value))})"

    def partial(self, value: partial[Any]) -> str:
        """A `partial`, by its function and its arguments."""
        self._imports["import functools"] = None
        parts = [self.of(value.func), *map(self.of, value.args), self._keywords(value.keywords)]
        return f"functools.partial({', '.join(part for part in parts if part)})"

    def _keywords(self, values: Mapping[str, Any]) -> str:
        return ", ".join(f"{key}={self.of(value)}" for key, value in values.items())


BRACKETS: dict[type, tuple[str, str]] = {list: ("[", "]"), tuple: ("(", ")"), set: ("{", "}")}
"""How the literals of containers are written."""
WRITERS: tuple[tuple[Any, Callable[[Expressions, Any], str]], ...] = (
    ((bool, int, float, str, bytes, type(None)), Expressions.literal),
    (PurePath, lambda words, path: words.literal(str(path))),
    ((list, tuple, set), Expressions.sequence),
    (dict, Expressions.mapping),
    (SimpleNamespace, Expressions.namespace),
    (partial, Expressions.partial),
)
"""What writes values of which types; all others go by their names."""


def has_there(module: object, name: str, value: Any) -> bool:
    """Whether a module has a value under a dotted name."""
    try:
        return attrgetter(name)(module) is value
    except AttributeError:
        return False


def public_home(module: str, name: str, value: Any) -> str:
    """The shortest package around a module that has a value under the same name."""
    words = module.split(".")
    for count in range(1, len(words)):
        package = ".".join(words[:count])
        if has_there(sys.modules.get(package), name, value):
            return package
    return module


def described(value: Any) -> str:
    """What a value is, on the rest of a line."""
    source = next(lambda_source(value), "") if inspect.isfunction(value) else ""
    if source:
        return source if len(source) <= LONGEST_SOURCE else f"{source[: LONGEST_SOURCE - 1]}…"
    return f"a value of the type {type(value).__name__}"


def lambda_source(function: Any) -> Iterator[str]:
    """The source of a lambda, where its file has one in its line."""
    try:
        lines, _ = inspect.findsource(function)
        tree = ast.parse("".join(lines))
    except (OSError, TypeError, SyntaxError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Lambda) and node.lineno == function.__code__.co_firstlineno:
            yield ast.unparse(node)
