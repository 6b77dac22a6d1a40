"""Reads arrays: `.npz` files, arrays by name, and pairs of inputs and targets."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from advisor.data.formats.array_sizes import check_sizes
from advisor.data.formats.folders import SPLIT_NAMES
from advisor.data.items import LABEL_NAMES
from advisor.data.notes import Notes, plural
from advisor.data.raw import SPLITS, Raw
from advisor.errors import InputError, listing
from advisor.nested import elements

INPUT_NAMES = (
    "x",
    "data",
    "inputs",
    "input",
    "images",
    "image",
    "features",
    "feature",
    "texts",
    "samples",
)
"""What arrays of inputs are called, in small letters."""

TARGET_NAMES = (*LABEL_NAMES, "classes")
"""What arrays of targets are called, in small letters."""

IMAGE_NAMES = ("images", "image")
"""Names of inputs that are images, whatever their shape."""

SPLIT_WORDS = {**SPLIT_NAMES, "tr": "train", "te": "test"}
"""The split that a word in an array's name stands for."""

NO_CHANNEL, CHANNELS_LAST = 3, 4
"""Dimensions of images without channels, (N, H, W), and of those that may have them last."""

MOST_CHANNELS = 4
"""Channels of an image: grey, grey and alpha, RGB, RGBA."""


@dataclass(frozen=True)
class ArrayName:
    """What the name of an array says: its split (`data` for none), and whether it is a target."""

    split: str
    is_target: bool
    is_image: bool = False

    @classmethod
    def of(cls, name: str) -> ArrayName | None:
        """What a name says, such as `x_train`, `train_images` or `XTest`; None for other names."""
        spaced = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=^[XY])(?=[A-Z])", "_", name).lower()
        words = [word for word in re.split(r"[^a-z]+", spaced) if word]
        # `xtrain` is written in one word.
        if len(words) == 1 and words[0][0] in "xy" and words[0][1:] in SPLIT_WORDS:
            words = [words[0][0], words[0][1:]]
        splits = [SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS]
        roles = [word for word in words if word in (*INPUT_NAMES, *TARGET_NAMES)]
        if len(splits) + len(roles) != len(words) or len(splits) > 1 or len(roles) > 1:
            return None
        if not roles and splits != ["unlabeled"]:
            return None
        split = splits[0] if splits else "data"
        role = roles[0] if roles else "x"
        return cls(split, role in TARGET_NAMES, role in IMAGE_NAMES)


def read_npz(path: Path, notes: Notes) -> dict[str, Raw]:
    """The arrays of an `.npz` file, by split.

    Raises:
        InputError: the file cannot be read, holds Python objects, or its names say nothing.
    """
    try:
        check_sizes(path)
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
    except (OSError, EOFError, ValueError, TypeError, zipfile.BadZipFile) as error:
        is_pickle = "pickle" in str(error).lower()
        advice = "; save arrays of numbers, not of objects" if is_pickle else ""
        raise InputError(f"{path} cannot be read as .npz: {error}{advice}.") from error
    return by_name(arrays, path.name, notes)


def by_name(arrays: Mapping[str, Any], name: str, notes: Notes) -> dict[str, Raw]:
    """Arrays called `x` and `y`, `features` and `labels`, or `x_train`, `train_labels`, …, by split
    (`data` for a plain pair).

    Several arrays beside one called `y` or `labels` are inputs by name.

    Raises:
        InputError: the names say nothing, or a `y` is missing.
    """
    # One array of inputs and one of targets stand for each split.
    meanings = {key: ArrayName.of(key) for key in arrays}
    places, extra = _places(meanings)
    splits = [split for split in ("data", *SPLITS) if (split, False) in places]
    raws: dict[str, Raw] = {}
    is_pair = splits != ["data"] or _is_pair(arrays, places["data", False], extra)
    for split in splits if is_pair else []:
        x, y = places[split, False], places.get((split, True))
        if y is None and split != "unlabeled":
            raise InputError(
                f"{name} has {x!r} but no targets for it; its arrays are {listing(arrays)}."
            )
        place = name if split == "data" else f"{split} of {name}"
        meaning = meanings[x]
        is_image = meaning is not None and meaning.is_image
        inputs = _with_channels(arrays[x], name, notes) if is_image else arrays[x]
        raws[split] = from_arrays(inputs, None if y is None else arrays[y], place)
    if raws and extra:
        notes.note(f"{name}: not read: {listing(extra)}")

    # Without such names, all arrays but the one that is called like a label are inputs.
    label_keys = [key for key in arrays if key.lower() in LABEL_NAMES]
    if not raws and len(label_keys) == 1 and len(arrays) > 2:
        by_key = dict(arrays)
        labels = by_key.pop(label_keys[0])
        raws["data"] = from_arrays(by_key, labels, name)
    if not raws or ("data" in raws and "train" in raws):
        raise InputError(
            f"{name} has the arrays {listing(arrays)}; call them x and y, or x_train, y_train, "
            "x_valid, y_valid, …"
        )
    return raws


def _places(
    meanings: Mapping[str, ArrayName | None],
) -> tuple[dict[tuple[str, bool], str], list[str]]:
    """The array of inputs, and that of targets, of each split; and all other arrays."""
    places: dict[tuple[str, bool], str] = {}
    extra = []
    for key, meaning in meanings.items():
        if meaning is None or (meaning.split, meaning.is_target) in places:
            extra.append(key)
        else:
            places[meaning.split, meaning.is_target] = key
    return places, extra


def _is_pair(arrays: Mapping[str, Any], x: str, extra: list[str]) -> bool:
    """Whether one array holds all inputs; another one with a row for each of its rows may be a
    second input, beside a first one of an unusual name.
    """
    if x.lower() in ("x", "data", "inputs", "images"):
        return True
    rows = np.shape(arrays[x])[:1]
    others = [np.asarray(arrays[key]) for key in extra]
    return not any(other.shape[:1] == rows and other.dtype.kind in "biuf" for other in others)


def _with_channels(images: Any, name: str, notes: Notes) -> Any:
    """Images as (N, C, H, W), where they have no channels or have them last."""
    shape = tuple(np.shape(images))
    if len(shape) == NO_CHANNEL:
        changed = np.asarray(images)[:, None]
    elif len(shape) == CHANNELS_LAST and shape[3] <= MOST_CHANNELS < shape[1]:
        changed = np.moveaxis(np.asarray(images), 3, 1)
    else:
        return images
    notes.note(f"{name}: images of shape {shape[1:]} are read as {changed.shape[1:]}")
    return changed


def from_arrays(x: Any, y: Any, name: str) -> Raw:
    """A pair of inputs and targets: arrays, tensors, lists, a pandas table and column, or texts and
    labels.

    Raises:
        InputError: x and y have different lengths, or x does not hold numbers or texts.
    """
    # Texts are a table with one column, arrays are tensors.
    labels = None if y is None else _to_labels(y, name)
    texts = _texts(x)
    if isinstance(x, pd.DataFrame):
        raw = Raw(name, x.reset_index(drop=True), labels)
    elif texts is not None:
        raw = Raw(name, pd.DataFrame({"text": texts}), labels, texts=True)
    else:
        inputs = x if isinstance(x, tuple) else (x,)
        raw = Raw(name, tuple(_to_tensors(each, name) for each in inputs), labels)
        if len({len(tensor) for tensor in elements(raw.inputs)}) != 1:
            raise InputError(f"{name}: the inputs have different numbers of rows.")
    if labels is not None and len(labels) != len(raw):
        raise InputError(
            f"{name}: x has {plural(len(raw), 'row')} and y has {len(labels):,}; give one target "
            "per row."
        )
    return raw


def _texts(x: Any) -> list[str] | None:
    """The texts in a list, array or column of texts; None if x is something else."""
    is_column = isinstance(x, pd.Series | np.ndarray) and x.ndim == 1
    values = list(x) if isinstance(x, list) or is_column else []
    if not values or not all(isinstance(value, str) for value in values):
        return None
    return [str(value) for value in values]


def _to_tensors(x: Any, name: str) -> Any:
    """Inputs in dictionaries and tuples, each as a tensor with rows."""
    if isinstance(x, Mapping):
        return {key: _to_tensors(value, f"{name}, {key}") for key, value in x.items()}
    if isinstance(x, tuple):
        return tuple(_to_tensors(value, name) for value in x)
    tensor: torch.Tensor = x if isinstance(x, torch.Tensor) else torch.from_numpy(_array(x, name))
    tensor = tensor.detach().cpu()
    if tensor.ndim == 0 or tensor.is_complex():
        raise InputError(
            f"{name}: x needs one row of numbers per example, got {tensor.dtype} of shape "
            f"{tuple(tensor.shape)}."
        )
    return tensor.to_dense() if tensor.is_sparse else tensor


def _array(x: Any, name: str) -> np.ndarray[Any, Any]:
    """One input as an array that torch takes: of the machine's byte order, and writable."""
    try:
        array = np.asarray([np.asarray(row) for row in x] if isinstance(x, list) else x)
    except ValueError as error:
        raise InputError(
            f"{name}: the rows of x have different shapes; pad them to one shape."
        ) from error
    if array.dtype.kind not in "biuf":
        raise InputError(
            f"{name}: x holds {array.dtype} values; give numbers, texts, or a pandas DataFrame."
        )
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    return np.require(array, requirements=["C", "W"])


def _to_labels(y: Any, name: str) -> Any:
    """Targets as a pandas Series, or as an array or a table (N, k)."""
    if isinstance(y, pd.Series):
        return y.reset_index(drop=True)
    if isinstance(y, pd.DataFrame) and y.shape[1] > 1:
        return y.reset_index(drop=True)
    # Lists of words are labels of a row, of which each row has its own number.
    if isinstance(y, list | tuple) and len(y) and all(map(_is_list_of_words, y)):
        return pd.Series(list(y))
    values = y.detach().cpu().numpy() if isinstance(y, torch.Tensor) else np.asarray(y)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim not in (1, 2):
        raise InputError(f"{name}: y must be (N,) or (N, k), got shape {values.shape}.")
    return pd.Series(values) if values.ndim == 1 else values


def _is_list_of_words(cell: object) -> bool:
    """Whether a target is a list or a set of words, also an empty one."""
    if not isinstance(cell, list | tuple | set | frozenset):
        return False
    return all(isinstance(word, str) for word in cell)
