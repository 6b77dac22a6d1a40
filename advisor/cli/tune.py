"""`advisor tune`: search, confirm, recommend."""

from __future__ import annotations

from typing import Any

import click

from advisor.cli.options import as_json, question, storage, task_options


@click.command("tune")
@task_options
@click.option(
    "--trials", type=click.IntRange(min=1), help="total search trials, over all resumes (60)"
)
@click.option(
    "--minutes", type=click.FloatRange(min=0, min_open=True), help="total time, over all resumes"
)
@click.option(
    "--seeds",
    type=click.IntRange(min=3),
    help="fresh seeds that the answer rests on, to begin with (5)",
)
@click.option(
    "--min-gain",
    type=click.FloatRange(min=0),
    help="smallest gain worth a change, in units of the metric",
)
@click.option(
    "--reach", type=float, metavar="SCORE", help="compare by the number of epochs to this score"
)
@click.option(
    "--noise", type=click.FloatRange(min=0), help="score under noise on the inputs, in deviations"
)
@click.option("--workers", type=click.IntRange(min=1), help="processes that train (one per core)")
@click.option("--device", default="cpu", help="torch device (cpu)")
@storage
@as_json
@click.option(
    "-o",
    "--output-file",
    "page",
    metavar="FILE.html",
    help="also write a page with plots of the evidence",
)
@click.option("--quiet", is_flag=True, help="no progress")
def command(**options: Any) -> None:
    """Search, confirm and recommend. The same command again goes on where it stopped."""
    asked = question(options)

    from advisor.api.tune import tune
    from advisor.report.progress import progress
    from advisor.report.study_text import show_recommendation, show_task
    from advisor.work.executors import default_workers
    from advisor.work.prepare import setup

    with progress(quiet=options["quiet"]) as on:
        if not options["quiet"]:
            show_task(setup(asked, options["device"]))
        found = tune(
            asked,
            storage=options["storage"],
            workers=options["workers"] or default_workers(),
            device=options["device"],
            on=on,
        )
    if options["as_json"]:
        click.echo(found.to_json())
    else:
        show_recommendation(found)
    if options["page"]:
        from advisor.report.study_page import write_study
        from advisor.store.location import storage_url

        click.echo(
            f"wrote {write_study(found, storage_url(options['storage']), options['page'])}",
            err=True,
        )
