"""`advisor diagnose`: what a model is made of, what is wrong with it, and which techniques fit."""

from __future__ import annotations

import click

from advisor.cli.options import as_json
from advisor.cli.task_options import TaskOptions, study_ref, task_options
from advisor.streams import say_json, tell
from advisor.values import MOST_STEPS


@click.command("diagnose")
@task_options
@click.option(
    "--steps",
    type=click.IntRange(min=0, max=MOST_STEPS),
    default=0,
    help="also train so many mini-batches and judge the updates (0)",
)
@click.option("--device", default="cpu", help="torch device (cpu)")
@click.option(
    "-o",
    "--output-file",
    "page",
    metavar="FILE.html",
    help="also write a page with the plot of the signal",
)
@as_json
def command(task: TaskOptions, steps: int, device: str, page: str | None, as_json: bool) -> None:
    """Look at the model before it is trained: sites, layers, signal, findings, and which techniques
    fit.
    """
    ref = study_ref(task, {})

    if page:
        from advisor.report.html import check_page

        check_page(page)

    # These load torch, so they come after the options have been checked.
    from advisor.api.diagnose import diagnose
    from advisor.report.diagnosis_text import show_report
    from advisor.report.study_text import show_task
    from advisor.work.prepare import prepare
    from advisor.work.waiting import long_waits_told

    # The study is opened once, and handed down. A long wait is told.
    with long_waits_told(tell, "the diagnosis"):
        prepared = prepare(ref, device)
        report = diagnose(prepared, steps=steps)
    if as_json:
        say_json(report.to_json())
    else:
        show_task(prepared, plan=False)
        show_report(report)
    if page:
        from advisor.report.diagnosis_page import write_diagnosis

        tell(f"wrote {write_diagnosis(report, page)}")
