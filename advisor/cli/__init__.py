"""The command line.

A command's module is imported when the command is run, so that `--help` loads nothing heavy.
"""

from __future__ import annotations

import importlib
import io
import os
import shlex
import shutil
import signal
import sys
from typing import Any, NoReturn

import click

from advisor import __version__
from advisor.cli.signals import Signals, leave_when_all_ended
from advisor.cli.words import check_words
from advisor.errors import AdvisorError, MachineError, near, visible
from advisor.imports import uncollected
from advisor.loading.paths import current_folder
from advisor.store.location import shown
from advisor.streams import (
    ReaderGone,
    answer_apart,
    answer_stream,
    open_missing_streams,
    separate_answer,
)
from advisor.user_code import interrupts_told_apart, kept_from_exiting

COMMANDS = {
    "tune": "search, confirm, recommend; resumes where it stopped",
    "compare": "two or more models in pairs on fresh seeds, without a search",
    "diagnose": "what the model is made of, what is wrong, what fits; no search",
    "show": "a study's recommendation again, from the database",
    "report": "a study's recommendation as a page with plots of its evidence",
    "export": "a recommendation as a folder of scripts, weights and a card",
    "predict": "new rows through an exported folder, as CSV",
    "studies": "what is in the database; studies delete NAME",
    "query": "read-only SQL on the study database, or one of its views by name",
    "plugins": "which plugins are loaded, and from where",
    "techniques": "what can be tried in each slot, with its paper",
    "new": "new plugin NAME writes a working plugin to start from",
    "check": "holds a plugin's techniques to their promises",
}
"""The commands, each a module of this package, with the lines that --help prints for them."""


class ApartContext(click.Context):
    """Runs a command with standard output kept for its answer.

    What click prints before, such as a help, is an answer, too.
    """

    def invoke(self, *arguments: Any, **options: Any) -> Any:
        """Call the function of a command."""
        with answer_apart():
            return super().invoke(*arguments, **options)


def run_apart(command: click.Command) -> None:
    """Let a command, and each command in it, keep standard output for its answer."""
    command.context_class = ApartContext
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            run_apart(inner)


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports one only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command, from its module."""
        if name not in COMMANDS:
            return None
        with uncollected():
            command: click.Command = importlib.import_module(f"advisor.cli.{name}").command
        run_apart(command)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the words that were typed, once they are words that can mean something."""
        check_words(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        current_folder()  # on which every relative path depends
        with interrupts_told_apart(), kept_from_exiting():
            return super().invoke(ctx)

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


def program() -> NoReturn:
    """Run the command line in a process of its own, which ends with it."""
    try:
        main()
    except SystemExit as end:
        leave_when_all_ended(end.code if isinstance(end.code, int) else 1)


def main() -> NoReturn:
    """Run the command line.

    An error of the user's is one message and exit code 2, never a traceback. After a signal the
    exit code is 128 and the number of the signal.
    """
    # Before torch is imported anywhere: spinning OpenMP threads make a busy machine 30 times
    # slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    open_missing_streams()
    signals = Signals(words_after)
    try:
        signals.install()
        code = run()
        signals.note_end()
    except (KeyboardInterrupt, click.Abort):
        code = 128 + signal.SIGINT
    except Exception:
        # What a signal has interrupted, such as an import, may go wrong in any way.
        if signals.received is None:
            raise

    # No signal raises from here on. One that user code has caught ends the command all the same.
    if signals.received is not None:
        code = 128 + signals.received
    if code > 128:
        click.echo(words_after(code - 128), err=True, nl=False)
    signals.end(code)


def run() -> int:
    """Run the command line and return the exit code. What goes wrong is one message."""
    try:
        separate_answer()
        code = cli.main(standalone_mode=False)
        answer_stream().flush()
    except ReaderGone:
        return 0
    except click.ClickException as problem:
        message = io.StringIO()
        problem.show(message)
        click.echo(fit_to_show(message.getvalue()), err=True, nl=False)
        return 2
    except AdvisorError as problem:
        click.echo(f"advisor: {fit_to_show(str(problem))}", err=True)
        # What the machine refused is done by the same command, once the machine is well.
        if isinstance(problem, MachineError):
            click.echo(resume_line(), err=True, nl=False)
        return problem.exit_code
    return code if isinstance(code, int) else 0


def fit_to_show(text: str) -> str:
    """A message without passwords, in letters that a terminal shows."""
    return visible(shown(text))


def words_after(number: int) -> str:
    """What is said when a signal has ended the command."""
    name = "Interrupted" if number == signal.SIGINT else f"Ended by {signal.Signals(number).name}"
    return f"\n{name}.\n{resume_line()}"


def resume_line() -> str:
    """The command that goes on, where that is a thing to say of this command, in two lines."""
    if sys.argv[1:2] not in (["tune"], ["compare"]):
        return ""
    same = shlex.join([*called_as(), *sys.argv[1:]])
    text = f"The same command goes on where it stopped:\n  {fit_to_show(same)}\n"
    if shown(same) != same:
        text += "  (with your password in place of ***)\n"
    return text


def called_as() -> list[str]:
    """How this program is called from where it was called."""
    name = sys.argv[0]
    if os.path.basename(name) == "__main__.py":
        return [sys.executable, "-m", "advisor"]
    # The script in the path is called by its name alone.
    found = shutil.which("advisor")
    is_in_path = found is not None and os.path.realpath(found) == os.path.realpath(name)
    return ["advisor" if is_in_path else name]
