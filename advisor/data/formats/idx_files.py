"""Reads IDX files, in which MNIST and its relatives come: arrays behind a header of their shape."""

from __future__ import annotations

import gzip
import math
import re
import zlib
from pathlib import Path

import numpy as np

from advisor.data.formats.arrays import by_name
from advisor.data.notes import Notes
from advisor.data.raw import Raw
from advisor.errors import InputError, listing

IDX_NAME = re.compile(
    r"(?:.*[-_.])?(?P<split>train|t10k|test|valid|val)[-_.](?P<role>images|labels)[-_.]idx[13]"
    r"[-_.]ubyte(?:\.gz)?"
)
"""The name of an IDX file, as `train-images-idx3-ubyte.gz`."""

SPLITS_OF_FILES = {"t10k": "test"}
"""The split of files that are called otherwise."""

DTYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
"""The type of the numbers by its code in the header."""


def has_idx(files: list[Path]) -> bool:
    """Whether there are IDX files among some files."""
    return any(IDX_NAME.fullmatch(path.name) for path in files)


def read_idx_files(files: list[Path], folder: Path, notes: Notes) -> dict[str, Raw]:
    """The images and labels of IDX files, by split.

    Raises:
        InputError: a file is damaged, or images have no labels.
    """
    arrays = {}
    for path in files:
        found = IDX_NAME.fullmatch(path.name)
        if found is not None:
            split = SPLITS_OF_FILES.get(found["split"], found["split"])
            arrays[f"{split}_{found['role']}"] = read_idx(path)
    notes.note(f"{folder.name}: read as IDX files ({listing(arrays)})")
    return by_name(arrays, folder.name, notes)


def read_idx(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    """The array in one IDX file. Raises `InputError` when it is damaged."""
    try:
        packed = path.read_bytes()
        content = gzip.decompress(packed) if path.suffix == ".gz" else packed
        dtype = np.dtype(DTYPES[content[2]])
        ends = 4 + 4 * content[3]
        shape = np.frombuffer(content[4:ends], ">i4").tolist()
        if len(content) != ends + math.prod(shape) * dtype.itemsize:
            raise ValueError(f"its header says {shape}, and it has {len(content):,} bytes")
        numbers = np.frombuffer(content, dtype, offset=ends).reshape(shape)
    except (OSError, EOFError, ValueError, KeyError, IndexError, zlib.error) as error:
        raise InputError(f"{path} cannot be read as an IDX file: {error}.") from error
    return numbers.astype(dtype.newbyteorder("="))
