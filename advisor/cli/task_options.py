"""The options that describe a task, and how they become a study."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from advisor.cli.options import grouped, plugin, without
from advisor.errors import InputError
from advisor.loading.references import Reference
from advisor.store.questions import flags_of
from advisor.study import setting_faults

if TYPE_CHECKING:
    from advisor.work.study_ref import StudyRef

STUDY = click.argument("study", required=False, metavar="[STUDY.py]")
"""The study file, where the task is not described by options."""
DESCRIPTIONS = (
    # What is studied.
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
    # Its data, where the tool should not split the rows itself, and more of them.
    click.option("--target", metavar="COLUMN", help="column to predict, or several: A,B,C"),
    click.option(
        "--weights",
        metavar="HOW",
        help="balanced, a weight by class (no=1,yes=20), or the column of the rows' weights",
    ),
    click.option("--valid", metavar="PATH", help="your own validation data"),
    click.option("--test", metavar="PATH", help="your own test data"),
    click.option("--unlabeled", metavar="PATH", help="inputs without targets"),
    click.option(
        "--group", metavar="COLUMN", help="column of rows that belong together, split as a whole"
    ),
    click.option(
        "--time", metavar="COLUMN", help="column of times: train on the past, score later rows"
    ),
    click.option(
        "--vectors",
        metavar="PATH",
        help="word vectors for the model's word tables: .txt, .vec, .bin or .kv",
    ),
    # What the tool infers, where it infers wrongly.
    click.option(
        "--task",
        "kind",
        type=click.Choice(["classification", "binary", "regression", "multilabel"]),
        help="kind of task (inferred)",
    ),
    click.option(
        "--output",
        metavar="N|NAME",
        help="which of the model's outputs is the prediction: its position or name",
    ),
    # How it is trained.
    click.option(
        "--optimizer",
        metavar="NAME[:KEY=VALUE,…]",
        help="of torch, with its settings: sgd:momentum=.9,lr=.1 (AdamW)",
    ),
    click.option(
        "--schedule",
        "scheduler",
        type=click.Choice(["constant", "cosine", "linear", "onecycle"]),
        help="how the rate moves in a full training",
    ),
    click.option(
        "--clip", type=float, metavar="NORM", help="the largest norm of a step's gradient"
    ),
    # What is left as it is.
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
        "--metric",
        metavar="NAME",
        help="accuracy, balanced_accuracy, f1, f1:CLASS, macro_f1, auc, log_loss, r2, rmse, mae or "
        "loss (inferred)",
    ),
    # The study, and what it tries.
    click.option("--name", metavar="NAME", help="name of the study"),
    click.option("--epochs", type=click.IntRange(min=1), help="epochs of a full training"),
    click.option("--seed", type=int, help="the same seed gives the same study"),
    click.option(
        "--only",
        metavar="SLOT=A,B",
        multiple=True,
        help="try only these techniques in a slot; repeatable",
    ),
    click.option(
        "--also",
        metavar="SLOT,SLOT",
        multiple=True,
        help="search these slots, too, which are tried when named; repeatable",
    ),
    plugin,
    without,
)
"""The options that describe a task, as the help lists them."""
NAMES = {"kind": "task", "definitions_only": "definitions-only", "scheduler": "schedule"}
"""Options that are called otherwise than their values."""


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
    group: str | None
    time: str | None
    weights: str | None
    vectors: str | None
    kind: str | None
    output: str | None
    optimizer: str | None
    scheduler: str | None
    clip: float | None
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    definitions_only: bool
    metric: str | None
    name: str | None
    epochs: int | None
    seed: int | None
    only: tuple[str, ...]
    also: tuple[str, ...]
    plugins: tuple[str, ...]
    without: tuple[str, ...]

    @property
    def paths(self) -> dict[str, str | None]:
        """The options that name a file, by the words of `StudyRef`."""
        return {
            "model": self.model,
            "data": self.data,
            "valid": self.valid,
            "test": self.test,
            "unlabeled": self.unlabeled,
            "vectors": self.vectors,
        }

    @property
    def words(self) -> dict[str, object]:
        """The options that a task gets as they are, by the words of `StudyRef`."""
        return {
            "target": self.target,
            "group": self.group,
            "time": self.time,
            "weights": split_weights(self.weights),
            "metric": self.metric,
            "kind": self.kind,
            "output": self.output,
            "optimizer": self.optimizer,
            "scheduler": self.scheduler,
            "clip": self.clip,
            "include": self.include,
            "exclude": self.exclude,
            "definitions_only": self.definitions_only,
        }

    @property
    def settings(self) -> dict[str, object]:
        """The options that overrule what the study says itself, by the words of `advisor.Study`."""
        only = dict(split_only(text) for text in self.only)
        return {
            "name": self.name,
            "epochs": self.epochs,
            "seed": self.seed,
            "only": only or None,
            "also": split_slots(self.also) or None,
        }


task_options = grouped("task", TaskOptions, (STUDY, *DESCRIPTIONS))
"""Adds the options that describe a task to a command, which gets them as `task`."""


def study_ref(
    task: TaskOptions, settings: Mapping[str, float | None], url: str | None = None
) -> StudyRef:
    """The study that the command line describes.

    Arguments:
        task: the options that describe the task.
        settings: further settings of `advisor.Study` by name; those that are None are the study's
            own.
        url: of the database in which the study may have been begun; None where that is no matter.

    Raises:
        InputError: the options name no task, or two.
    """
    from advisor.work.study_ref import StudyRef  # loads more than --help needs

    check_task(task)
    # What is given here overrules what the study says itself.
    changes = {**task.settings, **settings}
    changes = {name: value for name, value in changes.items() if value is not None}
    for name, fault in setting_faults(changes):
        raise InputError(f"--{name.replace('_', '-')} {fault}.")
    return StudyRef(
        file=None if task.study is None else absolute(task.study),
        flags=as_flags(task, url) if task.study is None else None,
        changes=json.dumps(changes, sort_keys=True),
        plugins=tuple(str(Path(file).resolve()) for file in task.plugins),
        without=task.without,
    )


def check_task(task: TaskOptions) -> None:
    """Raise `InputError` unless the options name one task, and say once what it is."""
    # Exactly one of the two ways.
    if (task.study is None) == (task.model is None):
        command = click.get_current_context().info_name
        raise InputError(
            f"Name a study file (advisor {command} STUDY.py), or a model and data "
            "(--model FILE:NAME --data PATH), not both or neither."
        )
    if task.study is not None:
        check_alone(task)
    elif task.data is None:
        raise InputError(
            "--model needs data: add --data PATH "
            "(CSV, Parquet, .npz, a folder, or FILE:NAME of a function)."
        )


def check_alone(task: TaskOptions) -> None:
    """Raise `InputError` for an option that a study file would overrule."""
    # An option that would be ignored is refused.
    described = {**task.paths, **task.words, "model-arg": task.model_args}
    for name, value in described.items():
        if value:
            option = NAMES.get(name, name)
            raise InputError(
                "A study file says itself what the task is: "
                f"leave out --{option}, or write it into the file."
            )


def as_flags(task: TaskOptions, url: str | None) -> str:
    """The task as JSON, as `StudyRef` reads it; `url` as for `study_ref`."""
    flags: dict[str, Any] = {
        "name": task.name or study_name(task, url),
        "arguments": dict(split_argument(text) for text in task.model_args),
    }
    # The study may be opened again from another folder, so paths are whole.
    for name, path in task.paths.items():
        if path:
            flags[name] = absolute(path)
    for name, word in task.words.items():
        if word:
            flags[name] = word
    return json.dumps(flags, sort_keys=True)


def absolute(text: str) -> str:
    """A path made whole, also in `FILE.py:NAME`."""
    return str(Reference.parse(text).absolute())


def study_name(task: TaskOptions, url: str | None) -> str:
    """A stable name from what the study is about: `net-wine`, with `--target` `net-wine-quality`.

    A study that an older version began goes on with its name, which has no target. `url` as for
    `study_ref`.
    """
    older = name_without_target(task)
    if task.target is None:
        return older
    # Blanks and signs of a column's name would have to be quoted in a shell.
    target = re.sub(r"[^\w.]+", "-", task.target).strip("-")
    name = f"{older}-{target}".lower()
    if url is not None and flags_of(url, name) is None:
        begun = flags_of(url, older)
        if begun is not None and begun.get("target") == task.target:
            return older
    return name


def name_without_target(task: TaskOptions) -> str:
    """The name of the model and that of the data: `net-wine`."""
    model = Reference.parse(task.model or "")
    data = Reference.parse(task.data or "")
    # A class inside another goes by its own name, a file by its name without the ending.
    _, _, model_name = model.name.rpartition(".")
    data_name = Path(data.name or data.place).stem
    return f"{model_name}-{data_name}".lower()


def split_argument(text: str) -> tuple[str, str]:
    """Key and value of a `--model-arg`. Raises `InputError` where there is no key."""
    key, equals, value = text.partition("=")
    # A dotted key is a setting inside a configuration object.
    is_key = all(word.isidentifier() for word in key.split("."))
    if not equals or not is_key:
        raise InputError(
            f"--model-arg {text!r}: write KEY=VALUE, a Python literal, a dotted name or a word."
        )
    return key, value


def split_weights(text: str | None) -> str | dict[str, float] | None:
    """A weight by class from `no=1,yes=20`; `balanced` and the name of a column stay as they are.

    Raises `InputError` where a weight is no number.
    """
    if text is None or "=" not in text:
        return text
    weights = {}
    for part in text.split(","):
        name, _, number = part.rpartition("=")
        try:
            weights[name.strip()] = float(number)
        except ValueError:
            raise InputError(
                f"--weights {text!r}: write balanced, a number for each class (no=1,yes=20), or "
                "the name of a column."
            ) from None
    return weights


def split_only(text: str) -> tuple[str, list[str]]:
    """Slot and names of an `--only`. Raises `InputError` where one of them is missing."""
    slot, equals, names = text.partition("=")
    words = [name.strip() for name in names.split(",")]
    if not equals or not slot.strip() or not all(words):
        raise InputError(
            f"--only {text!r}: write SLOT=A,B with techniques of the slot, "
            "as advisor techniques lists them."
        )
    return slot.strip(), words


def split_slots(texts: Sequence[str]) -> list[str]:
    """The slots of all `--also`. Raises `InputError` where one has no name."""
    names = [name.strip() for text in texts for name in text.split(",")]
    if not all(names):
        given = ",".join(texts)
        raise InputError(f"--also {given!r}: write SLOT,SLOT, as advisor techniques lists them.")
    return names
