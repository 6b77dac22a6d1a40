"""`advisor compare`: two or more models in pairs on fresh seeds, without a search."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from advisor.cli import options
from advisor.cli.options import BETTER_BY, as_json, grouped, storage, why
from advisor.cli.scripts import OPTIONS as OF_A_SCRIPT
from advisor.cli.scripts import ScriptOptions, WithScript, script_ref, script_words
from advisor.cli.task_options import DESCRIPTIONS, TaskOptions, study_ref
from advisor.errors import InputError
from advisor.imports import keep_all, uncollected
from advisor.store.location import storage_url
from advisor.streams import say_json
from advisor.values import MOST_WORKERS

if TYPE_CHECKING:
    from advisor.comparing.revision import Revision
    from advisor.comparing.sides import Side
    from advisor.work.study_ref import StudyRef
    from advisor.work.trust import Trust

FORMS = (
    "advisor compare OLD.py:NET NEW.py:NET --data PATH, advisor compare STUDY_A.py STUDY_B.py, "
    "advisor compare --git REVISION -- --model FILE:NAME --data PATH, "
    "or advisor compare STUDY:baseline STUDY:recommended"
)
"""How a comparison is asked for."""
NOT_MET = 3
"""The exit code where a side is not what `--require` asks."""
OPTIONS = (
    click.option(
        "--git",
        "revision",
        metavar="REVISION",
        help="compare with the files of a git revision; the task follows after --",
    ),
    click.option(
        "--tune",
        "trials",
        type=click.IntRange(min=1),
        metavar="N",
        help="try N learning rates for each side before (each side's own rate)",
    ),
    click.option(
        "--seeds",
        "pairs",
        type=click.IntRange(min=3),
        help="pairs that measure (as many as the first pairs ask for)",
    ),
    *BETTER_BY,
    click.option(
        "--trial-minutes",
        type=click.FloatRange(min=0, min_open=True),
        help="time of one training, then it has failed",
    ),
    click.option(
        "--require",
        type=click.Choice(["better", "not-worse"]),
        help="exit with 3 unless every side beside the first is that",
    ),
    click.option(
        "--file",
        "files",
        metavar="FILE.py",
        multiple=True,
        help="with an arm of a study: a file of it elsewhere, whose code may run; repeatable",
    ),
    click.option(
        "--trust", is_flag=True, help="with an arm of a study: run whatever code the database names"
    ),
)
"""The options that say what is asked of the sides. `ComparisonOptions` has a field for each."""


@dataclass(frozen=True)
class ComparisonOptions:
    """The values of these options; None or empty where one is not given."""

    revision: str | None
    trials: int | None
    pairs: int | None
    min_gain: float | None
    reach: float | None
    noise: float | None
    trial_minutes: float | None
    require: str | None
    files: tuple[str, ...]
    trust: bool

    @property
    def settings(self) -> dict[str, float | None]:
        """The options that overrule what the sides say themselves."""
        return {"reach": self.reach, "noise": self.noise, "trial_minutes": self.trial_minutes}


class AfterGit(WithScript):
    """A command whose `--git` may be followed by `--` and the task, as in git's own commands."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the words, of which those after the first `--` are options, too.

        Behind a `--script` that stands before it are the script's own arguments.
        """
        has_git = any(word == "--git" or word.startswith("--git=") for word in args)
        place = args.index("--") if "--" in args else len(args)
        if has_git and "--script" not in args[:place]:
            args = args[:place] + args[place + 1 :]
        return super().parse_args(ctx, args)


@click.command("compare", cls=AfterGit)
@click.argument("sides", nargs=-1, metavar="OLD NEW [MORE…]")
@grouped("asked", ComparisonOptions, OPTIONS)
@grouped("task", TaskOptions, DESCRIPTIONS)
@grouped("script", ScriptOptions, OF_A_SCRIPT)
@click.option(
    "--workers",
    type=click.IntRange(min=0, max=MOST_WORKERS),
    help="processes that train (one per core); 0 trains in this one, which user code can end",
)
@options.executor
@options.scratch
@options.devices
@storage
@as_json
@why
@click.option(
    "-o", "--output-file", "page", metavar="FILE.html", help="also write a page with the evidence"
)
@click.option("--quiet", is_flag=True, help="no progress")
def command(
    sides: tuple[str, ...],
    asked: ComparisonOptions,
    task: TaskOptions,
    script: ScriptOptions,
    workers: int | None,
    executor: str | None,
    scratch: str | None,
    device: str,
    storage: str | None,
    as_json: bool,
    why: bool,
    page: str | None,
    quiet: bool,
) -> int:
    """Train OLD and NEW in pairs on fresh seeds, without a search, and say which is better.

    The sides are models (FILE:NAME) with the options of one task, study files, or arms of a study
    (NAME:baseline, NAME:recommended). With --git REVISION -- the old side is the same task with the
    files of that revision. The same command again goes on where it stopped.
    """
    script = replace(script, words=script_words())
    check_sides(sides, task, asked)
    if page:
        from advisor.report.html import check_page

        check_page(page)

    from advisor.work.named_libraries import libraries_of
    from advisor.work.processes import warm_up

    # The server that forks workers loads torch beside this process, which does that from here on.
    if workers != 0:
        files = (*sides, task.model, task.data)
        warm_up(libraries_of(*files, optimizer=task.optimizer))
    with uncollected():
        from advisor.api.compare import open_and_compare
        from advisor.comparing.question import Question
        from advisor.report.comparison_text import show_comparison
        from advisor.report.progress import progress
        from advisor.report.study_text import show_task
        from advisor.work.devices import default_workers, staff_of
        from advisor.work.engines.abroad import hired_of
        from advisor.work.trust import Trust

        keep_all()

    trusted = Trust.in_files(*asked.files, everything=asked.trust)
    hired = hired_of(executor, workers, scratch, device)
    device, staff = staff_of(device, workers, default_workers())
    with old_files(asked.revision) as old, progress(quiet) as on:
        named = named_sides(sides, task, asked, old, storage_url(storage), trusted, script)
        question = Question(named, task.name, asked.trials, asked.pairs, asked.min_gain)
        opened = None if quiet else show_task
        comparison = open_and_compare(question, storage, hired or staff, device, on, opened)

    # The answer is on stdout, everything else on stderr.
    if as_json:
        say_json(comparison.to_json())
    else:
        show_comparison(comparison, why)
    if page:
        from advisor.cli.report import write_comparison_page

        write_comparison_page(comparison, page)
    return 0 if asked.require is None or comparison.meets(asked.require) else NOT_MET


def check_sides(sides: Sequence[str], task: TaskOptions, asked: ComparisonOptions) -> None:
    """Raise `InputError` unless the words name at least two sides."""
    # With a revision the one side that is named is there twice.
    if asked.revision is not None:
        if len(sides) + (task.model is not None) != 1:
            raise InputError(
                f"--git compares one study file, --model or --script with itself at "
                f"{asked.revision!r}: "
                "advisor compare --git REVISION -- --model FILE:NAME --data PATH."
            )
        return
    if task.model is not None:
        raise InputError(
            "--model names one side; name the models without it, one after the other "
            "(advisor compare OLD.py:NET NEW.py:NET --data PATH), or add --git REVISION."
        )
    if len(sides) < 2:
        raise InputError(f"A comparison needs two sides, and {len(sides)} is named: {FORMS}.")


@contextmanager
def old_files(revision: str | None) -> Iterator[Revision | None]:
    """The files of a revision while they are needed; None where none is asked for."""
    if revision is None:
        with nullcontext():
            yield None
        return
    from advisor.comparing.revision import exported

    with exported(revision) as old:
        yield old


def named_sides(
    sides: Sequence[str],
    task: TaskOptions,
    asked: ComparisonOptions,
    old: Revision | None,
    url: str,
    trusted: Trust,
    script: ScriptOptions,
) -> list[Side]:
    """The sides that the words name, the one that is compared with first.

    Raises `InputError` where one of them is none.
    """
    from advisor.api.named_sides import is_arm, label_of, side_of
    from advisor.comparing.sides import Side

    task = replace(task, name=None)
    if old is not None:
        word = sides[0] if sides else task.model or ""
        new = ref_of(word, task, asked, script)
        label = label_of(new)
        # A revision has its own code, and the data of the user's working tree.
        then = replace(ref_of(old.moved(word), task, asked, script), home=old.home)
        return [Side(f"{label} at {old.name}", then), Side(label, new)]

    named = []
    for word in sides:
        has_task = task.data is not None and not script.is_script
        if is_arm(word) and not has_task:
            named.append(side_of(word, url, trusted))
        else:
            named.append(side_of(ref_of(word, task, asked, script), url, trusted))
    return named


def ref_of(
    word: str, task: TaskOptions, asked: ComparisonOptions, script: ScriptOptions
) -> StudyRef:
    """The study that a word names: a script, a study file, or a model of the task.

    Raises `InputError` where there is none.
    """
    if script.is_script:
        return script_ref(word, task, script, asked.settings)
    is_model = task.data is not None or task.model is not None
    named = replace(task, model=word) if is_model else replace(task, study=word)
    return study_ref(named, asked.settings)
