"""Loads the Python files and objects that a user names: studies, models, data, plugins."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
import traceback
from importlib.machinery import ModuleSpec
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any

from advisor.errors import LEFT_OUT, AdvisorError, InputError, explain, listing, near, near_files
from advisor.loading.definitions import run_definitions
from advisor.loading.own_modules import (
    LoadedSource,
    digest_of,
    forget_edited,
    imports_noted,
    note_source,
    source_of,
)
from advisor.loading.paths import current_folder, expanded, where_it_lies
from advisor.loading.references import Reference
from advisor.values import fault_of_path, shown

# What a user may load with `--definitions-only`, by its role in messages.
_BY_DEFINITIONS = ("model", "data")


def load_object(
    spec: str, role: str = "object", folder: Path | None = None, definitions_only: bool = False
) -> Any:
    """The object that `FILE.py:NAME` or `package.module:NAME` names. The file's top-level code
    runs, next to its siblings.

    `role` says in messages what is wanted ("model", "study"); `folder` is where a relative path is
    looked up first. With `definitions_only` the imports, functions, classes and constants of the
    file run, and nothing else. Raises `InputError` for a missing file, module or name, and where
    the import fails.
    """
    reference = Reference.parse(spec)
    if not reference.name:
        raise InputError(f"{spec!r} names no {role}: write FILE.py:NAME or package.module:NAME.")
    place = reference.place
    if is_file(place):
        in_folder = (folder or Path()) / place
        file = in_folder if os.path.isfile(in_folder) else place
        module = load_file(file, role, definitions_only=definitions_only)
    else:
        module = _import_module(place, folder or Path.cwd(), role, definitions_only)

    try:
        return attrgetter(reference.name)(module)
    except AttributeError as problem:
        raise InputError(_no_such_name(reference, module)) from problem


def is_file(source: str) -> bool:
    """Whether the part before the colon names a file rather than a module."""
    return source.endswith(".py") or os.sep in source or os.path.isfile(source)


def load_file(
    path: str | Path,
    role: str = "Python",
    error: type[InputError] = InputError,
    definitions_only: bool = False,
) -> ModuleType:
    """The module in the file `path`, which can import its siblings.

    It runs once per process, and again after it or a sibling that it imported was edited. Raises
    `error` for a missing file or one that fails.
    """
    current_folder()  # on which a relative path depends
    path = where_it_lies(expanded(path)).resolve()
    fault = fault_of_path(path)
    if fault is not None:
        raise error(f"{shown(str(path))} {fault}.")
    if not path.is_file():
        raise error(f"{path}: there is no such {role} file.{near_files(path)}")
    forget_edited([path.parent])
    spec = importlib.util.spec_from_file_location(_module_name(path), path)
    if spec is None or spec.loader is None:
        raise error(f"{path} is no Python file; a {role} file ends in .py.")
    # Another study's folder may have modules of the same names.
    folder = str(path.parent)
    if folder in sys.path:
        sys.path.remove(folder)
    sys.path.insert(0, folder)
    return _run(spec, path, role, error, definitions_only)


def _run(
    spec: ModuleSpec, path: Path, role: str, error: type[InputError], definitions_only: bool
) -> ModuleType:
    """The module of a spec: the one that ran before if it is the same, else the file runs now."""
    source = path.read_bytes()
    loaded = LoadedSource(spec.name, path.resolve(), digest_of(source), definitions_only)
    if spec.name in sys.modules and _is_same(sys.modules[spec.name], loaded):
        return sys.modules[spec.name]

    module = importlib.util.module_from_spec(spec)
    note_source(module, loaded)
    sys.modules[spec.name] = module  # before it runs: pickle, dataclasses and inspect look it up
    try:
        with imports_noted([path.parent]):
            if definitions_only:
                run_definitions(module, source, str(path))
            else:
                # Not by the loader: its bytecode cache takes a file that was edited within a
                # second for the one before.
                code = compile(source, str(path), "exec")
                exec(code, vars(module))  # noqa: S102  # the user named this file to be run
    except BaseException as problem:
        sys.modules.pop(spec.name, None)
        if isinstance(problem, (Exception, SystemExit)):
            raise error(_import_failed(str(path), str(path), problem, role)) from problem
        raise
    return module


def _is_same(module: ModuleType, wanted: LoadedSource) -> bool:
    """Whether a module was made of this source in this way, or by an import outside advisor."""
    loaded = source_of(module)
    if loaded is None:
        return True
    same_way = loaded.definitions_only in (None, wanted.definitions_only)
    return same_way and loaded.digest == wanted.digest


def _module_name(path: Path) -> str:
    """The file's own name, as its siblings would import it, unless another module has it."""
    name = path.stem
    loaded = sys.modules.get(name)
    is_loaded = getattr(loaded, "__file__", None) == str(path)
    if name.isidentifier() and (is_loaded or _is_free(path)):
        return name
    return f"{name}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"


def _is_free(path: Path) -> bool:
    """Whether no other module has the name of this file."""
    name = path.stem
    if name in sys.stdlib_module_names:
        return False
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):  # a module without a spec, such as __main__
        return False
    if spec is not None and _is_plain_folder(spec):
        return True
    if name in sys.modules:
        return False
    return spec is None or spec.origin == str(path)


def _is_plain_folder(spec: ModuleSpec) -> bool:
    """Whether a spec is that of a folder without `__init__.py`, over which a module wins."""
    return spec.origin is None and spec.submodule_search_locations is not None


def _import_module(name: str, folder: Path, role: str, definitions_only: bool) -> ModuleType:
    """The module of that name, looked up in `folder` and in the current directory first."""
    places = [folder, Path.cwd()]
    for place in map(str, places):
        if place not in sys.path:
            sys.path.insert(0, place)  # as `python -m` does
    own_folders = [place.resolve() for place in places]
    forget_edited(own_folders)
    try:
        with imports_noted(own_folders):
            spec = importlib.util.find_spec(name) if definitions_only else None
            if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
                return importlib.import_module(name)
            return _run(spec, Path(spec.origin), role, InputError, definitions_only)
    except InputError:
        raise
    except ModuleNotFoundError as problem:
        missing = problem.name
        if missing is not None and (name == missing or name.startswith(missing + ".")):
            raise InputError(
                f"There is no module {missing!r} (from {name!r}); for a file, write its path: "
                "FILE.py:NAME."
            ) from problem
        raise InputError(_import_failed(name, "", problem, role)) from problem
    except (Exception, SystemExit) as problem:
        raise InputError(_import_failed(name, "", problem, role)) from problem


def _import_failed(what: str, filename: str, problem: BaseException, role: str) -> str:
    """The message about a file or module that raised while it ran."""
    line = None
    for call in traceback.extract_tb(problem.__traceback__):
        if call.filename == filename:
            line = call.lineno

    if isinstance(problem, SyntaxError):
        line = problem.lineno
    where = f" at line {line}" if line else ""
    # What advisor says of a call in the file has its own advice.
    if isinstance(problem, AdvisorError):
        return f"{what}{where}: {problem}"
    return (
        f"Importing {what} failed{where} ({explain(problem)}). "
        f"advisor runs the file's top-level code; {_advice(problem, role)}."
    )


def _advice(problem: BaseException, role: str) -> str:
    """What to do about a file that raised."""
    if isinstance(problem, SyntaxError):
        return "mend the file"
    if isinstance(problem, ModuleNotFoundError):
        return f"install {problem.name}, or mend the import"
    advice = 'put it under if __name__ == "__main__"'
    if isinstance(problem, _SLIPS):
        advice = f"mend that line or, if the file need not do it, {advice}"
    return advice + (", or use --definitions-only" if role in _BY_DEFINITIONS else "")


_SLIPS = (TypeError, NameError, AttributeError)
"""What is mostly a slip in the code, and seldom work that belongs elsewhere."""


def _no_such_name(reference: Reference, module: ModuleType) -> str:
    """The message about an object that is not in its module, with what is there."""
    source, name = reference.place, reference.name
    left_out = getattr(module, LEFT_OUT, {}).get(name.partition(".")[0])
    if left_out is not None:
        return (
            f"{source} has no {name!r}: it {left_out}. "
            "Make it there without such code, or load the file as a whole."
        )

    # What the file defines comes first, then its values; what it imports is not shown.
    defined: list[str] = []
    values: list[str] = []
    for key, value in vars(module).items():
        if isinstance(value, ModuleType):
            continue
        if getattr(value, "__module__", "") == module.__name__:
            defined.append(key)
        if not callable(value) and not key.startswith("_"):
            values.append(key)
    names = [*defined, *values]
    has = listing(names) or "no class or function"
    return f"{source} has no {name!r}.{near(name, names)} It has: {has}."
