"""`advisor query`: the user's own questions to the database."""

from __future__ import annotations

import csv
import json
import math
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import click

from advisor.cli.named import LIST, find_query, list_queries, values_of
from advisor.cli.options import as_json, plugin, storage, without
from advisor.errors import InputError, visible
from advisor.report.plain_table import plain_table
from advisor.store.json_rows import JsonRows, rows_as_json
from advisor.store.location import storage_url
from advisor.store.named_queries import composed
from advisor.store.query import Answer, Limits, ask
from advisor.store.recommendations import not_there, study_names
from advisor.store.schema import SCHEMA
from advisor.streams import answer_stream, say, say_json

LONG = 100
"""Rows of a table from which on a terminal gets it plain, too: drawing thousands takes seconds."""
NO_QUESTION = (
    'advisor query needs a question: advisor query "SELECT …", '
    "a view such as advisor_trials, --named NAME, or --schema."
)
"""What is said where nothing is asked."""


MOST_ROWS = 1_000
"""Rows of a table, which a person reads, where the user gives no number."""
MOST_ROWS_OF_FILE = 100_000
"""Rows of JSON and CSV, which a program reads, where the user gives no number."""
MOST_SECONDS = 60.0
"""How long a question may take where the user gives no number."""


def finite_seconds(_context: click.Context, _option: click.Parameter, seconds: float) -> float:
    """The seconds that were given. Raises `BadParameter` where they are no number."""
    if not math.isfinite(seconds):
        raise click.BadParameter(f"{seconds} is no number of seconds; 0 is for no end.")
    return seconds


@click.command("query")
@click.argument("words", nargs=-1, metavar="[SQL | STUDY …]")
@click.option("--schema", is_flag=True, help="the views with their columns")
@click.option(
    "--named",
    is_flag=False,
    flag_value=LIST,
    metavar="[NAME]",
    help="ask a question that has a name, of all studies or of those named; alone, list them",
)
@click.option(
    "--with",
    "given",
    metavar="WORD=VALUE",
    multiple=True,
    help="a word of a named question, such as trial=12; repeatable",
)
@plugin
@without
@click.option("--csv", "as_csv", is_flag=True, help="comma-separated values")
@click.option(
    "--limit",
    type=click.IntRange(min=0, max=2**31),
    help=f"so many rows, 0 for all ({MOST_ROWS}, or {MOST_ROWS_OF_FILE} with --json or --csv)",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, max=threading.TIMEOUT_MAX),
    default=MOST_SECONDS,
    callback=finite_seconds,
    help=f"stop a question that takes longer, 0 for no end ({MOST_SECONDS:g})",
)
@storage
@as_json
def command(
    words: tuple[str, ...],
    schema: bool,
    named: str | None,
    given: tuple[str, ...],
    plugins: tuple[str, ...],
    without: tuple[str, ...],
    as_csv: bool,
    limit: int | None,
    seconds: float,
    storage: str | None,
    as_json: bool,
) -> None:
    """Ask the study database: a SELECT, a view by its name, or a question that has a name. Nothing
    can be written through it.
    """
    # The schema and the names are ours, so they need no database.
    if schema:
        say(json.dumps(SCHEMA, indent=2) if as_json else schema_text())
        return
    if named == LIST:
        list_queries(plugins, without, as_json)
        return
    if named is not None:
        sql = composed(find_query(named, plugins, without), words, values_of(given))
        check_studies(storage_url(storage), words)
    else:
        sql = one_question(words, given)
    if limit is None:
        limit = MOST_ROWS_OF_FILE if as_json or as_csv else MOST_ROWS
    answer = ask(storage_url(storage), sql, Limits(limit or None, seconds or None))

    # What is left out is told beside the rows, also where they go into a file.
    if answer.is_cut:
        rows = "row is" if limit == 1 else "rows are"
        click.echo(
            f"advisor query: only the first {limit} {rows} shown; --limit 0 shows all.", err=True
        )
    if as_json:
        answered = rows_as_json(answer.columns, answer.rows)
        say_json(answered.text)
        for line in told_beside(answered):
            click.echo(line, err=True)
    elif as_csv:
        writer = csv.writer(answer_stream(), lineterminator="\n")
        writer.writerows(map(shown_row, [answer.columns, *answer.rows]))
    else:
        show_rows(answer)


def show_rows(answer: Answer) -> None:
    """Print rows as a table."""
    # For a program, and for a person who reads page by page, there are no colours to wait for.
    most_drawn = LONG if answer_stream().isatty() else 0
    is_plain = len(answer.rows) > most_drawn
    text = plain_table(answer.columns, answer.rows) if is_plain else None
    if text is not None:
        say(text)
        return
    from advisor.report.text import show_table

    show_table(answer.columns, answer.rows, "no rows")


def one_question(words: Sequence[str], given: Sequence[str]) -> str:
    """The one question that is typed. Raises `InputError` where there is none, or more than one."""
    if given:
        raise InputError(f"--with {given[0]} belongs to a question that has a name: --named NAME.")
    if not words:
        raise InputError(NO_QUESTION)
    if len(words) > 1:
        raise InputError(
            f"advisor query takes one question, and got {len(words)} words: put quotes around the "
            "SELECT."
        )
    return words[0]


def check_studies(url: str, names: Sequence[str]) -> None:
    """Raise `InputError` where the database has no study of one of these names."""
    there = study_names(url) if names else []
    for name in names:
        if name not in there:
            raise not_there(f"No study {name!r}", name, url)


def told_beside(answered: JsonRows) -> Iterator[str]:
    """What JSON cannot say as the database does, one sentence each."""
    for old, new in answered.renamed:
        yield f"advisor query: two columns are called {old!r}; the later one is {new!r} here."
    if answered.not_numbers:
        values = "value is" if answered.not_numbers == 1 else "values are"
        yield (
            f"advisor query: {answered.not_numbers} {values} null, because JSON has no infinity "
            "and no NaN; --csv writes them."
        )


def shown_row(row: Sequence[Any]) -> list[Any]:
    """A row in letters that a terminal shows; --json has the values as they are."""
    return [visible(value) if isinstance(value, str) else value for value in row]


def schema_text() -> str:
    """The views with their columns, as they are printed."""
    views = []
    for view, (about, columns) in SCHEMA.items():
        lines = [f"{view}: {about}"]
        lines += [f"  {name:<10} {meaning}" for name, meaning in columns.items()]
        views.append("\n".join(lines))
    return "\n\n".join(views)
