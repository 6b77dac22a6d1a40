"""Python files and objects that a user names (studies, models, data, plugins), loaded as modules."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
import traceback
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from advisor.errors import LEFT_OUT, InputError, explain, listing, near, near_files
from advisor.loading.definitions import run_definitions

_DIGEST = "_advisor_digest"
_BY_DEFINITIONS = ("model", "data")  # what `--definitions-only` is for


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
    source, colon, name = spec.rpartition(":")
    if not colon or not source or not name:
        raise InputError(f"{spec!r} names no {role}: write FILE.py:NAME or package.module:NAME.")
    if is_file(source):
        inside = (folder or Path()) / source
        module = load_file(
            inside if inside.is_file() else source, role, definitions_only=definitions_only
        )
    else:
        module = _import_module(source, folder or Path.cwd(), role, definitions_only)
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            raise InputError(_no_such_name(source, name, module))
        found = getattr(found, part)
    return found


def is_file(source: str) -> bool:
    """Whether the part before the colon names a file rather than a module."""
    return source.endswith(".py") or os.sep in source or Path(source).is_file()


def load_file(
    path: str | Path,
    role: str = "Python",
    error: type[InputError] = InputError,
    definitions_only: bool = False,
) -> ModuleType:
    """The module in the file `path`, run once per process, and again after it was edited. Siblings
    can be imported.

    Raises `error` for a missing file or one that fails.
    """
    path = Path(path).expanduser().resolve()
    if not path.is_file():
        raise error(f"{path}: there is no such {role} file.{near_files(path)}")
    spec = importlib.util.spec_from_file_location(_module_name(path), path)
    if spec is None or spec.loader is None:
        raise error(f"{path} is no Python file; a {role} file ends in .py.")
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    return _run(spec, path, role, error, definitions_only)


def _run(
    spec: ModuleSpec, path: Path, role: str, error: type[InputError], definitions_only: bool
) -> ModuleType:
    """The module of a spec: the one that was run before if it is the same, else run now."""
    name, source = spec.name, path.read_bytes()
    digest = hashlib.sha256(source).hexdigest() + LEFT_OUT * definitions_only
    if name in sys.modules and getattr(sys.modules[name], _DIGEST, digest) == digest:
        return sys.modules[name]
    module = importlib.util.module_from_spec(spec)
    setattr(module, _DIGEST, digest)
    sys.modules[name] = module  # before it runs: pickle, dataclasses and inspect look it up
    try:
        if definitions_only:
            run_definitions(module, source, str(path))
        else:  # Not by the loader: its bytecode cache takes a file edited within a second for the one before.
            exec(
                compile(source, str(path), "exec"), module.__dict__
            )  # the user named this file to be run
    except BaseException as problem:
        del sys.modules[name]
        if isinstance(problem, (Exception, SystemExit)):
            raise error(_import_failed(str(path), str(path), problem, role)) from problem
        raise
    return module


def _module_name(path: Path) -> str:
    """The file's own name, as its siblings would import it, unless another module has it."""
    taken = sys.modules.get(path.stem)
    if path.stem.isidentifier() and (
        getattr(taken, "__file__", None) == str(path) or _is_free(path)
    ):
        return path.stem
    return f"{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"


def _is_free(path: Path) -> bool:
    if path.stem in sys.modules or path.stem in sys.stdlib_module_names:
        return False
    try:
        found = importlib.util.find_spec(path.stem)
    except (ImportError, ValueError):
        return False
    return found is None or found.origin == str(path)


def _import_module(name: str, folder: Path, role: str, definitions_only: bool) -> ModuleType:
    for place in (str(folder), str(Path.cwd())):
        if place not in sys.path:
            sys.path.insert(0, place)  # as `python -m` does
    try:
        spec = importlib.util.find_spec(name) if definitions_only else None
        if spec is not None and spec.origin is not None and spec.origin.endswith(".py"):
            return _run(spec, Path(spec.origin), role, InputError, definitions_only)
        return importlib.import_module(name)
    except InputError:
        raise
    except ModuleNotFoundError as problem:
        if problem.name is not None and (
            name == problem.name or name.startswith(problem.name + ".")
        ):
            text = f"There is no module {problem.name!r} (from {name!r}); for a file, write its path: FILE.py:NAME."
            raise InputError(text) from problem
        raise InputError(_import_failed(name, "", problem, role)) from problem
    except (Exception, SystemExit) as problem:
        raise InputError(_import_failed(name, "", problem, role)) from problem


def _import_failed(what: str, filename: str, problem: BaseException, role: str) -> str:
    lines = [
        call.lineno
        for call in traceback.extract_tb(problem.__traceback__)
        if call.filename == filename
    ]
    line = problem.lineno if isinstance(problem, SyntaxError) else (lines or [None])[-1]
    where = f" at line {line}" if line else ""
    if isinstance(problem, SyntaxError):
        advice = "mend the file"
    elif isinstance(problem, ModuleNotFoundError):
        advice = f"install {problem.name}, or mend the import"
    else:
        advice = 'put it under if __name__ == "__main__"' + (
            ", or use --definitions-only" if role in _BY_DEFINITIONS else ""
        )
    return f"Importing {what} failed{where} ({explain(problem)}). advisor runs the file's top-level code; {advice}."


def _no_such_name(source: str, name: str, module: ModuleType) -> str:
    left_out = getattr(module, LEFT_OUT, {}).get(name.partition(".")[0])
    if left_out is not None:
        return f"{source} has no {name!r}: it {left_out}. Make it there without such code, or load the file as a whole."
    own = [
        key
        for key, value in vars(module).items()
        if getattr(value, "__module__", "") == module.__name__
    ]
    own += [
        key
        for key, value in vars(module).items()
        if not callable(value) and not key.startswith("_")
    ]
    there = [key for key in own if not isinstance(getattr(module, key), ModuleType)]
    return f"{source} has no {name!r}.{near(name, there)} It has: {listing(there) or 'no class or function'}."
