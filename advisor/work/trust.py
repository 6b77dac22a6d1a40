"""What a database names is run only where the user has named it, too.

A study's reference may come with somebody else's database. It says which files are run, and which
objects in them are called. The user names files by `--file` and `files=…`, by having imported them
(in Python), and, for an arm of a study that is to be trained again, by standing in their folder.
"""

from __future__ import annotations

import ast
import json
import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from typing import Any

from advisor.errors import InputError, listing
from advisor.loading.files import load_object
from advisor.loading.references import Reference
from advisor.study import Study
from advisor.user_code import is_users
from advisor.work.study_ref import StudyRef

CALLED = ("model", "data", "train", "valid", "test", "unlabeled")
"""The options of a reference that may name an object, which is then called."""


@dataclass(frozen=True)
class Trust:
    """The files whose code may run when a study of a database is opened.

    Attributes:
        files: the real paths of the files that the user has named.
        everything: whether all that the database names may run.
    """

    files: frozenset[Path] = frozenset()
    everything: bool = False

    @classmethod
    def in_files(cls, *files: str | Path, everything: bool = False) -> Trust:
        """The trust in files by their paths, also as `FILE.py:NAME`.

        Raises `InputError` for a file that is not there.
        """
        paths = []
        for file in files:
            path = Path(Reference.parse(str(file)).place).expanduser().resolve()
            if not path.is_file():
                raise InputError(f"{file}: there is no such file, of which code may run.")
            paths.append(path)
        return cls(frozenset(paths), everything)

    def with_loaded(self) -> Trust:
        """The same trust, and that in the user's own modules, whose code this process has run."""
        loaded = set()
        for module in list(sys.modules.values()):
            file = getattr(module, "__file__", None)
            if isinstance(file, str) and file.endswith(".py") and is_users(file):
                loaded.add(Path(file).resolve())
        return Trust(self.files | loaded, self.everything)

    def with_folder_of(self, ref: StudyRef) -> Trust:
        """The same trust, and that in the files that a reference names in the current folder and
        below it.

        It is for a command whose purpose is to train that study; to look at an answer is no reason
        to run its files.
        """
        here = Path.cwd().resolve()
        files = {file_of(Reference.parse(text).place) for text in code_named_by(ref)}
        near_here = {file for file in files if file is not None and file.is_relative_to(here)}
        return Trust(self.files | near_here, self.everything)

    def check(self, ref: StudyRef, study: str) -> None:
        """Raise `InputError` where a reference would run code that is not trusted.

        Arguments:
            ref: where the study comes from.
            study: its name, for the message.
        """
        if self.everything:
            return
        if ref.pickled is not None:
            raise InputError(refusal(study, ["a pickle"]))
        # First without running anything; then the files that may run say what their objects are.
        strange = [text for text in code_named_by(ref) if not self._has(Reference.parse(text))]
        if not strange:
            strange = [text for text in objects_named_by(ref) if not self._owns(text, ref)]
        if strange:
            raise InputError(refusal(study, strange))

    def _has(self, reference: Reference) -> bool:
        """Whether a reference is to a file that the user has named."""
        return file_of(reference.place) in self.files

    def _owns(self, text: str, ref: StudyRef) -> bool:
        """Whether an object is a study, or a class or function that such a file defines itself."""
        value = load_object(text, definitions_only=ref.definitions_only)
        if isinstance(value, Study):
            return True
        if not isinstance(value, (type, FunctionType)):
            return False
        module = sys.modules.get(value.__module__)
        file = getattr(module, "__file__", None)
        if isinstance(value, FunctionType):
            file = value.__code__.co_filename
        return isinstance(file, str) and Path(file).resolve() in self.files


def code_named_by(ref: StudyRef) -> Iterator[str]:
    """The files and modules that opening a study runs, as they are named."""
    yield from ref.plugins
    if ref.file is not None:
        yield ref.file
    if ref.script is not None:
        yield ref.script.path
    yield from objects_in_flags(flags_in(ref))
    arguments = flags_in(ref).get("arguments", {})
    for key, text in arguments.items():
        if isinstance(text, str) and names_object(text):
            yield f"{key}={text}"


def objects_named_by(ref: StudyRef) -> Iterator[str]:
    """The objects in files that opening a study uses, as they are named."""
    if ref.file is not None and Reference.parse(ref.file).name:
        yield ref.file
    yield from objects_in_flags(flags_in(ref))


def flags_in(ref: StudyRef) -> Mapping[str, Any]:
    """The options of the command line of which a reference was made; empty where there are none."""
    flags: dict[str, Any] = json.loads(ref.flags) if ref.flags is not None else {}
    return flags


def objects_in_flags(flags: Mapping[str, Any]) -> Iterator[str]:
    """The options that name an object, and all for a model, which is always one."""
    for word in CALLED:
        for text in texts_in(flags.get(word)):
            if word == "model" or Reference.parse(text).name:
                yield text


def texts_in(value: object) -> Iterator[str]:
    """The texts in a value of JSON: data may be several, by the name of their split."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from texts_in(inner)


def file_of(place: str) -> Path | None:
    """The file of a Python file, or of a module in the current folder or one that is loaded.

    None where it is neither. Nothing is run to find it.
    """
    if place.endswith(".py"):
        return Path(place).expanduser().resolve()
    # A module of the current folder comes first, as where it is imported.
    here = Path(f"{place.replace('.', '/')}.py")
    file = str(here) if here.is_file() else getattr(sys.modules.get(place), "__file__", None)
    return Path(file).resolve() if isinstance(file, str) else None


def names_object(text: str) -> bool:
    """Whether the text of a `--model-arg` may name an object, whose module would be imported."""
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError):
        return False
    # Which modules there are depends on where the study is opened, so each dotted name counts.
    return any(isinstance(node, ast.Attribute) for node in ast.walk(tree))


def refusal(study: str, strange: list[str]) -> str:
    """The message about code that the user has not named."""
    files = []
    for text in strange:
        place = Reference.parse(text).place
        file = file_of(place)
        if file is not None and file.is_file() and is_users(str(file)):
            files.append(shlex.quote(os.path.relpath(file)))
    named = f"name its files, with --file {' --file '.join(dict.fromkeys(files))}, or "
    trusted = f"{named if files else ''}trust all that the database names, with --trust"
    return (
        f"Study {study!r}: to open it would run what the database names and you have not: "
        f"{listing(strange)}. Where it is yours, {trusted} "
        "(files=[…] or trust=True of advisor.recommendation)."
    )
