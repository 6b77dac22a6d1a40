"""`advisor show`: a recommendation again, from the database."""

from __future__ import annotations

import json

import click

from advisor.cli.options import as_json, storage
from advisor.errors import InputError, listing, near
from advisor.store.location import storage_url
from advisor.store.query import read

LATEST = "SELECT json FROM advisor_recommendations ORDER BY created DESC LIMIT 1"
LATEST_OF = "SELECT json FROM advisor_recommendations WHERE study = ? ORDER BY created DESC LIMIT 1"
"""The queries for the last recommendation, of all studies and of one."""
NAMES = "SELECT study FROM advisor_studies"
"""The query for the names of all studies."""


@click.command("show")
@click.argument("study", required=False)
@storage
@as_json
@click.option(
    "--diff",
    is_flag=True,
    help="the change of activations as a diff of your file, for patch -p0 or git apply -p0",
)
def command(study: str | None, storage: str | None, as_json: bool, diff: bool) -> None:
    """Show a study's recommendation; without a name, the latest one."""
    # The text in the database is the answer as it was given; it is not made anew.
    url = storage_url(storage)
    text = latest(url, study)
    if diff:
        show_diff(url, str(json.loads(text)["study"]))
    elif as_json:
        click.echo(text)
    else:
        from advisor.report.study_text import show_recommendation
        from advisor.verdict.recommendation import Recommendation

        show_recommendation(Recommendation.from_json(text))


def show_diff(url: str, study: str) -> None:
    """Print the change of activations as a diff; a line on stderr where nothing is changed."""
    from advisor.api.tune import recommendation  # knows the study, and loads torch

    # The study's own model is opened again, and the change written into its file's text.
    answer = recommendation(study, url)
    text = answer.diff()
    if not text:
        nothing = "no activation is changed, so there is nothing to edit."
        click.echo(f"{answer.study}: {nothing}", err=True)
    click.echo(text, nl=False)


def latest(url: str, study: str | None) -> str:
    """The JSON of the last recommendation, of one study or of all.

    Raises `InputError` when there is none.
    """
    _, rows = read(url, LATEST_OF, (study,)) if study else read(url, LATEST)
    if rows:
        return str(rows[0][0])
    whose = f"study {study!r}" if study else "any study"
    raise not_there(f"No recommendation for {whose}", study or "", url)


def not_there(what: str, study: str, url: str) -> InputError:
    """The error about something that is not in a database, with the names that are."""
    names = study_names(url)
    # A misspelt name is likelier than a missing study.
    hint = near(study, names)
    return InputError(f"{what} in {url}.{hint} Studies there: {listing(names) or 'none'}.")


def study_names(url: str) -> list[str]:
    """The names of the studies in a database."""
    _, rows = read(url, NAMES)
    return [str(name) for (name,) in rows]
