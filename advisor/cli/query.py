"""`advisor query`: the user's own questions to the database."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from typing import Any

import click

from advisor.cli.options import as_json, storage
from advisor.errors import InputError, visible
from advisor.store.location import storage_url
from advisor.store.query import read
from advisor.store.views import SCHEMA
from advisor.streams import answer_stream, say, say_json

NO_QUESTION = (
    'advisor query needs a question: advisor query "SELECT …", '
    "a view such as advisor_trials, or --schema."
)
"""What is said where nothing is asked."""


@click.command("query")
@click.argument("sql", required=False)
@click.option("--schema", is_flag=True, help="the views with their columns")
@click.option("--csv", "as_csv", is_flag=True, help="comma-separated values")
@storage
@as_json
def command(
    sql: str | None, schema: bool, as_csv: bool, storage: str | None, as_json: bool
) -> None:
    """Ask the study database: a SELECT, or a view by its name. Nothing can be written through
    it.
    """
    # The schema is ours, so it needs no database.
    if schema:
        say(json.dumps(SCHEMA, indent=2) if as_json else schema_text())
        return
    if not sql:
        raise InputError(NO_QUESTION)
    columns, rows = read(storage_url(storage), sql)
    if as_json:
        say_json(rows_as_json(columns, rows))
    elif as_csv:
        writer = csv.writer(answer_stream(), lineterminator="\n")
        writer.writerows(map(shown_row, [columns, *rows]))
    else:
        from advisor.report.text import show_table

        show_table(columns, rows, "no rows")


def shown_row(row: Sequence[Any]) -> list[Any]:
    """A row in letters that a terminal shows; --json has the values as they are."""
    return [visible(value) if isinstance(value, str) else value for value in row]


def rows_as_json(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Rows as objects; values that JSON does not have, such as times, become text."""
    plain = [dict(zip(columns, row, strict=True)) for row in rows]
    return json.dumps(plain, indent=2, default=str, ensure_ascii=False)


def schema_text() -> str:
    """The views with their columns, as they are printed."""
    views = []
    for view, (about, columns) in SCHEMA.items():
        lines = [f"{view}: {about}"]
        lines += [f"  {name:<10} {meaning}" for name, meaning in columns.items()]
        views.append("\n".join(lines))
    return "\n\n".join(views)
