"""Options that several commands share, and how those that describe a task become a study."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from advisor.errors import InputError
from advisor.loading.references import Reference

if TYPE_CHECKING:
    from advisor.work.study_ref import StudyRef

Command = Callable[..., Any]

storage = click.option(
    "--storage",
    metavar="URL",
    help="study database (sqlite:///studies/advisor.db, or $ADVISOR_STORAGE)",
)
as_json = click.option(
    "--json", "as_json", is_flag=True, help="JSON on stdout, everything else on stderr"
)
plugin = click.option(
    "--plugin", "plugins", metavar="FILE", multiple=True, help="load a plugin file; repeatable"
)
without = click.option(
    "--without", metavar="PLUGIN", multiple=True, help="leave out an installed plugin; repeatable"
)

TASK = (
    click.argument("study", required=False, metavar="[STUDY.py]"),
    click.option(
        "--model",
        metavar="FILE:NAME",
        help="class or function that returns the model; also package.module:NAME",
    ),
    click.option(
        "--model-arg",
        "model_args",
        metavar="KEY=VALUE",
        multiple=True,
        help="argument of the model's constructor; repeatable",
    ),
    click.option(
        "--data",
        metavar="PATH",
        help="CSV, Parquet, .npz, folder of images or texts, or FILE:NAME of a function",
    ),
    click.option("--target", metavar="COLUMN", help="column to predict"),
    click.option("--valid", metavar="PATH", help="your own validation data"),
    click.option("--test", metavar="PATH", help="your own test data"),
    click.option("--unlabeled", metavar="PATH", help="inputs without targets"),
    click.option(
        "--vectors",
        metavar="PATH",
        help="word vectors for the model's word tables: .txt, .vec, .bin or .kv",
    ),
    click.option(
        "--task",
        "kind",
        type=click.Choice(["classification", "binary", "regression"]),
        help="kind of task (inferred)",
    ),
    click.option(
        "--output",
        metavar="N|NAME",
        help="which of the model's outputs is the prediction: its position or name",
    ),
    click.option(
        "--include",
        metavar="GLOB",
        multiple=True,
        help="swap these activation sites too; repeatable",
    ),
    click.option(
        "--exclude",
        metavar="GLOB",
        multiple=True,
        help="leave these activation sites alone; repeatable",
    ),
    click.option(
        "--definitions-only",
        is_flag=True,
        help="run only the imports, functions, classes and constants of the files named",
    ),
    click.option(
        "--metric", metavar="NAME", help="accuracy, macro_f1, auc, r2, rmse or loss (inferred)"
    ),
    click.option("--name", metavar="NAME", help="name of the study"),
    click.option("--epochs", type=click.IntRange(min=1), help="epochs of a full training"),
    click.option("--seed", type=int, help="the same seed gives the same study"),
    click.option(
        "--only",
        metavar="SLOT=A,B",
        multiple=True,
        help="try only these techniques in a slot; repeatable",
    ),
    plugin,
    without,
)
"""The options that describe a task, as the help lists them. `TaskOptions` has a field for each."""


@dataclass(frozen=True)
class TaskOptions:
    """The values of the options that describe a task; None or empty where one is not given."""

    study: str | None
    model: str | None
    model_args: tuple[str, ...]
    data: str | None
    target: str | None
    valid: str | None
    test: str | None
    unlabeled: str | None
    vectors: str | None
    kind: str | None
    output: str | None
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    definitions_only: bool
    metric: str | None
    name: str | None
    epochs: int | None
    seed: int | None
    only: tuple[str, ...]
    plugins: tuple[str, ...]
    without: tuple[str, ...]

    @property
    def in_a_study_file(self) -> dict[str, object]:
        """The values of the options that say what a study file says itself, by option."""
        return {
            "--data": self.data,
            "--target": self.target,
            "--valid": self.valid,
            "--test": self.test,
            "--unlabeled": self.unlabeled,
            "--vectors": self.vectors,
            "--task": self.kind,
            "--metric": self.metric,
            "--model-arg": self.model_args,
            "--output": self.output,
            "--include": self.include,
            "--exclude": self.exclude,
            "--definitions-only": self.definitions_only,
        }


def task_options(command: Command) -> Command:
    """Add the options that describe a task; the command gets them as one argument, `task`."""

    @functools.wraps(command)
    def with_task(**options: Any) -> Any:
        values = {field.name: options.pop(field.name) for field in fields(TaskOptions)}
        return command(task=TaskOptions(**values), **options)

    decorated: Command = with_task
    for option in reversed(TASK):
        decorated = option(decorated)
    return decorated


def study_ref(task: TaskOptions, **budget: float | None) -> StudyRef:
    """The study that the command line describes.

    `budget` has further settings of `advisor.Study` by name; those that are None are the study's
    own. Raises `InputError` when the options name no task, or two.
    """
    from advisor.work.study_ref import StudyRef  # loads more than --help needs

    _check_task(task)
    # What is given here overrules what the study says itself.
    changes: dict[str, Any] = {}
    settings = {"epochs": task.epochs, "seed": task.seed, "name": task.name, **budget}
    for name, value in settings.items():
        if value is not None:
            changes[name] = value
    if task.only:
        changes["only"] = dict(_split_only(text) for text in task.only)

    return StudyRef(
        file=None if task.study is None else _absolute(task.study),
        flags=None if task.model is None else _flags(task, task.model, task.data or ""),
        changes=json.dumps(changes, sort_keys=True),
        plugins=tuple(str(Path(file).resolve()) for file in task.plugins),
        without=task.without,
    )


def _check_task(task: TaskOptions) -> None:
    if (task.study is None) == (task.model is None):
        command = click.get_current_context().info_name
        raise InputError(
            f"Name a study file (advisor {command} STUDY.py), or a model and data "
            "(--model FILE:NAME --data PATH), not both or neither."
        )
    if task.model is not None and task.data is None:
        raise InputError(
            "--model needs data: add --data PATH "
            "(CSV, Parquet, .npz, a folder, or FILE:NAME of a function)."
        )
    if task.study is not None:
        for option, value in task.in_a_study_file.items():
            if value:
                raise InputError(
                    "A study file says itself what the task is: "
                    f"leave out {option}, or write it into the file."
                )


def _flags(task: TaskOptions, model: str, data: str) -> str:
    """The task as JSON, as `StudyRef` reads it."""
    arguments = dict(_split_argument(text) for text in task.model_args)
    flags: dict[str, Any] = {"name": task.name or _study_name(model, data), "arguments": arguments}
    # The study may be opened again from another folder.
    paths = {
        "model": model,
        "data": data,
        "valid": task.valid,
        "test": task.test,
        "unlabeled": task.unlabeled,
        "vectors": task.vectors,
    }
    for name, path in paths.items():
        if path:
            flags[name] = _absolute(path)

    words = {
        "target": task.target,
        "metric": task.metric,
        "kind": task.kind,
        "output": task.output,
        "include": task.include,
        "exclude": task.exclude,
        "definitions_only": task.definitions_only,
    }
    for name, word in words.items():
        if word:
            flags[name] = word
    return json.dumps(flags, sort_keys=True)


def _absolute(text: str) -> str:
    """A path made whole, also in `FILE.py:NAME`."""
    return str(Reference.parse(text).absolute())


def _study_name(model: str, data: str) -> str:
    """A stable name from what the study is about: `net-wine`."""
    _, _, model_name = Reference.parse(model).name.rpartition(".")
    source = Reference.parse(data)
    return f"{model_name}-{Path(source.name or source.place).stem}".lower()


def _split_argument(text: str) -> tuple[str, str]:
    """Key and value of a `--model-arg`."""
    key, equals, value = text.partition("=")
    if not equals or not all(word.isidentifier() for word in key.split(".")):
        raise InputError(
            f"--model-arg {text!r}: write KEY=VALUE, a Python literal, a dotted name or a word."
        )
    return key, value


def _split_only(text: str) -> tuple[str, Sequence[str]]:
    """Slot and names of an `--only`."""
    slot, equals, names = text.partition("=")
    if not equals or not names:
        raise InputError(
            f"--only {text!r}: write SLOT=A,B with techniques of the slot, "
            "as advisor techniques lists them."
        )
    return slot.strip(), [name.strip() for name in names.split(",")]
