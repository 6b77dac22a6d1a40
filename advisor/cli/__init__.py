"""The command line.

A command's module is imported when the command is run, so that `--help` loads nothing heavy.
"""

from __future__ import annotations

import importlib
import os
import shlex
import sys
from typing import Any

import click

from advisor import __version__
from advisor.errors import AdvisorError, near
from advisor.user_code import interrupts_told_apart, kept_from_exiting

COMMANDS = {
    "tune": "search, confirm, recommend; resumes where it stopped",
    "diagnose": "what the model is made of, what is wrong, what fits; no search",
    "show": "a study's recommendation again, from the database",
    "report": "a study's recommendation as a page with plots of its evidence",
    "studies": "what is in the database; studies delete NAME",
    "query": "read-only SQL on the study database, or one of its views by name",
    "plugins": "which plugins are loaded, and from where",
    "techniques": "what can be tried in each slot, with its paper",
    "new": "new plugin NAME writes a working plugin to start from",
    "check": "holds a plugin's techniques to their promises",
}
"""The commands, each a module of this package, with the lines that --help prints for them."""


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports one only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command, from its module."""
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"advisor.cli.{name}").command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. It ends quietly when the program that reads its output has ended."""
        try:
            with interrupts_told_apart(), kept_from_exiting():
                return super().invoke(ctx)
        except BrokenPipeError:
            # Python flushes stdout at its end, which must not fail again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table of commands, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Find the command, with a near match for a misspelt one."""
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in COMMANDS:
            ctx.fail(
                f"There is no command {name!r}.{near(name, COMMANDS)} "
                f"The commands are: {', '.join(COMMANDS)}."
            )
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="advisor")
def cli() -> None:
    """Which techniques make my PyTorch model, on my data, train better?

    advisor tune STUDY.py, or advisor tune --model FILE:NAME --data PATH
    """


def main() -> None:
    """Run the command line.

    An error of the user's is one message and exit code 2, never a traceback.
    """
    # Before torch is imported anywhere: spinning OpenMP threads make a busy machine 30 times
    # slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        code = cli.main(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.ClickException as problem:
        problem.show()
        sys.exit(2)
    except AdvisorError as problem:
        click.echo(f"advisor: {problem}", err=True)
        sys.exit(problem.exit_code)
    except (KeyboardInterrupt, click.Abort):
        same = shlex.join(["advisor", *sys.argv[1:]])
        line = "Interrupted. The same command goes on where it stopped:"
        click.echo(f"\n{line}\n  {same}", err=True)
        sys.exit(130)
