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
from advisor.data.formats.arrays import by_name, from_arrays
from advisor.data.formats.files import read_path
from advisor.data.formats.folders import SPLIT_NAMES
from advisor.data.formats.json_files import spread
from advisor.data.formats.table_files import with_index
from advisor.data.inputs import count_inputs
from advisor.data.item_keys import WithoutKeys, keys_of_items
from advisor.data.notes import Notes
from advisor.data.raw import SPLITS, Raw
from advisor.data.target_column import USUAL
from advisor.errors import InputError, listing
from advisor.loading import paths
from advisor.loading.files import load_object

RawSplits = dict[str, Raw]  # by split; `data` stands for the keyword that it was given for

# All that can be read, for error messages.
READABLE = (
    "a path (.csv, .tsv, .parquet, .npz, .jsonl, .json, .txt, an archive, or a folder with one "
    "sub-folder of images or .txt files per class), FILE.py:NAME, a pair (x, y), a dict of splits "
    "or arrays, a pandas DataFrame, a torch Dataset or DataLoader, or a function that returns one "
    "of these"
)


@dataclass(frozen=True)
class Reader:
    """Reads one value.

    Attributes:
        keyword: what the value was given for: `data`, `train`, `valid`, `test` or `unlabeled`.
        folder: where relative paths start.
        notes: gets sentences on what was done.
        inputs: how many inputs an item has, for items that may have no label; else None.
        place: the reference that names the value, if there is one.
        target: the label's key or position in items.
        definitions_only: whether of Python files only the definitions are run.
        row_keys: the keys of items that say which rows belong together, and when they were.
    """

    keyword: str
    folder: Path | None
    notes: Notes
    inputs: int | None = None
    place: str | None = None
    target: str | None = None
    definitions_only: bool = False
    row_keys: tuple[str, ...] = ()

    def read(self, value: Any) -> RawSplits:
        """What the value holds, by split.

        Raises:
            InputError: it is none of the kinds that can be read, or it is at fault.
        """
        # A class has the methods of its objects, and no rows.
        if isinstance(value, type):
            name = value.__name__
            raise InputError(
                f"{self.place or self.keyword} is the class {name}; give an object of it, such as "
                f"{name}(…), or a function that returns one."
            )
        # The type of the value says how it is read; what has no type of its own comes after.
        for kind, read in READERS.items():
            if isinstance(value, kind):
                return read(self, value)
        if isinstance(value, np.ndarray | torch.Tensor | pd.Series | list):
            return self.bare(value)
        if hasattr(value, "__getitem__") and hasattr(value, "__len__"):
            return self.dataset(value)
        if callable(value):
            return self.call(value)
        what = f"{self.keyword}={value!r}"
        if self.place is not None:
            what = f"{self.place} is {type(value).__name__}, which"
        raise InputError(f"{what} cannot be read; give {READABLE}.")

    def path(self, value: str | Path) -> RawSplits:
        """A file, a folder, or an object in a Python file."""
        if paths.is_reference(str(value)):
            return self.reference(str(value))
        path = paths.find_path(value, self.folder)
        raws = read_path(path, self.notes)
        return {split: self._without_lists(raw) for split, raw in raws.items()}

    def reference(self, text: str) -> RawSplits:
        """An object in a Python file or module."""
        file = text.rpartition(":")[0]
        if file.endswith(".py"):
            # Its message, unlike that of `load_object`, names both places where a file may be.
            paths.find_path(file, self.folder)
        value = load_object(text, "data", self.folder, self.definitions_only)
        if isinstance(value, str) and paths.is_reference(value):
            raise InputError(f"{text} is itself a reference, {value!r}; give that one.")
        return replace(self, place=text).read(value)

    def mapping(self, value: Mapping[str, Any]) -> RawSplits:
        """A dictionary of splits, or of arrays by name."""
        if not value or any(str(key).lower() not in SPLIT_NAMES for key in value):
            arrays = {str(key): item for key, item in value.items()}
            return by_name(arrays, self.keyword, self.notes)
        # Train comes first, because unlabeled rows have as many inputs as its rows.
        by_split = {SPLIT_NAMES[str(key).lower()]: item for key, item in value.items()}
        raws: RawSplits = {}
        for split in SPLITS:
            if by_split.get(split) is None:
                continue
            inputs = _inputs_of_unlabeled(split, raws)
            reader = replace(self, keyword=split, inputs=inputs, place=None)
            raws[split] = reader.one_split(by_split[split])
        return raws

    def one_split(self, value: Any) -> Raw:
        """The rows for this keyword, where other splits are not asked for.

        Raises:
            InputError: the value holds nothing for it.
        """
        raws = self.read(value)
        keys = [self.keyword, "data"]
        if self.keyword == "unlabeled":
            keys.append("train")
        for key in keys:
            if key in raws:
                return raws[key]
        raise InputError(f"{self.keyword}=… holds {listing(raws)}, but nothing for {self.keyword}.")

    def pair(self, value: Any) -> RawSplits:
        """A pair `(x, y)`."""
        if len(value) != 2 or any(isinstance(item, Dataset | DataLoader) for item in value):
            kinds = listing(type(item).__name__ for item in value)
            raise InputError(
                f"{self.keyword}=… is a tuple of {len(value)} ({kinds}); give a pair (x, y), or a "
                "dict with the keys train, valid, test, unlabeled."
            )
        return {"data": from_arrays(value[0], value[1], self.keyword)}

    def bare(self, value: Any) -> RawSplits:
        """Inputs without targets, which is what `unlabeled` takes; or a list of the two arrays of a
        pair.
        """
        if self.keyword == "unlabeled":
            return {"data": from_arrays(value, None, self.keyword)}
        is_pair = isinstance(value, list) and len(value) == 2
        if is_pair and all(hasattr(item, "__len__") for item in value):
            return self.pair(tuple(value))
        raise InputError(f"{self.keyword}=… has inputs and no targets; give a pair (x, y).")

    def table(self, value: pd.DataFrame) -> RawSplits:
        """A pandas DataFrame."""
        table = with_index(value, self.keyword, self.notes)
        return {"data": self._without_lists(Raw(self.keyword, table))}

    def _without_lists(self, raw: Raw) -> Raw:
        """Rows whose cells hold no lists, other than lists of labels."""
        if not isinstance(raw.inputs, pd.DataFrame):
            return raw
        targets = USUAL if self.target is None else (self.target, *self.target.split(","))
        return replace(raw, inputs=spread(raw.inputs, raw.name, self.notes, targets))

    def dataset(self, value: Any) -> RawSplits:
        """A torch Dataset."""
        keys = keys_of_items(value, self.row_keys, self.keyword)
        dataset = WithoutKeys(value, tuple(keys)) if keys else value
        raw = read_dataset(dataset, self.keyword, self.notes, self.inputs, self.target)
        return {"data": replace(raw, keys=keys)}

    def loader(self, value: DataLoader[Any]) -> RawSplits:
        """A torch DataLoader."""
        raw = read_loader(value, self.keyword, self.notes, self.inputs, self.target, self.row_keys)
        return {"data": raw}

    def call(self, value: Callable[[], Any]) -> RawSplits:
        """What a function returns."""
        name = self.place or f"{self.keyword}={getattr(value, '__name__', repr(value))}"
        try:
            inspect.signature(value).bind()
        except TypeError as error:
            raise InputError(f"{name} must be callable without arguments: {error}.") from error
        if inspect.iscoroutinefunction(value):
            raise InputError(f"{name} is an async function; give one that returns the data.")
        try:
            returned = value()
        except InputError:
            raise
        except Exception as error:  # the user's function may raise anything
            failure = f"{name}() failed at {line_of(error)} with {type(error).__name__}: {error}"
            raise InputError(f"{failure}. Call it without advisor and fix it.") from error
        if returned is None:
            raise InputError(f"{name}() returned None; return {READABLE}.")
        return replace(self, place=f"{name}()").read(returned)


# What reads a value of each type, in the order in which the types are tried.
READERS: dict[Any, Callable[[Reader, Any], RawSplits]] = {
    (str, Path): Reader.path,
    pd.DataFrame: Reader.table,
    Dataset: Reader.dataset,
    DataLoader: Reader.loader,
    Mapping: Reader.mapping,
    tuple: Reader.pair,
}


def line_of(error: BaseException) -> str:
    """`FILE:LINE` where an error was raised."""
    call = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(call.filename).name}:{call.lineno}"


def read_splits(
    values: Mapping[str, Any],
    folder: Path | None,
    notes: Notes,
    target: str | None = None,
    definitions_only: bool = False,
    row_keys: tuple[str, ...] = (),
) -> RawSplits:
    """Everything that was given, by split (`train` always, `valid`, `test` and `unlabeled` where
    there are any).

    Arguments:
        values: what was given for `data`, `train`, `valid`, `test` and `unlabeled`, None for
            nothing.
        folder: where relative paths start; the current directory is tried too.
        notes: gets sentences on what was done.
        target: the label's key or position in items of a Dataset.
        definitions_only: of Python files, run only the imports, functions, classes and constants.
        row_keys: the keys of items that say which rows belong together, and when they were.

    Raises:
        InputError: something cannot be read, a split is given twice, or there is nothing to train
            on.
    """
    if (values.get("data") is None) == (values.get("train") is None):
        raise InputError("give either data=… or train=… (your own training split), and not both.")
    # The one that was given may hold further splits.
    keyword = "data" if values.get("data") is not None else "train"
    reader = Reader(
        keyword,
        None if folder is None else Path(folder),
        notes,
        target=target,
        definitions_only=definitions_only,
        row_keys=row_keys,
    )
    raws = reader.read(values[keyword])
    if "data" in raws:
        raws["train"] = raws.pop("data")
    if "train" not in raws:
        raise InputError(f"{keyword}=… holds {listing(raws)}, but no rows to train on.")

    # What was given beside it must not be there twice.
    for split in SPLITS[1:]:
        if values.get(split) is None:
            continue
        if split in raws:
            raise InputError(
                f"{split} is given twice: in {keyword}=… and as {split}=…; leave out one."
            )
        inputs = _inputs_of_unlabeled(split, raws)
        raws[split] = replace(reader, keyword=split, inputs=inputs).one_split(values[split])
    return raws


def _inputs_of_unlabeled(split: str, raws: RawSplits) -> int | None:
    """How many inputs an unlabeled row has, which is that of a training row; None for other
    splits.
    """
    if split != "unlabeled":
        return None
    train = raws.get("train")
    if train is None or isinstance(train.inputs, pd.DataFrame | list):
        return 1
    return count_inputs(train)
