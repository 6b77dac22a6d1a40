"""Folders of images or texts, one sub-folder per class, perhaps one level down in `train/` and
`test/`.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from advisor.data.raw import Raw, Told, plural
from advisor.errors import InputError, listing

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff")
TEXTS = (".txt",)
NAMES = {
    "train": "train", "training": "train", "valid": "valid", "val": "valid", "validation": "valid", "dev": "valid",
    "test": "test", "testing": "test", "unlabeled": "unlabeled", "unlabelled": "unlabeled", "unsup": "unlabeled",
}  # fmt: skip


def read_folder(folder: Path, told: Told) -> dict[str, Raw]:
    """The splits in a folder that holds `train/`, `test/`, …, or `data` for a folder of classes or
    of bare files.

    Raises:
        InputError: the folder holds no images and no texts, or both.
    """
    parts = {
        NAMES[path.name.lower()]: path for path in _folders(folder) if path.name.lower() in NAMES
    }
    if "train" not in parts:
        return _read_classes(folder, "data", told)
    found: dict[str, Raw] = {}
    for split, path in parts.items():
        for name, raw in _read_classes(path, split, told).items():
            found.setdefault(name, raw)
    return found


def _read_classes(folder: Path, split: str, told: Told) -> dict[str, Raw]:
    """The labelled rows of a folder under `split`, and those of its sub-folder for unlabeled rows."""
    inside = _folders(folder)
    bare = next((path for path in inside if NAMES.get(path.name.lower()) == "unlabeled"), None)
    classes = [path for path in inside if path != bare]
    if split == "unlabeled" or not classes:
        return {split: _body(_files(folder), None, folder, told)}
    files = [(path, place.name) for place in classes for path in _files(place)]
    found = {split: _body([path for path, _ in files], [label for _, label in files], folder, told)}
    return found if bare is None else found | {"unlabeled": _body(_files(bare), None, bare, told)}


def _folders(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "__"))
    )


def _files(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")
    )


def _body(files: list[Path], labels: list[str] | None, folder: Path, told: Told) -> Raw:
    """Images as a list of files, texts as a table with the column `text`."""
    images = [i for i, path in enumerate(files) if path.suffix.lower() in IMAGES]
    texts = [i for i, path in enumerate(files) if path.suffix.lower() in TEXTS]
    if bool(images) == bool(texts):
        kinds = listing(sorted({path.suffix for path in files})) or "nothing"
        raise InputError(
            f"{folder} holds {'both images and texts' if images else 'no images and no .txt files'} ({kinds}); give a folder "
            "with one sub-folder of images, or of .txt files, per class."
        )
    chosen = images or texts
    if len(chosen) < len(files):
        told.note(
            f"{folder.name}: left out {plural(len(files) - len(chosen), 'file')} of other kinds"
        )
    body = [files[i] for i in chosen]
    column = None if labels is None else pd.Series([labels[i] for i in chosen])
    if images:
        return Raw(str(folder), body, column)
    return Raw(
        str(folder), pd.DataFrame({"text": [_text(path) for path in body]}), column, texts=True
    )


def _text(path: Path) -> str:
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")
