"""Options that several commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

import click

Command = Callable[..., Any]
"""The function behind a command, with its options as arguments."""
Option = Callable[[Command], Command]
"""What click makes of an option: a decorator."""

storage = click.option(
    "--storage",
    metavar="URL",
    help="study database (sqlite:///studies/advisor.db, or $ADVISOR_STORAGE)",
)
as_json = click.option(
    "--json", "as_json", is_flag=True, help="JSON on stdout, everything else on stderr"
)
why = click.option(
    "--why", is_flag=True, help="also show all that the answer rests on, below the first screen"
)
plugin = click.option(
    "--plugin", "plugins", metavar="FILE", multiple=True, help="load a plugin file; repeatable"
)
executor = click.option(
    "--executor",
    metavar="ENGINE",
    help="who trains instead: dask://HOST:PORT, or module:factory of an Executor",
)
scratch = click.option(
    "--scratch",
    metavar="URL",
    help="folder that all workers of the executor reach; without it states travel with trainings",
)
devices = click.option(
    "--device", default="cpu", help="torch device (cpu), or several for the workers: cuda:0,cuda:1"
)
without = click.option(
    "--without", metavar="PLUGIN", multiple=True, help="leave out an installed plugin; repeatable"
)


def grouped(name: str, kind: type, options: Sequence[Option]) -> Option:
    """A decorator that adds options to a command, which gets them as one value of `kind`.

    Arguments:
        name: the command's argument for the value.
        kind: a dataclass with a field for each option; it is None without its option.
        options: in the order of the help.
    """
    names = [field.name for field in fields(kind)]

    def add(command: Command) -> Command:
        """Add the options to a command."""

        @functools.wraps(command)
        def with_group(**values: Any) -> Any:
            """Run the command with its options as one value."""
            group = {each: values.pop(each, None) for each in names}
            return command(**values, **{name: kind(**group)})

        # Decorators apply from the last to the first.
        decorated: Command = with_group
        for option in reversed(options):
            decorated = option(decorated)
        return decorated

    return add


BETTER_BY = (
    click.option(
        "--min-gain",
        type=click.FloatRange(min=0),
        help="smallest gain worth a change, in units of the metric",
    ),
    click.option(
        "--reach", type=float, metavar="SCORE", help="compare by the number of epochs to this score"
    ),
    click.option(
        "--noise",
        type=click.FloatRange(min=0),
        help="score under noise on the inputs, in deviations",
    ),
)
"""The options that say what counts as better, of a study and of a comparison."""
