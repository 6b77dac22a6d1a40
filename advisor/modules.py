"""Python files that a user names (studies, models, data, plugins), loaded as modules."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from advisor.errors import InputError, listing


def load_file(path: str | Path, role: str, error: type[InputError] = InputError) -> ModuleType:
    """The module in the file `path`, run once per process, with its folder importable so that siblings can be imported.

    `role` says in messages what the file is ("study", "plugin"). Raises `error` for a missing file or one that raises.
    """
    path = Path(path).resolve()
    if not path.is_file():
        raise error(f"No such {role} file: {path}.{near_files(path)}")
    name = f"_advisor_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise error(f"{path} is not a Python file; a {role} is a file that ends in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except Exception as problem:
        del sys.modules[name]
        raise error(
            f"The {role} file {where(problem, path)} raised {explain(problem)}. Mend the file and run again."
        ) from problem
    except SystemExit as problem:
        del sys.modules[name]
        raise error(
            f'The {role} file {where(problem, path)} ended the program; put what it runs under `if __name__ == "__main__":`.'
        ) from problem
    return module


def load_object(spec: str, role: str) -> Any:
    """The object named by `FILE.py:NAME` or `package.module:NAME`.

    Raises `InputError` when the file, the module or the name is not there; the message lists what is.
    """
    place, _, name = spec.rpartition(":")
    if not place or not name:
        raise InputError(f"--{role} {spec!r}: write FILE.py:NAME or package.module:NAME.")
    module = load_file(place, role) if place.endswith(".py") or "/" in place else _import(place, role)
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            own = [key for key, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__]
            raise InputError(f"{place} has no {name!r}.{near(name, own)} It defines: {listing(own) or 'nothing'}.")
        found = getattr(found, part)
    return found


def _import(name: str, role: str) -> ModuleType:
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(name)
    except Exception as problem:
        raise InputError(f"The {role} module {name!r} cannot be imported: {explain(problem)}.") from problem


def explain(problem: BaseException) -> str:
    """`ValueError: text` on one line."""
    text = " ".join(str(problem).split())
    return f"{type(problem).__name__}: {text}" if text else type(problem).__name__


def where(problem: BaseException, path: Path) -> str:
    """`path:line` of the innermost frame of `problem` that lies in `path`, else the path."""
    if isinstance(problem, SyntaxError) and problem.lineno:
        return f"{path}:{problem.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(problem.__traceback__) if frame.filename == str(path)]
    return f"{path}:{lines[-1]}" if lines else str(path)


def near(name: str, names: Iterable[str]) -> str:
    """` Did you mean 'x'?` when one of `names` looks like `name`, else nothing."""
    found = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    return f" Did you mean {found[0]!r}?" if found else ""


def near_files(path: Path) -> str:
    """` Did you mean …?` with a file of the same folder that has a similar name."""
    return near(path.name, (p.name for p in path.parent.iterdir())) if path.parent.is_dir() else ""
