"""What `--model-arg KEY=VALUE` means: literals, dotted names, and objects that hold settings."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Mapping
from types import ModuleType, SimpleNamespace
from typing import Any

from advisor.errors import InputError, explain, near

# What makes the value of each kind of literal container; dictionaries are read apart.
_CONTAINERS = {ast.List: list, ast.Tuple: tuple, ast.Set: set}

# Stands for a text that names no object of a module; None is a value.
_NO_OBJECT = object()


def read_arguments(texts: Mapping[str, Any]) -> dict[str, Any]:
    """Keyword arguments for a constructor, from the texts that were given for each key.

    A key with dots is an attribute: `args.width` and `args.depth` make one `types.SimpleNamespace`
        for the argument `args`.

    Raises InputError for a value that cannot be read, and for a key that is both a value and an
    object.
    """
    arguments: dict[str, Any] = {}
    for key, text in texts.items():
        # Go down to the dictionary of attributes in which the last word of the key is set.
        *outer, name = key.split(".")
        attributes = arguments
        for part in outer:
            holder = attributes.setdefault(part, SimpleNamespace())
            if not isinstance(holder, SimpleNamespace):
                raise InputError(
                    f"--model-arg {key}={text}: {part} is {holder!r} already; "
                    "give its attributes or a value, not both."
                )
            attributes = vars(holder)
        if name in attributes:
            raise InputError(
                f"--model-arg {key}={text}: {key} has attributes already; "
                "give them or a value, not both."
            )
        attributes[name] = read_value(key, text) if isinstance(text, str) else text
    return arguments


def read_value(key: str, text: str) -> Any:
    """A Python literal, in which dotted names are the objects they name; a dotted name; or else the
    text itself.

    Raises InputError for a dotted name of a module that has no such object, and for a call.
    """
    option = f"--model-arg {key}={text}"
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        return text
    if isinstance(tree, (*_CONTAINERS, ast.Dict)):
        return _element(tree, option)
    # A call is refused only where it would call something; `layer(2)` may be meant as a text.
    value = _literal_or_object(tree, option)
    if value is _NO_OBJECT and isinstance(tree, ast.Call):
        name = ast.unparse(tree.func)
        advice = f"give {name} itself, or build the model in a function."
        if _object_named(name, option) is not _NO_OBJECT:
            raise InputError(f"{option} is a call, and values are not run: {advice}")
    return text if value is _NO_OBJECT else value


def _element(tree: ast.expr | None, option: str) -> Any:
    """The value of a container, or of what it contains."""
    if isinstance(tree, (ast.List, ast.Tuple, ast.Set)):
        make = _CONTAINERS[type(tree)]
        return make(_element(item, option) for item in tree.elts)
    if isinstance(tree, ast.Dict) and None not in tree.keys:
        pairs = zip(tree.keys, tree.values, strict=True)
        return {_element(key, option): _element(item, option) for key, item in pairs}

    assert tree is not None  # a dictionary's key is None in `{**x}` only, which is no literal
    value = _literal_or_object(tree, option)
    if value is _NO_OBJECT:
        raise InputError(
            f"{option}: {ast.unparse(tree)} is no literal and no dotted name; "
            "quote it if it is a text."
        )
    return value


def _literal_or_object(tree: ast.expr, option: str) -> Any:
    """The value of a literal or of a dotted name; `_NO_OBJECT` where it is neither."""
    try:
        return ast.literal_eval(tree)
    except (ValueError, TypeError):
        return _object_named(ast.unparse(tree), option)


def _object_named(name: str, option: str) -> Any:
    """The object that a dotted name means; `_NO_OBJECT` where the name begins with no module.

    Raises InputError where the module is there and has no such object.
    """
    words = name.split(".")
    if len(words) < 2 or not all(word.isidentifier() for word in words):
        return _NO_OBJECT
    module, attributes = _import_longest(words, option)
    if module is None:
        return _NO_OBJECT
    is_builtin = module.__name__ in sys.builtin_module_names
    if getattr(module, "__file__", None) is None and not is_builtin:
        return _NO_OBJECT if attributes else module  # a folder has no objects

    value: Any = module
    for word in attributes:
        if not hasattr(value, word):
            holder = getattr(value, "__name__", value)
            raise InputError(
                f"{option}: {holder} has no {word!r}.{near(word, dir(value))} "
                "Quote it if it is a text."
            )
        value = getattr(value, word)
    return value


def _import_longest(words: list[str], option: str) -> tuple[ModuleType | None, list[str]]:
    """The module that the most words name, and the words after it."""
    module = None
    for count in range(1, len(words) + 1):
        name = ".".join(words[:count])
        try:
            module = importlib.import_module(name)
        except Exception as problem:  # whatever a module does when it is imported
            missing = problem.name if isinstance(problem, ModuleNotFoundError) else None
            if missing is not None and f"{name}.".startswith(f"{missing}."):
                return module, words[count - 1 :]
            raise InputError(
                f"{option}: {name} cannot be imported ({explain(problem)})."
            ) from problem
    return module, []
