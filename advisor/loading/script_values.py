"""What the user's own file says the arguments of a constructor are: by a call of it, by a constant
of the argument's name, or by the default of an option of the script.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from advisor.loading.own_modules import is_installed

# Types of values that are constants; containers of them are, too.
_PLAIN = (bool, int, float, str)

# Stands for what has no value that can be known without running the script.
_UNKNOWN = object()


class ScriptValue(NamedTuple):
    """The value of an argument, and where the script says it: `HIDDEN in net.py`."""

    value: Any
    origin: str


class Script(NamedTuple):
    """What stands in a source, wherever in it.

    Attributes:
        calls: all calls, in order.
        constants: values that are assigned to one name each, by the name; several where they
            differ.
        options: defaults of the options of an `ArgumentParser`, by the name of their attribute.
    """

    calls: tuple[ast.Call, ...]
    constants: Mapping[str, tuple[Any, ...]]
    options: Mapping[str, tuple[Any, ...]]


def script_values(build: Callable[..., Any], names: Sequence[str]) -> dict[str, ScriptValue]:
    """The values of some arguments of `build` that its file gives, by name.

    What the script says in two ways is left out, and so is what only running it would show. The
    program that runs says nothing: in a worker it is another one.

    Arguments:
        build: a class or function of the user's own.
        names: the arguments that are asked for.
    """
    module = sys.modules.get(getattr(build, "__module__", None) or "")
    if module is None or module.__name__ == "__main__":
        return {}
    text = _source_of(module)
    if text is None:
        return {}
    script = _read(text)
    file = Path(str(module.__file__)).name
    found = {}
    for name in names:
        in_calls = _in_calls(build, name, script, module, file)
        value = in_calls or _by_name(name, script, module, file)
        if value is not None:
            found[name] = value
    return found


def _source_of(module: ModuleType) -> str | None:
    """The source of a module of the user's own; None of a library's, and where there is none."""
    path = getattr(module, "__file__", None)
    if path is None or is_installed(Path(path)):
        return None
    try:
        return inspect.getsource(module)
    except (OSError, TypeError):
        return None


@lru_cache(maxsize=8)
def _read(text: str) -> Script:
    """What stands in a source; nothing in one that is no Python."""
    calls: list[ast.Call] = []
    constants: dict[str, list[Any]] = {}
    options: dict[str, list[Any]] = {}
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return Script((), {}, {})
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            calls.append(node)
            _note_option(node, options)
        for target, value in _assigned(node):
            _note_constant(target, value, constants)
    return Script(tuple(calls), _as_tuples(constants), _as_tuples(options))


def _assigned(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """What a statement assigns, and to what."""
    if isinstance(node, ast.Assign):
        for target in node.targets:
            yield target, node.value
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        yield node.target, node.value


def _as_tuples(values: Mapping[str, list[Any]]) -> dict[str, tuple[Any, ...]]:
    return {name: tuple(found) for name, found in values.items()}


def _note_constant(target: ast.expr, value: ast.expr, constants: dict[str, list[Any]]) -> None:
    """Keep what is assigned to a name, or to each of several names."""
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        if len(target.elts) == len(value.elts):
            for one, own in zip(target.elts, value.elts, strict=True):
                _note_constant(one, own, constants)
    elif isinstance(target, ast.Name):
        _keep(constants, target.id, _literal(value))


def _note_option(call: ast.Call, options: dict[str, list[Any]]) -> None:
    """Keep the default of `add_argument("--hidden", default=128)`; other calls have none."""
    if not isinstance(call.func, ast.Attribute) or call.func.attr != "add_argument":
        return
    keywords = {word.arg: word.value for word in call.keywords}
    flags = [_literal(flag) for flag in call.args]
    names = [flag for flag in flags if isinstance(flag, str)]
    long = [name for name in names if name.startswith("--")] or names
    if long and "default" in keywords:
        dest = _literal(keywords["dest"]) if "dest" in keywords else long[0].lstrip("-")
        _keep(options, str(dest).replace("-", "_"), _literal(keywords["default"]))


def _keep(values: dict[str, list[Any]], name: str, value: Any) -> None:
    """Add a value where it differs from those that the name has."""
    known = values.setdefault(name, [])
    if not any(_are_same(value, other) for other in known):
        known.append(value)


def _are_same(one: Any, other: Any) -> bool:
    """Whether two values are one to a person: True is not 1."""
    return type(one) is type(other) and bool(one == other)


def _literal(node: ast.expr) -> Any:
    """The value of a literal, else `_UNKNOWN`."""
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return _UNKNOWN


def _is_plain(value: Any) -> bool:
    """Whether a value is a number, a word, or a list of them."""
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return isinstance(value, _PLAIN)


def _in_calls(
    build: Callable[..., Any], name: str, script: Script, module: ModuleType, file: str
) -> ScriptValue | None:
    """The value that all calls of `build` in the script give an argument."""
    values: dict[str, list[Any]] = {name: []}
    line = 0
    for call in script.calls:
        expression = _argument_in(call, build, name)
        if expression is None:
            continue
        line = call.lineno
        for value in _values_of(expression, script, module):
            _keep(values, name, value)
    found = values[name]
    if len(found) == 1 and _is_plain(found[0]):
        return ScriptValue(found[0], f"the call at {file}:{line}")
    return None


def _argument_in(call: ast.Call, build: Callable[..., Any], name: str) -> ast.expr | None:
    """What a call of `build` gives for an argument; None of other calls."""
    called = call.func.attr if isinstance(call.func, ast.Attribute) else None
    called = call.func.id if isinstance(call.func, ast.Name) else called
    is_starred = any(isinstance(each, ast.Starred) for each in call.args)
    if called != getattr(build, "__name__", "") or is_starred:
        return None
    keywords = {word.arg: word.value for word in call.keywords if word.arg is not None}
    try:
        bound = inspect.signature(build).bind_partial(*call.args, **keywords)
    except (TypeError, ValueError):
        return None
    expression = bound.arguments.get(name)
    return expression if isinstance(expression, ast.expr) else None


def _values_of(node: ast.expr, script: Script, module: ModuleType) -> Iterator[Any]:
    """What an expression may be: a literal, a constant, an option, or an entry of settings."""
    value = _literal(node)
    if value is not _UNKNOWN:
        yield value
    elif isinstance(node, ast.Name):
        made = vars(module).get(node.id, _UNKNOWN)
        yield from [made] if _is_plain(made) else script.constants.get(node.id, (_UNKNOWN,))
    elif isinstance(node, ast.Attribute):
        yield from script.options.get(node.attr, (_UNKNOWN,))
    elif isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
        settings = vars(module).get(node.value.id)
        key = _literal(node.slice)
        known = isinstance(settings, Mapping) and isinstance(key, str) and key in settings
        yield settings[key] if known else _UNKNOWN  # type: ignore[index]  # a mapping, as seen
    else:
        yield _UNKNOWN


def _by_name(name: str, script: Script, module: ModuleType, file: str) -> ScriptValue | None:
    """The constant or option that is called like an argument, whatever its case."""
    # What the module holds after it ran goes before what its source assigns.
    made = {key: (value,) for key, value in vars(module).items() if _is_plain(value)}
    for known, what in ((made, ""), (script.constants, ""), (script.options, "the option --")):
        alike = [key for key in known if _folded(key) == _folded(name) and key[:2] != "__"]
        alike = [name] if name in alike else alike
        values = [value for key in alike for value in known[key]]
        if values and _is_plain(values[0]) and all(_are_same(values[0], each) for each in values):
            return ScriptValue(values[0], f"{what}{alike[0]} in {file}")
    return None


def _folded(name: str) -> str:
    return name.replace("_", "").lower()
