"""`advisor show`: a recommendation again, from the database."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import click

from advisor.cli.options import as_json, storage, why
from advisor.store.location import storage_url
from advisor.store.recommendations import last_comparison, last_recommendation
from advisor.streams import say_exactly, say_json, tell

NO_CODE = (
    "no whole code is kept with this answer: a script of yours trains by itself, or an earlier "
    "version answered. These lines apply it:"
)
"""What is said where there is no whole script."""


@click.command("show")
@click.argument("study", required=False)
@storage
@as_json
@why
@click.option(
    "--diff",
    is_flag=True,
    help="the change of activations and initial weights as a diff of your file, for patch -p0",
)
@click.option(
    "--apply", "whole", is_flag=True, help="the recommended training as a whole script of Python"
)
@click.option(
    "--file",
    "files",
    metavar="FILE.py",
    multiple=True,
    help="with --diff: a file of the study, whose code may run; repeatable",
)
@click.option(
    "--trust", is_flag=True, help="with --diff: run whatever code the database names as the study's"
)
def command(
    study: str | None,
    storage: str | None,
    as_json: bool,
    why: bool,
    diff: bool,
    whole: bool,
    files: tuple[str, ...],
    trust: bool,
) -> None:
    """Show a study's recommendation, or a comparison; without a name, the latest one."""
    # The text in the database is the answer as it was given; it is not made anew.
    url = storage_url(storage)
    compared = None if diff or whole else last_comparison(url, study or None)
    if compared is not None:
        show_compared(compared, url, as_json, why)
        return
    text = last_recommendation(url, study or None)
    if whole:
        show_code(text, url)
    elif diff:
        from advisor.verdict.recommendation import Recommendation

        show_diff(url, Recommendation.from_json(text).study, files, trust)
    elif as_json:
        say_json(text)
    else:
        from advisor.api.answered import answer_as_given
        from advisor.report.study_text import show_recommendation

        show_recommendation(answer_as_given(text, url), why)


def show_compared(text: str, url: str, as_json: bool, why: bool) -> None:
    """Print a comparison from its JSON; `why` adds what it rests on."""
    if as_json:
        say_json(text)
        return
    from advisor.comparing.comparison import Comparison
    from advisor.report.comparison_text import show_comparison

    show_comparison(Comparison.from_json(text, url), why)


def show_code(text: str, url: str) -> None:
    """Print the whole script of a recommendation from its JSON; for a study of a script, the lines
    that it gets, of the database at `url`.
    """
    from advisor.api.answered import answer_as_given

    answer = answer_as_given(text, url)
    if not answer.apply_code:
        tell(f"{answer.study}: {NO_CODE}")
    say_exactly(answer.apply_code or "\n".join([*answer.lines_to_apply, ""]))


def show_diff(url: str, study: str, files: Sequence[str], trust: bool) -> None:
    """Print the change of activations as a diff; a line on stderr where nothing is changed.

    Arguments:
        url: of the database.
        study: the name of the study.
        files: whose code may run.
        trust: whether all may run that the database names.
    """
    from advisor.api.answered import stored_recommendation  # knows the study, and loads torch
    from advisor.work.trust import Trust

    # The study's own model is opened again, and the change written into its file's text.
    trusted = Trust.in_files(*files, everything=trust)
    answer = stored_recommendation(study, url, trusted)
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        text = answer.diff()
    for each in raised:
        tell(str(each.message))
    if not text:
        nothing = "no activation and no initial weight is changed, so there is nothing to edit."
        tell(f"{answer.study}: {nothing}")
    say_exactly(text)
