"""The questions of `advisor query --named`: advisor's own, and those of plugins."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click

from advisor.errors import InputError, listing, near
from advisor.named_query import NamedQuery
from advisor.store.named_queries import QUERIES, listed_queries
from advisor.streams import say

LIST = "?"
"""The value of `--named` where no name is given."""
OWN = "advisor"
"""Who brings the questions that no plugin brings."""


def all_queries(files: Sequence[str], without: Sequence[str]) -> list[tuple[NamedQuery, str]]:
    """All questions, each with who brings it; plugins that could not be loaded are told.

    Raises `InputError` where two have one name, and for a plugin file that breaks.
    """
    from advisor.host.host import queries_of_plugins  # those of advisor need no plugins

    more, broken = queries_of_plugins(files, without)
    for sentence in broken:
        click.echo(f"advisor query: {sentence}", err=True)
    owners: dict[str, str] = {}
    queries = [*((query, OWN) for query in QUERIES), *more]
    for query, owner in queries:
        if query.name in owners:
            raise InputError(
                f"{owners[query.name]!r} and {owner!r} both bring a question {query.name!r}; "
                f"leave one out with --without {owner}."
            )
        owners[query.name] = owner
    return queries


def find_query(name: str, files: Sequence[str], without: Sequence[str]) -> NamedQuery:
    """The question of this name. Raises `InputError` where there is none."""
    # Plugins take long to load, and have no say in what advisor brings itself.
    own = {query.name: query for query in QUERIES}
    if name in own:
        return own[name]
    found = {query.name: query for query, _ in all_queries(files, without)}
    if name not in found:
        raise InputError(
            f"--named {name}: there is no such question.{near(name, found)} "
            f"There are: {listing(found, 40)}."
        )
    return found[name]


def values_of(given: Sequence[str]) -> dict[str, str]:
    """The values by their words. Raises `InputError` where one has no word."""
    values = {}
    for text in given:
        word, equals, value = text.partition("=")
        if not equals or not word.strip():
            raise InputError(f"--with {text!r}: write WORD=VALUE, such as --with trial=12.")
        values[word.strip()] = value.strip()
    return values


def list_queries(files: Sequence[str], without: Sequence[str], as_json: bool) -> None:
    """Print the questions with what they answer."""
    rows = list(listed_queries(all_queries(files, without)))
    if as_json:
        say(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    from advisor.report.text import show_table

    show_table(list(rows[0]), [list(row.values()) for row in rows], "no questions")
