"""What `--model-arg KEY=VALUE` means: literals, dotted names, and objects that hold settings."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from advisor.errors import InputError, explain, near

_CONTAINERS = (ast.List, ast.Tuple, ast.Set)
_MAKE = {ast.List: list, ast.Tuple: tuple, ast.Set: set}


def read_arguments(given: Mapping[str, Any]) -> dict[str, Any]:
    """Keyword arguments for a constructor, from the texts that were given for each key.

    A key with dots is an attribute: `args.width` and `args.depth` make one `types.SimpleNamespace`
        for the argument `args`.

    Raises InputError for a value that cannot be read, and for a key that is both a value and an
    object.
    """
    found: dict[str, Any] = {}
    for key, text in given.items():
        *outer, name = key.split(".")
        place = found
        for part in outer:
            holder = place.setdefault(part, SimpleNamespace())
            if not isinstance(holder, SimpleNamespace):
                raise InputError(
                    f"--model-arg {key}={text}: {part} is {holder!r} already; give its attributes or a value, not both."
                )
            place = vars(holder)
        if name in place:
            raise InputError(
                f"--model-arg {key}={text}: {key} has attributes already; give them or a value, not both."
            )
        place[name] = read_value(key, text) if isinstance(text, str) else text
    return found


def read_value(key: str, text: str) -> Any:
    """A Python literal, in which dotted names are the objects they name; a dotted name; or else the
    text itself.

    Raises InputError for a dotted name of a module that has no such object, and for a call.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        return text
    if isinstance(tree, (*_CONTAINERS, ast.Dict)):
        return _value(tree, f"--model-arg {key}={text}")
    try:
        return ast.literal_eval(tree)
    except (ValueError, TypeError):
        pass
    found = _resolved(
        ast.unparse(tree.func if isinstance(tree, ast.Call) else tree), f"--model-arg {key}={text}"
    )
    if found is None:
        return text
    if isinstance(tree, ast.Call):
        name = ast.unparse(tree.func)
        raise InputError(
            f"--model-arg {key}={text} is a call, and values are not run: give {name} itself, or build the model in a function."
        )
    return found[0]


def _value(tree: ast.expr, what: str) -> Any:
    """The value of a container's element."""
    if isinstance(tree, _CONTAINERS):
        return _MAKE[type(tree)](_value(item, what) for item in tree.elts)
    if isinstance(tree, ast.Dict) and None not in tree.keys:
        return {
            _value(key, what): _value(item, what)
            for key, item in zip(tree.keys, tree.values, strict=True)
            if key
        }
    try:
        return ast.literal_eval(tree)
    except (ValueError, TypeError):
        found = _resolved(ast.unparse(tree), what)
    if found is None:
        raise InputError(
            f"{what}: {ast.unparse(tree)} is no literal and no dotted name; quote it if it is a text."
        )
    return found[0]


def _resolved(name: str, what: str) -> tuple[Any] | None:
    """The object that a dotted name means, in a tuple; None where it begins with no module.

    Raises InputError where the module is there and has no such object.
    """
    words = name.split(".")
    if len(words) < 2 or not all(word.isidentifier() for word in words):
        return None
    found, rest = _module(words, what)
    if found is None or (
        getattr(found, "__file__", None) is None and found.__name__ not in sys.builtin_module_names
    ):
        return None if found is None or rest else (found,)  # a folder is no module
    for word in rest:
        if not hasattr(found, word):
            raise InputError(
                f"{what}: {getattr(found, '__name__', found)} has no {word!r}.{near(word, dir(found))} Quote it if it is a text."
            )
        found = getattr(found, word)
    return (found,)


def _module(words: list[str], what: str) -> tuple[Any, list[str]]:
    """The module that the most words name, and the words after it."""
    module = None
    for count in range(1, len(words) + 1):
        name = ".".join(words[:count])
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as problem:
            if problem.name is None or not (
                name == problem.name or name.startswith(problem.name + ".")
            ):
                raise InputError(
                    f"{what}: {name} cannot be imported ({explain(problem)})."
                ) from problem
            return module, words[count - 1 :]
        except Exception as problem:  # whatever a module does when it is imported
            raise InputError(
                f"{what}: {name} cannot be imported ({explain(problem)})."
            ) from problem
    return module, []
