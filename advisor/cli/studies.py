"""`advisor studies`: what is in the database."""

from __future__ import annotations

import json

import click

from advisor.cli.options import as_json, storage
from advisor.errors import InputError, listing, near
from advisor.store.location import storage_url
from advisor.store.query import read


@click.group("studies", invoke_without_command=True)
@storage
@as_json
@click.pass_context
def command(context: click.Context, storage: str | None, as_json: bool) -> None:
    """List the studies of the database."""
    context.obj = storage
    if context.invoked_subcommand is not None:
        return
    columns, rows = read(storage_url(storage), "SELECT * FROM advisor_studies ORDER BY created")
    if as_json:
        click.echo(
            json.dumps(
                [{"name": row[0], **dict(zip(columns[1:], row[1:], strict=True))} for row in rows],
                indent=2,
            )
        )
        return
    from advisor.report.text import show_table

    shown = ["study", "verdict", "trials", "best", "metric", "seconds", "created"]
    index = [columns.index(name) for name in shown]
    show_table(shown, [[row[i] for i in index] for row in rows], "no studies yet; run advisor tune")


@command.command("delete")
@click.argument("study")
@click.option("--storage", metavar="URL", help="study database")
@click.option("--yes", is_flag=True, help="do not ask")
@click.pass_context
def delete(context: click.Context, study: str, storage: str | None, yes: bool) -> None:
    """Remove a study and everything that was written about it."""
    url = storage_url(storage or context.obj)
    names = [str(row[0]) for row in read(url, "SELECT study FROM advisor_studies")[1]]
    if study not in names:
        raise InputError(
            f"No study {study!r} in {url}.{near(study, names)} Studies there: {listing(names) or 'none'}."
        )
    if not yes and not _agreed(study):
        click.echo("Nothing was deleted.")
        return

    from advisor.store.database import Database

    database = Database(url, None)
    database.delete(study)
    database.close()
    click.echo(f"Deleted {study}.")


def _agreed(study: str) -> bool:
    try:
        return click.confirm(f"Delete study {study!r} with all its trials?")
    except click.Abort:  # no terminal to ask
        click.echo(" (to delete without being asked: --yes)")
        return False
