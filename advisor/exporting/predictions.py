"""`advisor.predict`: new rows through an exported folder."""

from __future__ import annotations

import importlib.util
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd

from advisor.errors import InputError, explain
from advisor.user_code import user_faults

NEEDED = ("predict.py", "train.py", "preprocessing.json", "model.safetensors")
"""The files without which a folder predicts nothing."""


def predict(
    folder: str | Path, rows: Any, *, on: Callable[[str], object] = lambda sentence: None
) -> pd.DataFrame:
    """What the model of an exported folder predicts, with the names of classes.

    The folder's own code is run, as when you run its `predict.py`.

    Arguments:
        folder: as `advisor export` wrote it.
        rows: a file of the kind that was trained on, a pandas DataFrame, a list of dictionaries; or
            arrays, where the model takes arrays.
        on: called with a sentence on columns that are left out, and categories that are new.

    Returns:
        A row for each of `rows`: `prediction`, and `p(CLASS)` for each class or label.

    Raises:
        InputError: the folder is none of an export, or the rows do not fit the model.

    Example:
        >>> import advisor
        >>> table = advisor.predict("income_model", [{"age": 41}])  # doctest: +SKIP
        >>> table["prediction"].tolist()  # doctest: +SKIP
        ['high']
    """
    place = Path(folder).expanduser().absolute()
    lacking = [name for name in NEEDED if not (place / name).is_file()]
    if lacking:
        raise InputError(
            f"{folder} is no folder that advisor export has written: it lacks "
            f"{', '.join(lacking)}. Give such a folder."
        )
    if isinstance(rows, (str, Path)):
        rows = os.path.abspath(rows)
    with own_modules_of(place), warnings.catch_warnings():
        return predicted(place, rows, on)


def predicted(place: Path, rows: Any, on: Callable[[str], object]) -> pd.DataFrame:
    """What a folder predicts. Raises `InputError` where it does not."""
    try:
        table: pd.DataFrame = load(place).predict(rows, on)
        return table
    except InputError:
        raise
    except user_faults() as problem:  # the folder's code may raise anything
        if type(problem).__name__ == "WrongRows":
            raise InputError(f"{named(rows)}: {problem}.") from problem
        raise InputError(
            f"{place} cannot predict {named(rows)}: {explain(problem)}. Compare the rows with "
            f"{place / 'preprocessing.json'}, or run python train.py --check there."
        ) from problem


def named(rows: Any) -> str:
    """What a message calls the rows."""
    return rows if isinstance(rows, str) else "the rows"


def load(folder: Path) -> ModuleType:
    """The module of a folder's `predict.py`."""
    spec = importlib.util.spec_from_file_location("exported_predict", folder / "predict.py")
    if spec is None or spec.loader is None:
        raise InputError(f"{folder / 'predict.py'} is no Python file.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def own_modules_of(folder: Path) -> Iterator[None]:
    """While this is open, the modules of a folder's own code are its own; then none of them is
    left.

    Two folders may each have a `net.py`.
    """
    path, current = sys.path[:], os.getcwd()
    names = {each.stem for each in (folder / "own_code").glob("*")}
    kept = {name: each for name, each in sys.modules.items() if name.partition(".")[0] in names}
    for name in kept:
        del sys.modules[name]
    try:
        yield
    finally:
        sys.path[:] = path
        os.chdir(current)
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if isinstance(file, str) and file.startswith(str(folder) + os.sep):
                del sys.modules[name]
        sys.modules.update(kept)
