"""Folders of images or texts, one sub-folder per class, perhaps one level down in `train/` and
`test/`.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from advisor.data.formats.text_files import read_text
from advisor.data.notes import Notes, plural
from advisor.data.raw import Raw
from advisor.errors import InputError, listing

# How the names of image files end.
IMAGE_SUFFIXES = (
    ".png",
    ".jpg",
    ".jpeg",
    ".bmp",
    ".gif",
    ".webp",
    ".ppm",
    ".pgm",
    ".tif",
    ".tiff",
)

# How the names of text files end.
TEXT_SUFFIX = ".txt"

# The split that a folder or a key holds, by its name in lower case.
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "val": "valid",
    "validation": "valid",
    "dev": "valid",
    "test": "test",
    "testing": "test",
    "unlabeled": "unlabeled",
    "unlabelled": "unlabeled",
    "unsup": "unlabeled",
}


def read_folder(folder: Path, notes: Notes) -> dict[str, Raw]:
    """The splits in a folder that holds `train/`, `test/`, …, or `data` for a folder of classes or
    of bare files.

    Raises:
        InputError: the folder holds no images and no texts, or both.
    """
    split_folders = {}
    for path in _folders(folder):
        if path.name.lower() in SPLIT_NAMES:
            split_folders[SPLIT_NAMES[path.name.lower()]] = path
    if "train" not in split_folders:
        return _read_classes(folder, "data", notes)
    raws: dict[str, Raw] = {}
    for split, path in split_folders.items():
        for name, raw in _read_classes(path, split, notes).items():
            raws.setdefault(name, raw)
    return raws


def _read_classes(folder: Path, split: str, notes: Notes) -> dict[str, Raw]:
    """The labelled rows of a folder under `split`, and the rows of its unlabeled sub-folder."""
    # Every sub-folder is a class, but for the first that is called like unlabeled rows.
    classes = []
    unlabeled = None
    for path in _folders(folder):
        if unlabeled is None and SPLIT_NAMES.get(path.name.lower()) == "unlabeled":
            unlabeled = path
        else:
            classes.append(path)
    if split == "unlabeled" or not classes:
        return {split: _read_files(_files(folder), None, folder, notes)}

    files: list[Path] = []
    labels: list[str] = []
    for path in classes:
        inside = _files(path)
        files += inside
        labels += [path.name] * len(inside)
    raws = {split: _read_files(files, labels, folder, notes)}
    if unlabeled is not None:
        raws["unlabeled"] = _read_files(_files(unlabeled), None, unlabeled, notes)
    return raws


def _folders(folder: Path) -> list[Path]:
    """The sub-folders of a folder, by name, without hidden ones."""
    inside = sorted(folder.iterdir())
    return [path for path in inside if path.is_dir() and not path.name.startswith((".", "__"))]


def _files(folder: Path) -> list[Path]:
    """The files below a folder, by name, without hidden ones."""
    below = sorted(folder.rglob("*"))
    return [path for path in below if path.is_file() and not path.name.startswith(".")]


def _read_files(files: list[Path], labels: list[str] | None, folder: Path, notes: Notes) -> Raw:
    """Images as a list of files, texts as a table with the column `text`."""
    # The ends of their names say what files are.
    images = [i for i, path in enumerate(files) if path.suffix.lower() in IMAGE_SUFFIXES]
    texts = [i for i, path in enumerate(files) if path.suffix.lower() == TEXT_SUFFIX]
    if bool(images) == bool(texts):
        kinds = listing(sorted({path.suffix for path in files})) or "nothing"
        what = "both images and texts" if images else "no images and no .txt files"
        raise InputError(
            f"{folder} holds {what} ({kinds}); give a folder with one sub-folder of images, or of "
            ".txt files, per class."
        )

    # Files of other kinds are left out, with their labels.
    kept = images or texts
    if len(kept) < len(files):
        count = plural(len(files) - len(kept), "file")
        notes.note(f"{folder.name}: left out {count} of other kinds")
    kept_files = [files[i] for i in kept]
    column = None if labels is None else pd.Series([labels[i] for i in kept])
    if images:
        return Raw(str(folder), kept_files, column)
    table = pd.DataFrame({"text": [read_text(path, notes) for path in kept_files]})
    return Raw(str(folder), table, column, texts=True)
