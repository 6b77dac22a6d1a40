"""Reads a file, an archive or a folder by what its name and its content are."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from advisor.data.formats.archives import Unpacked, UnpackedFiles, is_archive
from advisor.data.formats.arrays import SPLIT_WORDS, read_npz
from advisor.data.formats.folders import read_folder
from advisor.data.formats.idx_files import has_idx, read_idx_files
from advisor.data.formats.json_files import read_json, read_json_lines
from advisor.data.formats.labelled_lines import are_rows, read_lines
from advisor.data.formats.table_files import read_csv, read_parquet
from advisor.data.notes import Notes
from advisor.data.raw import Raw
from advisor.errors import InputError, listing

FILE_READERS: dict[str, Callable[[Path, Notes], dict[str, Raw]]] = {
    ".csv": lambda path, notes: {"data": Raw(path.name, read_csv(path, notes))},
    ".tsv": lambda path, notes: {"data": Raw(path.name, read_csv(path, notes))},
    ".parquet": lambda path, notes: {"data": Raw(path.name, read_parquet(path, notes))},
    ".npz": read_npz,
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
    ".json": read_json,
    ".txt": read_lines,
}
"""What reads a file, by the end of its name."""


def read_path(path: Path, notes: Notes) -> dict[str, Raw]:
    """The rows of a file, an archive or a folder, by split (`data` for rows that are not split).

    Raises:
        InputError: it is of no kind that can be read, or it is at fault.
    """
    if path.is_dir():
        return _read_folder(path, notes)
    if is_archive(path):
        return _read_archive(path, notes)
    suffix = path.suffix.lower()
    if suffix in FILE_READERS:
        return FILE_READERS[suffix](path, notes)
    if path.is_file() and are_rows(path):
        return read_lines(path, notes)
    raise InputError(
        f"{path} is of no kind that can be read ({listing(FILE_READERS)}); write a function that "
        "returns arrays and give it as FILE.py:NAME."
    )


def _read_archive(path: Path, notes: Notes) -> dict[str, Raw]:
    """The rows in an archive, under its name; image files stay unpacked until they are read."""
    archive = Unpacked(path)
    place = str(archive.folder)
    try:
        raws = read_path(archive.content, notes)
    except InputError as error:
        raise InputError(str(error).replace(place, str(path))) from error
    for split, raw in raws.items():
        inputs = raw.inputs
        if isinstance(inputs, list):
            inputs = UnpackedFiles(inputs, archive)
        raws[split] = replace(raw, name=raw.name.replace(place, path.name), inputs=inputs)
    return raws


def _read_folder(folder: Path, notes: Notes) -> dict[str, Raw]:
    """The rows in a folder: of IDX files, of a file for each split, of one file, or of a sub-folder
    for each class.
    """
    inside = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    files = [path for path in inside if path.is_file()]
    if has_idx(files):
        return read_idx_files(files, folder, notes)
    if len(files) < len(inside):
        return read_folder(folder, notes)

    # A file for each split is named so, as `train.csv`.
    readable = [path for path in files if path.suffix.lower() in FILE_READERS]
    by_split = {_split_of(path): path for path in readable}
    if "train" in by_split and None not in by_split and len(by_split) == len(readable):
        notes.note(f"{folder.name}: read {listing(path.name for path in by_split.values())}")
        return _read_splits({str(split): path for split, path in by_split.items()}, notes)
    tables = [path for path in readable if path.suffix.lower() != ".txt"]
    tables = tables or [path for path in files if is_archive(path)]
    return read_path(tables[0], notes) if len(tables) == 1 else read_folder(folder, notes)


def _read_splits(files: Mapping[str, Path], notes: Notes) -> dict[str, Raw]:
    """The rows of a file for each split."""
    raws = {}
    for split, path in files.items():
        for name, raw in read_path(path, notes).items():
            raws[split if name == "data" else name] = raw
    return raws


def _split_of(path: Path) -> str | None:
    """The split that a file's name says, None for none."""
    words = re.split(r"[^a-z]+", path.stem.lower())
    splits = [SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS]
    return splits[0] if len(splits) == 1 else None
