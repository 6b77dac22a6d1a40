"""Where a study comes from, as a plain value: every process that works on it opens the same study
for itself.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cloudpickle

from advisor.data import Source, open_source
from advisor.errors import InputError, listing
from advisor.host.host import Host, load
from advisor.loading.arguments import read_arguments
from advisor.loading.files import load_file, load_object
from advisor.loading.model import load_model
from advisor.loading.paths import find_path
from advisor.study import Study, Task


@dataclass(frozen=True)
class StudyRef:
    """A study by reference, with the plugins it is asked with. Exactly one of `file`, `flags` and
    `pickled` is set.

    `file` is `STUDY.py` or `STUDY.py:NAME`; `flags` are the task's command-line options as JSON;
    `pickled` is a study made in a notebook or script. `changes` are the budget options of the
    command line that overrule the study's own, as JSON.
    """

    file: str | None = None
    flags: str | None = None
    pickled: bytes | None = field(default=None, repr=False)
    changes: str = "{}"
    plugins: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    @classmethod
    def given(cls, study: Study | StudyRef | str | Path, plugins: tuple[str, ...] = ()) -> StudyRef:
        """The question of whatever names a study: itself, a study object, or the path of a study
        file.
        """
        if isinstance(study, StudyRef):
            return study
        return (
            cls.of(study, plugins)
            if isinstance(study, Study)
            else cls(file=str(study), plugins=plugins)
        )

    @classmethod
    def of(cls, study: Study, plugins: tuple[str, ...] = ()) -> StudyRef:
        """The question of a study object; it is pickled whole, with lambdas and notebook classes."""
        try:
            return cls(pickled=cloudpickle.dumps(study), plugins=plugins)
        except Exception as problem:  # whatever a user's object raises while it is pickled
            raise InputError(
                f"Study {study.name!r} cannot be sent to workers ({problem}); put it in a study file."
            ) from problem

    def study(self) -> Study:
        """The study itself. Raises `InputError` when its file, model or data cannot be found."""
        study = replace(_study(self), **json.loads(self.changes))
        return (
            study
            if study.task.vectors is None
            else replace(study, task=_placed(study.task, self.folder()))
        )

    @property
    def definitions_only(self) -> bool:
        """Whether the files of the model and the data are loaded by their definitions alone."""
        return self.flags is not None and bool(json.loads(self.flags).get("definitions_only"))

    def folder(self) -> Path:
        """Where relative paths of the study are looked up."""
        return (
            Path(self.file.rpartition(":")[0] or self.file).resolve().parent
            if self.file
            else Path.cwd()
        )

    def to_json(self) -> str | None:
        """The question as it is kept in the database, or None where it cannot be asked again from
        there.
        """
        if self.pickled is not None:
            return None
        kept = {
            "file": self.file,
            "flags": self.flags,
            "changes": self.changes,
            "plugins": self.plugins,
            "without": self.without,
        }
        return json.dumps(kept)

    @classmethod
    def from_json(cls, text: str) -> StudyRef:
        """The question that `to_json` wrote."""
        kept = json.loads(text)
        return cls(**{**kept, "plugins": tuple(kept["plugins"]), "without": tuple(kept["without"])})


@functools.lru_cache(maxsize=4)
def _study(question: StudyRef) -> Study:
    if question.file is not None:
        return _from_file(question.file)
    if question.flags is not None:
        return _from_flags(json.loads(question.flags))
    study = cloudpickle.loads(question.pickled)
    assert isinstance(study, Study)  # we pickled it ourselves, in StudyRef.of
    return study


def _placed(task: Task, folder: Path) -> Task:
    """The task with the whole path of its vectors. Raises `InputError` where there is no such file."""
    try:
        return replace(task, vectors=str(find_path(str(task.vectors), folder).resolve()))
    except InputError as problem:
        raise InputError(f"The word vectors (--vectors or Task(vectors=…)): {problem}") from None


def _from_file(spec: str) -> Study:
    path, colon, name = spec.rpartition(":")
    path, name = (path, name) if colon and path.endswith(".py") else (spec, "")
    module = load_file(path, "study")
    if name:
        study = load_object(spec, "study")
        if not isinstance(study, Study):
            raise InputError(f"{spec} is {type(study).__name__}, not an advisor.Study.")
        return study
    found = {key: value for key, value in vars(module).items() if isinstance(value, Study)}
    if len({id(value) for value in found.values()}) != 1:
        asked = (
            f"It has {listing(found)}: say which, {path}:NAME."
            if found
            else "Write: study = advisor.Study(name, advisor.Task(…))."
        )
        raise InputError(f"{path} must hold one advisor.Study, and holds {len(found)}. {asked}")
    return next(iter(found.values()))


def _from_flags(flags: Mapping[str, Any]) -> Study:
    build = load_model(flags["model"], flags.get("definitions_only", False))
    words = (
        "data",
        "train",
        "valid",
        "test",
        "unlabeled",
        "vectors",
        "target",
        "metric",
        "kind",
        "batch",
        "output",
    )
    options: dict[str, Any] = {
        key: flags[key]
        for key in (*words, "include", "exclude")
        if flags.get(key) not in (None, "", [])
    }
    return Study(
        flags["name"],
        Task(build=build, arguments=read_arguments(flags.get("arguments", {})), **options),
    )


@functools.lru_cache(maxsize=4)
def host_of(question: StudyRef) -> Host:
    """The plugins of a question, loaded once per process."""
    return load(question.plugins, question.without)


@functools.lru_cache(maxsize=2)
def source_of(question: StudyRef, vocabulary: int | None = None) -> Source:
    """The data of a question, read once per process; ids are limited to `vocabulary` when the
    model's table is smaller.
    """
    if vocabulary is not None:
        return source_of(question).limit_vocabulary(vocabulary)
    study = question.study()
    task = study.task
    return open_source(
        data=task.data,
        train=task.train,
        valid=task.valid,
        test=task.test,
        unlabeled=task.unlabeled,
        target=task.target,
        kind=task.kind,
        seed=study.seed,
        folder=question.folder(),
        definitions_only=question.definitions_only,
    )
