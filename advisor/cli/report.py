"""`advisor report`: a study as one self-contained page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from advisor.cli.options import storage
from advisor.store.location import storage_url
from advisor.store.recommendations import last_comparison, last_recommendation
from advisor.streams import tell

if TYPE_CHECKING:
    from advisor.comparing.comparison import Comparison
    from advisor.verdict.recommendation import Recommendation


@click.command("report")
@click.argument("study", required=False)
@storage
@click.option(
    "-o", "--output-file", "page", metavar="FILE.html", required=True, help="where the page goes"
)
def command(study: str | None, storage: str | None, page: str) -> None:
    """Write a study's recommendation with plots of its evidence, or a comparison, as one HTML page;
    without a name, of the latest one.
    """
    from advisor.report.html import check_page
    from advisor.verdict.recommendation import Recommendation

    check_page(page)
    compared = last_comparison(storage_url(storage), study or None)
    if compared is not None:
        from advisor.comparing.comparison import Comparison

        write_comparison_page(Comparison.from_json(compared), page)
        return
    text = last_recommendation(storage_url(storage), study or None)
    write_page(Recommendation.from_json(text), storage, page)


def write_page(recommendation: Recommendation, storage: str | None, page: str) -> None:
    """Write the page of a study, and say on stderr where it is."""
    from advisor.report.study_page import write_study  # loads Optuna

    place = write_study(recommendation, storage_url(storage), page)
    tell(f"wrote {place}")


def write_comparison_page(comparison: Comparison, page: str) -> None:
    """Write the page of a comparison, and say on stderr where it is."""
    from advisor.report.comparison_page import write_comparison

    tell(f"wrote {write_comparison(comparison, page)}")
