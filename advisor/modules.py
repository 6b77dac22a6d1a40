"""Python files and objects that a user names (studies, models, data, plugins), loaded as modules."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from advisor.errors import InputError, listing

_DIGEST = "_advisor_digest"


def load_object(spec: str, role: str = "object", folder: Path | None = None) -> Any:
    """The object that `FILE.py:NAME` or `package.module:NAME` names. The file's top-level code runs, next to its siblings.

    `role` says in messages what is wanted ("model", "study"); `folder` is where a relative path is looked up first.
    Raises `InputError` for a missing file, module or name, and where the import fails.
    """
    source, colon, name = spec.rpartition(":")
    if not colon or not source or not name:
        raise InputError(f"{spec!r} names no {role}: write FILE.py:NAME or package.module:NAME.")
    if is_file(source):
        inside = (folder or Path()) / source
        module = load_file(inside if inside.is_file() else source, role)
    else:
        module = _import_module(source, folder or Path.cwd())
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            raise InputError(_no_such_name(source, name, module))
        found = getattr(found, part)
    return found


def is_file(source: str) -> bool:
    """Whether the part before the colon names a file rather than a module."""
    return source.endswith(".py") or os.sep in source or Path(source).is_file()


def load_file(path: str | Path, role: str = "Python", error: type[InputError] = InputError) -> ModuleType:
    """The module in the file `path`, run once per process, and again after it was edited. Siblings can be imported.

    Raises `error` for a missing file or one that fails.
    """
    path = Path(path).expanduser().resolve()
    if not path.is_file():
        raise error(f"{path}: there is no such {role} file.{near_files(path)}")
    name = _module_name(path)
    source = path.read_bytes()
    digest = hashlib.sha256(source).hexdigest()
    if name in sys.modules and getattr(sys.modules[name], _DIGEST, digest) == digest:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise error(f"{path} is no Python file; a {role} file ends in .py.")
    module = importlib.util.module_from_spec(spec)
    setattr(module, _DIGEST, digest)
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    sys.modules[name] = module  # before it runs: pickle, dataclasses and inspect look it up
    try:
        # Not by the loader: its bytecode cache takes a file edited within a second for the one before.
        exec(compile(source, str(path), "exec"), module.__dict__)  # noqa: S102  # the user named this file to be run
    except BaseException as problem:
        del sys.modules[name]
        if isinstance(problem, (Exception, SystemExit)):
            raise error(_import_failed(str(path), str(path), problem)) from problem
        raise
    return module


def _module_name(path: Path) -> str:
    """The file's own name, as its siblings would import it, unless another module has it."""
    taken = sys.modules.get(path.stem)
    if path.stem.isidentifier() and (getattr(taken, "__file__", None) == str(path) or _is_free(path)):
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


def _import_module(name: str, folder: Path) -> ModuleType:
    for place in (str(folder), str(Path.cwd())):
        if place not in sys.path:
            sys.path.insert(0, place)  # as `python -m` does
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as problem:
        if problem.name is not None and (name == problem.name or name.startswith(problem.name + ".")):
            text = f"There is no module {problem.name!r} (from {name!r}); for a file, write its path: FILE.py:NAME."
            raise InputError(text) from problem
        raise InputError(_import_failed(name, "", problem)) from problem
    except (Exception, SystemExit) as problem:
        raise InputError(_import_failed(name, "", problem)) from problem


def _import_failed(what: str, filename: str, problem: BaseException) -> str:
    lines = [call.lineno for call in traceback.extract_tb(problem.__traceback__) if call.filename == filename]
    line = problem.lineno if isinstance(problem, SyntaxError) else (lines or [None])[-1]
    where = f" at line {line}" if line else ""
    advice = "mend the file"
    if isinstance(problem, SystemExit):
        advice = 'put what runs or reads arguments under if __name__ == "__main__"'
    elif isinstance(problem, ModuleNotFoundError):
        advice = f"install {problem.name}, or mend the import"
    return f"Importing {what} failed{where} with {explain(problem)}. advisor runs the file's top-level code: {advice}."


def _no_such_name(source: str, name: str, module: ModuleType) -> str:
    own = [key for key, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
    own += [key for key, value in vars(module).items() if not callable(value) and not key.startswith("_")]
    there = [key for key in own if not isinstance(getattr(module, key), ModuleType)]
    return f"{source} has no {name!r}.{near(name, there)} It has: {listing(there) or 'no class or function'}."


def explain(problem: BaseException) -> str:
    """`ValueError: text` on one line."""
    text = " ".join(str(problem).split()).rstrip(".")
    return f"{type(problem).__name__}: {text}" if text else type(problem).__name__


def near(name: str, names: Iterable[str]) -> str:
    """` Did you mean 'x'?` when one of `names` looks like `name`, else nothing."""
    found = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    return f" Did you mean {found[0]!r}?" if found else ""


def near_files(path: Path) -> str:
    """` Did you mean …?` with a file of the same folder that has a similar name."""
    return near(path.name, (p.name for p in path.parent.iterdir())) if path.parent.is_dir() else ""
