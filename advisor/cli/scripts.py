"""The options that name a training script, and how they become a study."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from advisor.cli.task_options import NAMES, TaskOptions
from advisor.errors import InputError, near_files
from advisor.study import setting_faults
from advisor.values import shown

if TYPE_CHECKING:
    from advisor.work.study_ref import StudyRef

OPTIONS = (
    click.option(
        "--script",
        "is_script",
        is_flag=True,
        help="what is named is a training script; its own arguments follow after --",
    ),
    click.option(
        "--minimize", is_flag=True, help="a lower score of the script is better, as of a loss"
    ),
)
"""The options of a script. `ScriptOptions` has a field for each."""
OF_SCRIPTS = ("metric", "output", "include", "exclude")
"""The words of a task that are said of a script, too."""


@dataclass(frozen=True)
class ScriptOptions:
    """The values of these options.

    Attributes:
        is_script: whether what is named is a script.
        minimize: whether a lower score is better.
        words: the script's own arguments.
    """

    is_script: bool
    minimize: bool
    words: tuple[str, ...] = ()


class WithScript(click.Command):
    """A command whose words after `--` are the arguments of a script, where `--script` is given."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the words before `--`, and keep the others for `script_words`."""
        ctx.obj = ()
        if "--" in args and "--script" in args[: args.index("--")]:
            place = args.index("--")
            args, ctx.obj = args[:place], tuple(args[place + 1 :])
        return super().parse_args(ctx, args)


def script_words() -> tuple[str, ...]:
    """The arguments of the script that the command which runs now was given."""
    return tuple(click.get_current_context().obj or ())


def script_ref(
    path: str | None,
    task: TaskOptions,
    script: ScriptOptions,
    settings: Mapping[str, float | None],
) -> StudyRef:
    """The study of a script.

    Arguments:
        path: of the script.
        task: options, of which few are said of a script.
        script: the options of a script.
        settings: further settings of `advisor.Study` by name; None for the study's own.

    Raises:
        InputError: there is no such script, or it says itself what an option says.
    """
    from advisor.work.study_ref import StudyRef  # loads more than --help needs

    file = Path(path or "").expanduser()
    if not path or not file.is_file():
        hint = near_files(file) if path else ""
        raise InputError(
            f"--script {shown(path or '')}: there is no such file.{hint} "
            "Name a Python script: --script train.py -- ARGUMENTS."
        )
    check_options(task)
    flags: dict[str, Any] = {
        "name": task.name or file.stem,
        "script": str(file.resolve()),
        "words": list(script.words),
        "minimize": script.minimize,
    }
    flags |= {name: task.words[name] for name in OF_SCRIPTS if task.words.get(name)}
    return StudyRef(
        flags=json.dumps(flags, sort_keys=True),
        changes=json.dumps(changes_in({**task.settings, **settings}), sort_keys=True),
        plugins=tuple(str(Path(plugin).resolve()) for plugin in task.plugins),
        without=task.without,
    )


def check_options(task: TaskOptions) -> None:
    """Raise `InputError` for an option that says what a script says itself."""
    own = {**task.paths, **task.words, "model-arg": task.model_args}
    for name, value in own.items():
        if value and name not in OF_SCRIPTS:
            raise InputError(
                f"A script says itself how it trains: leave out --{NAMES.get(name, name)}."
            )


def changes_in(settings: Mapping[str, object]) -> dict[str, object]:
    """The settings that are given. Raises `InputError` where one is wrong."""
    changes = {name: value for name, value in settings.items() if value is not None}
    if "noise" in changes:
        raise InputError("A script scores its model itself: leave out --noise.")
    for name, fault in setting_faults(changes):
        raise InputError(f"--{name.replace('_', '-')} {fault}.")
    return changes
