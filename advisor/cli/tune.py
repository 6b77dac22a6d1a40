"""`advisor tune`: search, confirm, recommend."""

from __future__ import annotations

import click

from advisor.cli.options import TaskOptions, as_json, storage, study_ref, task_options


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
def command(
    task: TaskOptions,
    trials: int | None,
    minutes: float | None,
    seeds: int | None,
    min_gain: float | None,
    reach: float | None,
    noise: float | None,
    workers: int | None,
    device: str,
    storage: str | None,
    as_json: bool,
    page: str | None,
    quiet: bool,
) -> None:
    """Search, confirm and recommend. The same command again goes on where it stopped."""
    ref = study_ref(
        task,
        trials=trials,
        minutes=minutes,
        seeds=seeds,
        min_gain=min_gain,
        reach=reach,
        noise=noise,
    )

    # These load torch, so they come after the options have been checked.
    from advisor.api.tune import tune
    from advisor.report.progress import progress
    from advisor.report.study_text import show_recommendation, show_task
    from advisor.work.executors import default_workers
    from advisor.work.prepare import prepare

    with progress(quiet) as on:
        prepared = prepare(ref, device)
        if not quiet:
            show_task(prepared)
        workers = workers or default_workers()
        answer = tune(prepared, storage=storage, workers=workers, on=on)

    if as_json:
        click.echo(answer.to_json())
    else:
        show_recommendation(answer)
    if page:
        from advisor.report.study_page import write_study
        from advisor.store.location import storage_url

        place = write_study(answer, storage_url(storage), page)
        click.echo(f"wrote {place}", err=True)
