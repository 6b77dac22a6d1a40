"""The content of a study that is being opened: its code, rows, arguments and model."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from types import FunctionType
from typing import Any

from torch import nn

from advisor.content.code import code_parts
from advisor.content.files_read import FilesRead
from advisor.content.own_files import UsersOwn, is_own_file
from advisor.content.study_content import Content
from advisor.data.source import Source
from advisor.data.splits import Splits
from advisor.model.structure import plain_text, structure_of
from advisor.study import Task

SETTINGS = frozenset((".cfg", ".conf", ".env", ".ini", ".json", ".toml", ".yaml", ".yml"))
"""How the names of files end that hold settings."""
END_BYTES = 2**22
"""Bytes at each end of a file of word vectors that are compared."""


def content_of(
    files: Mapping[str, str],
    task: Task,
    source: Source,
    splits: Splits,
    model: nn.Module,
    arguments: Mapping[str, Any],
) -> Content:
    """What a study is made of.

    Arguments:
        files: digests of the files that were read, by their paths.
        task: what the user brought.
        source: the data, opened.
        splits: those of the study's own seed.
        model: a first one, whose layers have learned their sizes.
        arguments: what its constructor was called with.
    """
    texts = {}
    for name, value in arguments.items():
        text = plain_text(value)
        if text is not None:
            texts[name] = text
    return Content(
        code=code_parts(roots_of(task, source)),
        files=files,
        rows=source.digests(splits),
        arguments=texts,
        model=structure_of(model),
    )


def digests_of_files(
    loading: FilesRead, building: FilesRead, folder: Path, vectors: str | Path | None
) -> dict[str, str]:
    """Digests of the user's files that were read while a study was opened, by their paths.

    What the study file itself reads may be the data, whose rows are compared; of that only files of
    settings count.

    Arguments:
        loading: what was read while the study was loaded.
        building: what was read while its model was built.
        folder: the study's.
        vectors: the file of word vectors; None where the study has none.
    """

    def is_settings(path: Path) -> bool:
        """Whether a file of the user's holds settings, by its name."""
        return path.suffix.lower() in SETTINGS and is_own_file(path)

    digests = {**loading.digests(folder, is_settings), **building.digests(folder)}
    if vectors is not None:
        digests[Path(vectors).name] = digest_of_ends(Path(vectors))
    return digests


def digest_of_ends(path: Path) -> str:
    """A digest of the size, the beginning and the end of a file, which may be of gigabytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        digest.update(str(size).encode())
        for place in (0, max(0, size - END_BYTES)):
            file.seek(place)
            digest.update(file.read(END_BYTES))
    return digest.hexdigest()


def roots_of(task: Task, source: Source) -> dict[str, object]:
    """The user's own objects whose code makes a study what it is, by what they are for.

    A function that gives the data is not among them: the rows themselves are compared.
    """
    roots: dict[str, object] = {
        "the model": task.build,
        "the loss": task.loss,
        "the metric": task.metric,
        "the optimizer": task.optimizer,
        "the schedule": task.scheduler,
        "the augmentation": task.augment,
        "the loop": task.fit,
    }
    for name, build in task.other_models.items():
        roots[f"the model {name}"] = build
    for name, value in task.arguments.items():
        roots[f"the argument {name}"] = value
    for name, code in source.readers.items():
        roots[f"the {name}"] = tuple(filter(is_the_users, code))
    return {name: root for name, root in roots.items() if root is not None}


def is_the_users(code: object) -> bool:
    """Whether an object may be the user's code, and is no class or function of a library."""
    owner = UsersOwn(is_own_file)
    if isinstance(code, type):
        return owner.class_(code)
    return not isinstance(code, FunctionType) or owner.function(code)
