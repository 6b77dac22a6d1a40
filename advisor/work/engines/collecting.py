"""Which files of the user's a study needs on another machine, as this process has found them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from advisor.content.files_read import FilesRead
from advisor.content.own_files import is_own_file
from advisor.errors import InputError
from advisor.loading.paths import find_path, is_reference
from advisor.loading.references import Reference
from advisor.study import Study
from advisor.user_code import is_users
from advisor.work.engines.packed import PICKLE, Packed, name_of
from advisor.work.study_ref import StudyRef
from advisor.work.trust import code_named_by, texts_in

SPLITS = ("data", "train", "valid", "test", "unlabeled", "vectors")
"""The arguments of a task that may be paths of data."""


@dataclass(frozen=True)
class Shipment:
    """A study as it goes to workers.

    Attributes:
        ref: the study, by whole paths and without its pickle.
        packed: its files.
        imports: folders from which this process imports the user's modules.
    """

    ref: StudyRef
    packed: Packed
    imports: tuple[str, ...]


def shipment_of(ref: StudyRef, study: Study, read: FilesRead, most: int | None) -> Shipment:
    """What workers need of a study that this process has opened.

    Arguments:
        ref: the study.
        study: the same, loaded.
        read: the files that were read while it was opened.
        most: bytes that may travel; a file that is larger than what is left of them does not. None
            for no limit.
    """
    files: dict[str, bytes] = {}
    left_out: dict[str, int] = {}
    if ref.pickled is not None:
        files[PICKLE] = ref.pickled
    room = float("inf") if most is None else max(0, most - len(ref.pickled or b""))
    # Code comes first, and then what is small.
    code = dict.fromkeys(code_of(ref))
    others = dict.fromkeys([*data_of(ref, study), *read.of_the_user()])
    for path in [*code, *sorted(others, key=size_of)]:
        name, size = name_of(path), size_of(path)
        if name in files:
            continue
        if size > room:
            left_out[str(path)] = size
            continue
        with suppress(OSError):
            files[name] = path.read_bytes()
            room -= size
    return Shipment(whole(ref), Packed.of(files, left_out), import_folders())


def whole(ref: StudyRef) -> StudyRef:
    """A reference by whole paths, without its pickle."""
    file = ref.file
    if file is not None:
        own = Reference.parse(file)
        file = str(replace(own, place=str(resolved(own.place))))
    plugins = tuple(str(resolved(each)) for each in ref.plugins)
    home = None if ref.home is None else str(resolved(ref.home))
    return replace(ref, file=file, plugins=plugins, pickled=None, home=home)


def resolved(text: str) -> Path:
    """A path as Python's import of it has it."""
    return Path(text).expanduser().resolve()


def code_of(ref: StudyRef) -> Iterator[Path]:
    """Files of Python code: those that are named with their siblings, and the user's modules that
    are loaded with their packages.
    """
    named = [resolved(Reference.parse(text).place) for text in code_named_by(ref)]
    for path in named:
        if path.suffix == ".py" and path.is_file():
            yield path
            yield from code_in(path.parent)
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or not file.endswith(".py") or not is_users(file):
            continue
        if not is_own_file(Path(file)):
            continue
        yield Path(os.path.abspath(file))
        if os.path.basename(file) == "__init__.py":
            yield from code_in(Path(os.path.abspath(file)).parent)


def code_in(folder: Path) -> Iterator[Path]:
    """The files of Python code in a folder, and in the packages below it."""
    with suppress(OSError):
        for path in sorted(folder.iterdir()):
            if path.suffix == ".py" and path.is_file():
                yield path
            elif path.is_dir() and (path / "__init__.py").is_file() and is_own_file(path):
                yield from code_in(path)


def data_of(ref: StudyRef, study: Study) -> Iterator[Path]:
    """The files of data that a study names by path."""
    for name in SPLITS:
        value = getattr(study.task, name)
        value = str(value) if isinstance(value, Path) else value
        for text in texts_in(value):
            if is_reference(text):
                continue
            with suppress(InputError, OSError):
                place = Path(os.path.normpath(find_path(text, ref.folder()).absolute()))
                yield from files_below(place)


def files_below(place: Path) -> Iterator[Path]:
    """A file, or all files in a folder."""
    if place.is_file():
        yield place
    elif place.is_dir():
        yield from sorted(each for each in place.rglob("*") if each.is_file())


def import_folders() -> tuple[str, ...]:
    """The folders of `sys.path` that are the user's own, in their order."""
    folders = [os.path.abspath(each) for each in sys.path if not each.endswith(".zip")]
    return tuple(each for each in folders if os.path.isdir(each) and is_own_file(Path(each)))


def size_of(path: Path) -> int:
    """Bytes of a file; 0 where it is gone."""
    with suppress(OSError):
        return path.stat().st_size
    return 0
