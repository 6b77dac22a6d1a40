"""`advisor show`: a recommendation again, from the database."""

from __future__ import annotations

import json

import click

from advisor.cli.options import as_json, storage
from advisor.errors import InputError, listing, near
from advisor.store.location import storage_url
from advisor.store.query import read


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
    url = storage_url(storage)
    if diff:
        _show_diff(url, study)
        return
    text = latest(url, study)
    if as_json:
        click.echo(text)
        return
    from advisor.report.study_text import show_recommendation
    from advisor.verdict.recommendation import Recommendation

    show_recommendation(Recommendation(**json.loads(text)))


def _show_diff(url: str, study: str | None) -> None:
    from advisor.api.tune import recommendation

    found = recommendation(study or str(json.loads(latest(url, None))["study"]), url)
    text = found.diff()
    if not text:
        click.echo(
            f"{found.study}: no activation is changed, so there is nothing to edit.", err=True
        )
    click.echo(text, nl=False)


def latest(url: str, study: str | None) -> str:
    """The JSON of the last recommendation, of one study or of all. Raises `InputError` when there
    is none.
    """
    where, params = (" WHERE study = ?", (study,)) if study else ("", ())
    rows = read(
        url,
        f"SELECT json FROM advisor_recommendations{where} ORDER BY created DESC LIMIT 1",
        params,
    )[1]  # constants
    if not rows:
        names = [str(row[0]) for row in read(url, "SELECT study FROM advisor_studies")[1]]
        asked = f"study {study!r}" if study else "any study"
        raise InputError(
            f"No recommendation for {asked} in {url}.{near(study or '', names)} Studies there: {listing(names) or 'none'}."
        )
    return str(rows[0][0])
