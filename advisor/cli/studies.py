"""`advisor studies`: the studies and comparisons in the database."""

from __future__ import annotations

import click

from advisor.cli.options import as_json, storage
from advisor.store.json_rows import rows_as_json
from advisor.store.location import storage_url
from advisor.store.recommendations import comparison_names, listed, not_there, study_names
from advisor.streams import say, say_json

SHOWN = ("study", "kind", "verdict", "evidence", "trials", "best", "metric", "seconds", "created")
"""Columns of the table; --json has them all."""


@click.group("studies", invoke_without_command=True)
@storage
@as_json
@click.pass_context
def command(context: click.Context, storage: str | None, as_json: bool) -> None:
    """List the studies and comparisons of the database."""
    # `--storage` may stand before `delete`, too.
    context.obj = storage
    if context.invoked_subcommand is not None:
        return
    columns, rows = listed(storage_url(storage))
    if as_json:
        # In JSON a study's name is its `name`, as in every other list.
        names = ["name" if column == "study" else column for column in columns]
        say_json(rows_as_json(names, rows).text)
        return

    from advisor.report.text import show_table

    studies = [dict(zip(columns, row, strict=True)) for row in rows]
    # A database that no newer version has written to has no evidence.
    cells = [[study.get(column) for column in SHOWN] for study in studies]
    show_table(SHOWN, cells, "no studies yet; run advisor tune")


@command.command("delete")
@click.argument("study")
@click.option("--storage", metavar="URL", help="study database")
@click.option("--yes", is_flag=True, help="do not ask")
@click.pass_context
def delete(context: click.Context, study: str, storage: str | None, yes: bool) -> None:
    """Remove a study or a comparison, and everything that was written about it."""
    # Nothing is asked about a study that is not there.
    url = storage_url(storage or context.obj)
    if study not in study_names(url):
        raise not_there(f"No study {study!r}", study, url)
    what = f"study {study!r} with all its trials"
    if study in comparison_names(url):
        what = f"comparison {study!r} with all its trainings"
    if not yes and not confirmed(what):
        say("Nothing was deleted.")
        return

    from advisor.store.database import Database  # loads SQLAlchemy and Optuna
    from advisor.store.folder import study_folder

    # A study that runs is not deleted. Without slots the views stay as they are.
    with Database(url, None) as database, study_folder(database, study):
        database.delete(study)
    say(f"Deleted {study}.")


@command.command("update")
@click.option("--storage", metavar="URL", help="study database")
@click.pass_context
def update(context: click.Context, storage: str | None) -> None:
    """Give a database that an older version has made the views and columns of this one.

    Each command that runs a study does that, too.
    """
    # A database that is not there is not made.
    url = storage_url(storage or context.obj)
    study_names(url)

    from advisor.store.database import Database  # loads SQLAlchemy and Optuna

    Database(url, None).close()
    say("The database has the views and columns of this version.")


def confirmed(what: str) -> bool:
    """Whether the user wants this to be deleted; not where there is no terminal to ask."""
    try:
        return click.confirm(f"Delete {what}?", err=True)
    except click.Abort:
        say(" (to delete without being asked: --yes)")
        return False
