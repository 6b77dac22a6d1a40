"""`advisor report`: a study as one self-contained page."""

from __future__ import annotations

import click

from advisor.cli.options import storage
from advisor.store.location import storage_url


@click.command("report")
@click.argument("study", required=False)
@storage
@click.option(
    "-o", "--output-file", "page", metavar="FILE.html", required=True, help="where the page goes"
)
def command(study: str | None, storage: str | None, page: str) -> None:
    """Write a study's recommendation with plots of its evidence as one HTML page; without a name,
    of the latest one.
    """
    from advisor.cli.show import latest

    url = storage_url(storage)
    text = latest(url, study)

    # The plots load Optuna, so they come after the study has been found.
    from advisor.report.study_page import write_study
    from advisor.verdict.recommendation import Recommendation

    place = write_study(Recommendation.from_json(text), url, page)
    click.echo(f"wrote {place}", err=True)
