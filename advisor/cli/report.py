"""`advisor report`: a study, or several, as one self-contained page."""

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
@click.argument("studies", nargs=-1, metavar="[STUDY]…")
@storage
@click.option(
    "-o", "--output-file", "page", metavar="FILE.html", required=True, help="where the page goes"
)
def command(studies: tuple[str, ...], storage: str | None, page: str) -> None:
    """Write a study's recommendation with plots of its evidence, or a comparison, as one HTML page;
    without a name, of the latest one. Several names give one page that says which techniques won
    where.
    """
    from advisor.report.html import check_page
    from advisor.verdict.recommendation import Recommendation

    check_page(page)
    # A name that is given twice is one study.
    url, names = storage_url(storage), dict.fromkeys(studies)
    answers = [answer_of(url, name) for name in names or [None]]
    if len(answers) > 1:
        from advisor.report.several_page import write_several

        tell(f"wrote {write_several(answers, page)}")
    elif isinstance(answers[0], Recommendation):
        write_page(answers[0], storage, page)
    else:
        write_comparison_page(answers[0], page)


def answer_of(url: str, name: str | None) -> Recommendation | Comparison:
    """The answer that a database has under a name; the latest one without a name."""
    from advisor.api.answered import answer_as_given
    from advisor.comparing.comparison import Comparison

    compared = last_comparison(url, name or None)
    if compared is not None:
        return Comparison.from_json(compared, url)
    return answer_as_given(last_recommendation(url, name or None), url)


def write_page(recommendation: Recommendation, storage: str | None, page: str) -> None:
    """Write the page of a study, and say on stderr where it is."""
    from advisor.report.study_page import write_study  # loads Optuna

    place = write_study(recommendation, storage_url(storage), page)
    tell(f"wrote {place}")


def write_comparison_page(comparison: Comparison, page: str) -> None:
    """Write the page of a comparison, and say on stderr where it is."""
    from advisor.report.comparison_page import write_comparison

    tell(f"wrote {write_comparison(comparison, page)}")
