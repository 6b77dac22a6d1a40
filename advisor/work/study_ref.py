"""A study by reference, as a plain value: every process that works on it opens it for itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import cloudpickle

from advisor.errors import InputError, listing
from advisor.loading.arguments import read_arguments
from advisor.loading.files import load_file, load_object
from advisor.loading.model import load_model
from advisor.loading.paths import find_path
from advisor.study import Study, Task

TASK_WORDS = (
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
    "include",
    "exclude",
)
"""The arguments of `Task` that the command line gives as they are."""


@dataclass(frozen=True)
class StudyRef:
    """Where a study comes from. Exactly one of `file`, `flags` and `pickled` is set.

    Attributes:
        file: `STUDY.py` or `STUDY.py:NAME`.
        flags: the options of the command line that describe the task, as JSON.
        pickled: a study that was made in a notebook or script.
        changes: the options that overrule the study's own budget, as JSON.
        plugins: plugin files that are loaded besides the installed plugins.
        without: installed plugins that are left out.
    """

    file: str | None = None
    flags: str | None = None
    pickled: bytes | None = field(default=None, repr=False)
    changes: str = "{}"
    plugins: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    @classmethod
    def of(cls, study: Study | StudyRef | str | Path, plugins: tuple[str, ...] = ()) -> StudyRef:
        """The reference of a study object, or of a study file by its path.

        A study object is pickled whole, with the lambdas and the classes of its notebook. Raises
        `InputError` where that is impossible.
        """
        if isinstance(study, StudyRef):
            return study
        if not isinstance(study, Study):
            return cls(file=str(study), plugins=plugins)
        try:
            return cls(pickled=cloudpickle.dumps(study), plugins=plugins)
        except Exception as problem:  # whatever a user's object raises while it is pickled
            raise InputError(
                f"Study {study.name!r} cannot be sent to workers ({problem}); "
                "put it in a study file."
            ) from problem

    def load(self) -> Study:
        """The study itself. Raises `InputError` when its file, model or data cannot be found."""
        study = replace(self._as_written(), **json.loads(self.changes))
        if study.task.vectors is None:
            return study
        return replace(study, task=_with_whole_path(study.task, self.folder()))

    def _as_written(self) -> Study:
        if self.file is not None:
            return _from_file(self.file)
        if self.flags is not None:
            return _from_flags(json.loads(self.flags))
        study = cloudpickle.loads(self.pickled)
        if not isinstance(study, Study):
            raise InputError(f"The pickled study is {type(study).__name__}, not an advisor.Study.")
        return study

    @property
    def definitions_only(self) -> bool:
        """Whether the files of the model and the data are loaded by their definitions alone."""
        return self.flags is not None and bool(json.loads(self.flags).get("definitions_only"))

    def folder(self) -> Path:
        """Where relative paths of the study are looked up."""
        if self.file is None:
            return Path.cwd()
        path = self.file.rpartition(":")[0] or self.file
        return Path(path).resolve().parent

    def to_json(self) -> str | None:
        """The reference for the database, or None where it means nothing outside this process."""
        if self.pickled is not None:
            return None
        plain = asdict(self)
        del plain["pickled"]
        return json.dumps(plain)

    @classmethod
    def from_json(cls, text: str) -> StudyRef:
        """The reference that `to_json` wrote."""
        plain = json.loads(text)
        lists = {key: tuple(plain[key]) for key in ("plugins", "without")}
        return cls(**{**plain, **lists})


def _with_whole_path(task: Task, folder: Path) -> Task:
    """The task with the whole path of its vectors. Raises `InputError` where there is no file."""
    try:
        return replace(task, vectors=str(find_path(str(task.vectors), folder).resolve()))
    except InputError as problem:
        raise InputError(f"The word vectors (--vectors or Task(vectors=…)): {problem}") from None


def _from_file(spec: str) -> Study:
    path, colon, name = spec.rpartition(":")
    if colon and path.endswith(".py"):
        study = load_object(spec, "study")
        if not isinstance(study, Study):
            raise InputError(f"{spec} is {type(study).__name__}, not an advisor.Study.")
        return study

    # Without a name, the file must hold one study; a second name of the same one does not count.
    module = load_file(spec, "study")
    studies = {key: value for key, value in vars(module).items() if isinstance(value, Study)}
    if len({id(study) for study in studies.values()}) == 1:
        return next(iter(studies.values()))
    advice = "Write: study = advisor.Study(name, advisor.Task(…))."
    if studies:
        advice = f"It has {listing(studies)}: say which, {spec}:NAME."
    raise InputError(f"{spec} must hold one advisor.Study, and holds {len(studies)}. {advice}")


def _from_flags(flags: Mapping[str, Any]) -> Study:
    build = load_model(flags["model"], flags.get("definitions_only", False))
    options: dict[str, Any] = {}
    for word in TASK_WORDS:
        if flags.get(word) not in (None, "", []):
            options[word] = flags[word]
    task = Task(build=build, arguments=read_arguments(flags.get("arguments", {})), **options)
    return Study(flags["name"], task)
