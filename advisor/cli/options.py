"""Options that several commands share, and how the ones that describe a task become a question."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from advisor.errors import InputError

if TYPE_CHECKING:
    from advisor.work.study_ref import StudyRef

F = TypeVar("F", bound=Callable[..., Any])

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

_TASK = (
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


def task_options(command: F) -> F:
    """The options that describe a task."""
    for option in reversed(_TASK):
        command = option(command)
    return command


def question(options: dict[str, Any]) -> StudyRef:
    """The question that the command line asks. Raises `InputError` when it names no task, or two."""
    from advisor.work.study_ref import StudyRef

    study, model = options["study"], options["model"]
    if (study is None) == (model is None):
        command = click.get_current_context().info_name
        raise InputError(
            f"Name a study file (advisor {command} STUDY.py), or a model and data (--model FILE:NAME --data PATH), not both or "
            "neither."
        )
    if study is not None:
        _check_study_alone(options)
    if model is not None and options["data"] is None:
        raise InputError(
            "--model needs data: add --data PATH (CSV, Parquet, .npz, a folder, or FILE:NAME of a function)."
        )
    changes = {
        key: options[key]
        for key in (
            "trials",
            "minutes",
            "epochs",
            "seed",
            "seeds",
            "min_gain",
            "reach",
            "noise",
            "name",
        )
        if options.get(key) is not None
    }
    if options["only"]:
        changes["only"] = dict(map(_only, options["only"]))
    plugins, left_out = (
        tuple(str(Path(p).resolve()) for p in options["plugins"]),
        tuple(options["without"]),
    )
    text = json.dumps(changes, sort_keys=True)
    if study is not None:
        return StudyRef(file=_absolute(study), changes=text, plugins=plugins, without=left_out)
    return StudyRef(
        flags=json.dumps(_flags(options), sort_keys=True),
        changes=text,
        plugins=plugins,
        without=left_out,
    )


def _check_study_alone(options: dict[str, Any]) -> None:
    """A study file says itself what the task is; an option that it would overrule is refused, not
    ignored.
    """
    names = {"model_args": "model-arg", "kind": "task", "definitions_only": "definitions-only"}
    described = (
        "data",
        "target",
        "valid",
        "test",
        "unlabeled",
        "vectors",
        "kind",
        "metric",
        "model_args",
        "output",
    )
    for key in (*described, "include", "exclude", "definitions_only"):
        if options[key]:
            raise InputError(
                f"A study file says itself what the task is: leave out --{names.get(key, key)}, or write it into the file."
            )


def _flags(options: dict[str, Any]) -> dict[str, Any]:
    paths = {
        key: _absolute(options[key])
        for key in ("model", "data", "valid", "test", "unlabeled", "vectors")
        if options[key]
    }
    words = {
        key: options[key]
        for key in ("target", "metric", "kind", "output", "include", "exclude", "definitions_only")
    }
    arguments = dict(_argument(text) for text in options["model_args"])
    return {
        **paths,
        **{key: word for key, word in words.items() if word},
        "name": options["name"] or _name(options),
        "arguments": arguments,
    }


def _name(options: dict[str, Any]) -> str:
    """A stable name from what the study is about: `net-wine`."""
    model = options["model"].rpartition(":")[2].rpartition(".")[2]
    data = Path(
        options["data"].rpartition(":")[2] if ":" in options["data"] else options["data"]
    ).stem
    return f"{model}-{data}".lower()


def _absolute(spec: str) -> str:
    """A path made absolute, also inside FILE.py:NAME, so that the study can be asked again from
    elsewhere.
    """
    place, colon, name = spec.rpartition(":") if ".py:" in spec else (spec, "", "")
    there = place and (Path(place).exists() or place.endswith(".py"))
    return str(Path(place).resolve()) + colon + name if there else spec


def _argument(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not all(word.isidentifier() for word in key.split(".")):
        raise InputError(
            f"--model-arg {text!r}: write KEY=VALUE, a Python literal, a dotted name or a word."
        )
    return key, value


def _only(text: str) -> tuple[str, Sequence[str]]:
    slot, equals, names = text.partition("=")
    if not equals or not names:
        raise InputError(
            f"--only {text!r}: write SLOT=A,B with techniques of the slot, as advisor techniques lists them."
        )
    return slot.strip(), [name.strip() for name in names.split(",")]
