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
from advisor.loading.paths import current_folder, find_path
from advisor.loading.references import Reference
from advisor.study import Study, Task
from advisor.work.scripts.named import TrainingScript

TASK_WORDS = (
    "data",
    "train",
    "valid",
    "test",
    "unlabeled",
    "group",
    "time",
    "weights",
    "vectors",
    "target",
    "metric",
    "kind",
    "batch",
    "optimizer",
    "scheduler",
    "clip",
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
        home: the folder that is the current one wherever the study is opened; None for that of the
            command.
        shares_draws: whether its initial draws are those of the other side of a comparison,
            wherever both draw for a tensor of the same shape.
        was_sent: whether its files were sent to this machine, so that they are what they were.
        as_before: whether a metric that it does not name is the one that it had in versions before
            0.3, as a study that began with it keeps it.
    """

    file: str | None = None
    flags: str | None = None
    pickled: bytes | None = field(default=None, repr=False)
    changes: str = "{}"
    plugins: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    home: str | None = None
    shares_draws: bool = False
    as_before: bool = False
    was_sent: bool = False

    @classmethod
    def of(cls, study: Study | StudyRef | str | Path, plugins: tuple[str, ...] = ()) -> StudyRef:
        """The reference of a study object, or of a study file by its path.

        A study object is pickled whole, with the lambdas and the classes of its notebook.

        Arguments:
            study: the study, its file, or a reference, which is returned as it is.
            plugins: plugin files that are loaded besides the installed plugins.

        Raises:
            InputError: the study cannot be pickled.
        """
        if isinstance(study, StudyRef):
            return study
        if not isinstance(study, Study):
            current_folder()  # on which its path depends
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
        if self.file is not None:
            study = study_in_file(self.file)
        elif self.flags is not None:
            study = study_from_flags(json.loads(self.flags))
        else:
            study = cloudpickle.loads(self.pickled)

        # The command line has the last word on the budget.
        study = replace(study, **json.loads(self.changes))
        if study.task.vectors is None:
            return study
        vectors = find_vectors(str(study.task.vectors), self.folder())
        return replace(study, task=replace(study.task, vectors=vectors))

    @property
    def definitions_only(self) -> bool:
        """Whether the files of the model and the data are loaded by their definitions alone."""
        return self.flags is not None and bool(json.loads(self.flags).get("definitions_only"))

    @property
    def script(self) -> TrainingScript | None:
        """The training script that is studied; None where the task is described otherwise."""
        named = None if self.flags is None else TrainingScript.from_flags(json.loads(self.flags))
        return named and replace(named, folder=self.home)

    def folder(self) -> Path:
        """Where relative paths of the study are looked up."""
        if self.file is None:
            return current_folder()
        return Path(Reference.parse(self.file).place).resolve().parent

    def to_json(self) -> str | None:
        """The reference for the database, or None where it means nothing outside this process."""
        if self.pickled is not None:
            return None
        plain = asdict(self)
        del plain["pickled"]  # which is None
        return json.dumps(plain)

    @classmethod
    def from_json(cls, text: str) -> StudyRef:
        """The reference that `to_json` wrote.

        Raises `ValueError`, `TypeError` or `KeyError` for another text.
        """
        plain = json.loads(text)
        for options in (plain["flags"], plain["changes"]):
            if options is not None and not isinstance(json.loads(options), dict):
                raise TypeError(f"{options!r:.60} are no options")
        # JSON has lists where a reference, which does not change, has tuples.
        plugins, without = tuple(plain["plugins"]), tuple(plain["without"])
        for name in (plain["file"], *plugins, *without):
            if not isinstance(name, str | None):
                raise TypeError(f"{name!r:.60} is no name")
        changes = plain["changes"]
        return cls(plain["file"], plain["flags"], None, changes, plugins, without)


def study_in_file(text: str) -> Study:
    """The study in `STUDY.py`, which must hold one, or the one that `STUDY.py:NAME` names.

    Raises `InputError` where there is no such file or study, or more than one.
    """
    if Reference.parse(text).name:
        study = load_object(text, "study")
        if not isinstance(study, Study):
            raise InputError(f"{text} is {type(study).__name__}, not an advisor.Study.")
        return study
    return only_study(text, vars(load_file(text, "study")))


def only_study(text: str, names: Mapping[str, object]) -> Study:
    """The one study among the global names of a study file.

    Raises `InputError` where there is none, or more than one.
    """
    studies = {}
    for name, value in names.items():
        if isinstance(value, Study):
            studies[name] = value

    # A second name of the same study does not count.
    if len({id(study) for study in studies.values()}) == 1:
        return next(iter(studies.values()))
    advice = "Write: study = advisor.Study(name, advisor.Task(…))."
    if studies:
        advice = f"It has {listing(studies)}: say which, {text}:NAME."
    raise InputError(f"{text} must hold one advisor.Study, and holds {len(studies)}. {advice}")


def find_vectors(vectors: str, folder: Path) -> str:
    """The whole path of a file of word vectors, looked up from a folder.

    Raises `InputError` where there is no such file.
    """
    try:
        path = find_path(vectors, folder).resolve()
        if not path.is_file():
            raise InputError(f"{path} is a folder, and no file of word vectors; give a file.")
        return str(path)
    except InputError as problem:
        option = "--vectors or Task(vectors=…)"
        raise InputError(f"The word vectors ({option}): {problem}") from None


def study_from_flags(flags: Mapping[str, Any]) -> Study:
    """The study that options of the command line describe.

    Raises `InputError` where its model cannot be loaded.
    """
    # A script makes its model, and reads its data, itself.
    if flags.get("script"):
        own = {word: flags[word] for word in ("output", "include", "exclude") if flags.get(word)}
        return Study(flags["name"], Task(made_by_script, flags["script"], **own))

    # An option that was not given leaves the default of `Task`.
    options: dict[str, Any] = {}
    for word in TASK_WORDS:
        if flags.get(word) not in (None, "", []):
            options[word] = flags[word]
    options["build"] = load_model(flags["model"], flags.get("definitions_only", False))
    options["arguments"] = read_arguments(flags.get("arguments", {}))
    return Study(flags["name"], Task(**options))


def made_by_script() -> None:
    """Stands for what builds the model in a study of a script, which does that itself."""
    raise InputError("The model of a script is made by the script alone.")
