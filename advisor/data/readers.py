"""From whatever the user gave for each split to rows that were read."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader, Dataset

from advisor.data.dataloader import read_loader
from advisor.data.datasets import read_dataset
from advisor.data.formats import files, folders
from advisor.data.inputs import count_inputs
from advisor.data.raw import SPLITS, Raw, Told
from advisor.errors import InputError, listing
from advisor.loading import paths
from advisor.loading.files import load_object

Found = dict[str, Raw]  # by split; `data` is the split it was given for

FILES: dict[str, Callable[[Path, Told], Found]] = {
    ".csv": lambda path, told: {"data": Raw(path.name, files.read_csv(path, told))},
    ".tsv": lambda path, told: {"data": Raw(path.name, files.read_csv(path, told))},
    ".parquet": lambda path, told: {"data": Raw(path.name, files.read_parquet(path, told))},
    ".npz": lambda path, _: files.read_npz(path),
}
KINDS = (
    "a path (.csv, .tsv, .parquet, .npz, or a folder with one sub-folder of images or .txt files per class), FILE.py:NAME, "
    "a pair (x, y), a dict of splits or arrays, a pandas DataFrame, a torch Dataset or DataLoader, or a function that returns "
    "one of these"
)


@dataclass(frozen=True)
class Reader:
    """Reads one value.

    `word` is the keyword it was given for, `inputs` how many inputs an item has if that is known,
    `place` the reference that names the value, if there is one; `target` is the label's key or
    position in items, and `definitions_only` says how Python files are loaded.
    """

    word: str
    folder: Path | None
    told: Told
    inputs: int | None = None
    place: str | None = None
    target: str | None = None
    definitions_only: bool = False

    def read(self, value: Any) -> Found:
        """What the value holds, by split.

        Raises:
            InputError: it is none of the kinds that can be read, or it is at fault.
        """
        for kind, read in READERS.items():
            if isinstance(value, kind):
                return read(self, value)
        if isinstance(value, np.ndarray | torch.Tensor | pd.Series | list):
            return self.bare(value)
        if hasattr(value, "__getitem__") and hasattr(value, "__len__"):
            return self.dataset(value)
        if callable(value):
            return self.call(value)
        found = (
            f"{self.word}={value!r}"
            if self.place is None
            else f"{self.place} is {type(value).__name__}, which"
        )
        raise InputError(f"{found} cannot be read; give {KINDS}.")

    def path(self, value: str | Path) -> Found:
        """A file, a folder, or an object in a Python file."""
        text = str(value)
        if paths.is_reference(text):
            if (file := text.rpartition(":")[0]).endswith(".py"):
                paths.find_path(
                    file, self.folder
                )  # its message knows both places where the file may be
            found = load_object(text, "data", self.folder, self.definitions_only)
            return replace(self, place=text).read(_not_text(found, text))
        path = paths.find_path(value, self.folder)
        if path.is_dir():
            return folders.read_folder(path, self.told)
        if path.suffix.lower() not in FILES:
            raise InputError(
                f"{path} is of no kind that can be read ({listing(FILES)}); write a function that returns arrays and give "
                "it as FILE.py:NAME."
            )
        return FILES[path.suffix.lower()](path, self.told)

    def mapping(self, value: Mapping[str, Any]) -> Found:
        """A dictionary of splits, or of arrays by name."""
        names = folders.NAMES
        if not value or not all(str(key).lower() in names for key in value):
            return files.by_name({str(key): item for key, item in value.items()}, self.word)
        keys = {names[str(key).lower()]: item for key, item in value.items()}
        found: Found = {}
        for split in (name for name in SPLITS if keys.get(name) is not None):
            known = _inputs(found.get("train")) if split == "unlabeled" else None
            found[split] = replace(self, word=split, inputs=known, place=None).one(keys[split])
        return found

    def one(self, value: Any) -> Raw:
        """The rows for this word alone."""
        found = self.read(value)
        for key in (self.word, "data", *(("train",) if self.word == "unlabeled" else ())):
            if key in found:
                return found[key]
        raise InputError(f"{self.word}=… holds {listing(found)}, but nothing for {self.word}.")

    def pair(self, value: Any) -> Found:
        """A pair `(x, y)`."""
        if len(value) != 2 or any(isinstance(item, Dataset | DataLoader) for item in value):
            raise InputError(
                f"{self.word}=… is a tuple of {len(value)} ({listing(type(item).__name__ for item in value)}); give a pair "
                "(x, y), or a dict with the keys train, valid, test, unlabeled."
            )
        return {"data": files.from_arrays(value[0], value[1], self.word)}

    def bare(self, value: Any) -> Found:
        """Inputs alone, which is what `unlabeled` takes; or a list of the two arrays of a pair."""
        if self.word == "unlabeled":
            return {"data": files.from_arrays(value, None, self.word)}
        if (
            isinstance(value, list)
            and len(value) == 2
            and all(hasattr(item, "__len__") for item in value)
        ):
            return self.pair(tuple(value))
        raise InputError(f"{self.word}=… has inputs and no targets; give a pair (x, y).")

    def dataset(self, value: Any) -> Found:
        """A torch Dataset."""
        return {"data": read_dataset(value, self.word, self.told, self.inputs, self.target)}

    def loader(self, value: DataLoader[Any]) -> Found:
        """A torch DataLoader."""
        return {"data": read_loader(value, self.word, self.told, self.inputs, self.target)}

    def call(self, value: Callable[[], Any]) -> Found:
        """What a function returns."""
        name = self.place or f"{self.word}={getattr(value, '__name__', repr(value))}"
        try:
            inspect.signature(value).bind()
        except TypeError as error:
            raise InputError(f"{name} must be callable without arguments: {error}.") from error
        try:
            made = value()
        except InputError:
            raise
        except Exception as error:
            failed = f"{name}() failed at {_place(error)} with {type(error).__name__}: {error}"
            raise InputError(f"{failed}. Call it alone, without advisor, and mend it.") from error
        if made is None:
            raise InputError(f"{name}() returned None; return {KINDS}.")
        return replace(self, place=f"{name}()").read(made)


READERS: dict[Any, Callable[[Reader, Any], Found]] = {
    (str, Path): Reader.path,
    pd.DataFrame: lambda self, value: {"data": Raw(self.word, value.reset_index(drop=True))},
    Dataset: Reader.dataset,
    DataLoader: Reader.loader,
    Mapping: Reader.mapping,
    tuple: Reader.pair,
}


def _place(error: BaseException) -> str:
    """`FILE:LINE` where the error was raised."""
    call = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(call.filename).name}:{call.lineno}"


def _not_text(value: Any, reference: str) -> Any:
    if isinstance(value, str) and paths.is_reference(value):
        raise InputError(f"{reference} is itself a reference, {value!r}; give that one.")
    return value


def gather(
    given: Mapping[str, Any],
    folder: Path | None,
    told: Told,
    target: str | None = None,
    definitions_only: bool = False,
) -> Found:
    """Everything that was given, by split (`train` always, `valid`, `test` and `unlabeled` where
    there are any).

    Raises:
        InputError: something cannot be read, a split is given twice, or there is nothing to train
            on.
    """
    if (given.get("data") is None) == (given.get("train") is None):
        raise InputError("give either data=… or train=… (your own training split), and not both.")
    word = "data" if given.get("data") is not None else "train"
    reader = Reader(
        word,
        None if folder is None else Path(folder),
        told,
        target=target,
        definitions_only=definitions_only,
    )
    found = reader.read(given[word])
    found = {("train" if name == "data" else name): raw for name, raw in found.items()}
    if "train" not in found:
        raise InputError(f"{word}=… holds {listing(found)}, but no rows to train on.")
    for split in ("valid", "test", "unlabeled"):
        if given.get(split) is None:
            continue
        if split in found:
            raise InputError(
                f"{split} is given twice: in {word}=… and as {split}=…; leave out one."
            )
        known = _inputs(found["train"]) if split == "unlabeled" else None
        found[split] = replace(reader, word=split, inputs=known).one(given[split])
    return found


def _inputs(raw: Raw | None) -> int | None:
    """How many inputs a row has, where the rows are tensors or items."""
    if raw is None or isinstance(raw.body, pd.DataFrame | list):
        return 1
    return count_inputs(raw)
