"""`advisor diagnose`: what a model is made of, what is wrong with it, and which techniques fit;
seconds, no search.
"""

from __future__ import annotations

from typing import Any

import click

from advisor.cli.options import as_json, question, task_options


@click.command("diagnose")
@task_options
@click.option(
    "--steps",
    type=click.IntRange(min=0),
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
def command(**options: Any) -> None:
    """Look at the model before it is trained: sites, layers, signal, findings, and which techniques
    fit.
    """
    asked = question(options)

    from advisor.api.diagnose import diagnose
    from advisor.report.diagnosis_text import show_report
    from advisor.report.study_text import show_task

    found = diagnose(asked, steps=options["steps"], device=options["device"])
    if options["as_json"]:
        click.echo(found.to_json())
    else:
        show_task(found.shared, plan=False)
        show_report(found)
    if options["page"]:
        from advisor.report.diagnosis_page import write_page

        click.echo(f"wrote {write_page(found, options['page'])}", err=True)
