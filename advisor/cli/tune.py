"""`advisor tune`: search, confirm, recommend."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from advisor.cli import options
from advisor.cli.options import BETTER_BY, as_json, grouped, storage, why
from advisor.cli.scripts import OPTIONS as OF_A_SCRIPT
from advisor.cli.scripts import ScriptOptions, WithScript, script_ref, script_words
from advisor.cli.task_options import TaskOptions, check_task, study_ref, task_options
from advisor.imports import keep_all, uncollected
from advisor.store.location import storage_url
from advisor.streams import say_json
from advisor.values import MOST_WORKERS

if TYPE_CHECKING:
    from advisor.work.study_ref import StudyRef

OPTIONS = (
    # How much is spent.
    click.option(
        "--trials", type=click.IntRange(min=1), help="total search trials, over all resumes (60)"
    ),
    click.option(
        "--minutes",
        type=click.FloatRange(min=0, min_open=True),
        help="total time, over all resumes",
    ),
    click.option(
        "--trial-minutes",
        type=click.FloatRange(min=0, min_open=True),
        help="time of one training, then it has failed (10, or 20 trainings of your model)",
    ),
    click.option(
        "--seeds",
        type=click.IntRange(min=3),
        help="pairs of fresh seeds that measure the gain (5, 10 or 20, as it needs)",
    ),
    click.option(
        "--artefact-share",
        type=click.FloatRange(min=0, min_open=True),
        help="trainings that a pretraining or word vectors may cost (2)",
    ),
    click.option(
        "--round",
        type=click.IntRange(min=1),
        help="trials of combinations that are asked together, for many workers (8)",
    ),
    # What counts as better.
    *BETTER_BY,
)
"""The options that overrule the study's own budget. `BudgetOptions` has a field for each."""


@dataclass(frozen=True)
class BudgetOptions:
    """The values of these options, by the words of `advisor.Study`; None where one is not given."""

    trials: int | None
    minutes: float | None
    trial_minutes: float | None
    seeds: int | None
    artefact_share: float | None
    round: int | None
    min_gain: float | None
    reach: float | None
    noise: float | None


@click.command("tune", cls=WithScript)
@task_options
@grouped("script", ScriptOptions, OF_A_SCRIPT)
@grouped("budget", BudgetOptions, OPTIONS)
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
    "-o",
    "--output-file",
    "page",
    metavar="FILE.html",
    help="also write a page with plots of the evidence",
)
@click.option("--quiet", is_flag=True, help="no progress")
@click.option(
    "--dry-run",
    is_flag=True,
    help="only show what would be tried and about how long it takes; no database is changed",
)
def command(
    task: TaskOptions,
    script: ScriptOptions,
    budget: BudgetOptions,
    workers: int | None,
    executor: str | None,
    scratch: str | None,
    device: str,
    storage: str | None,
    as_json: bool,
    why: bool,
    page: str | None,
    quiet: bool,
    dry_run: bool,
) -> None:
    """Search, confirm and recommend. The same command again goes on where it stopped."""
    if not script.is_script:
        check_task(task)
    if page:
        from advisor.report.html import check_page

        check_page(page)

    from advisor.work.named_libraries import import_all, libraries_of
    from advisor.work.processes import warm_up

    # The server that forks workers loads torch beside this process, which does that from here on.
    libraries = libraries_of(task.study, task.model, task.data, optimizer=task.optimizer)
    if workers != 0:
        warm_up(libraries)
    with uncollected():
        ref = asked_study(task, script, budget, storage)
        from advisor.work.devices import default_workers, staff_of
        from advisor.work.engines.abroad import hired_of
        from advisor.work.opening import begun_opening

    hired = hired_of(executor, workers, scratch, device)
    device, staff = staff_of(device, workers, default_workers())
    # A worker opens the study while this process loads what it needs besides.
    with begun_opening(ref, device, 0 if dry_run or hired else staff) as begun:
        with uncollected():
            from advisor.api.dry_run import open_and_look
            from advisor.api.tuning import open_and_tune
            from advisor.cli.report import write_page
            from advisor.report.dry_run_text import show_dry_run
            from advisor.report.progress import progress
            from advisor.report.study_text import show_recommendation, show_task

            import_all([] if begun is None else libraries)
            keep_all()
        with progress(quiet) as on:
            opened = None if quiet else show_task
            if dry_run:
                look = open_and_look(ref, storage, staff, device, on, opened)
                say_json(look.to_json()) if as_json else show_dry_run(look)
                return
            answer = open_and_tune(ref, storage, hired or staff, device, on, opened, begun)

    # The answer is on stdout, everything else on stderr.
    if as_json:
        say_json(answer.to_json())
    else:
        show_recommendation(answer, why)
    if page:
        write_page(answer, storage, page)


def asked_study(
    task: TaskOptions, script: ScriptOptions, budget: BudgetOptions, storage: str | None
) -> StudyRef:
    """The study that the options describe. Raises `InputError` where they name none, or two."""
    if script.is_script:
        words = replace(script, words=script_words())
        return script_ref(task.study, task, words, vars(budget))
    return study_ref(task, vars(budget), storage_url(storage))
