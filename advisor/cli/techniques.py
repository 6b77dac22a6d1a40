"""`advisor techniques`: what can be tried in each slot."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import click
from rich.text import Text

from advisor.cli.catalogue import Catalogue, ListedTechnique
from advisor.cli.kept_catalogue import catalogue
from advisor.cli.options import as_json, plugin, storage, without
from advisor.errors import AdvisorError, InputError, listing, near
from advisor.report.text import console, print_wrapped, show_table
from advisor.store.location import sqlite_path, storage_url
from advisor.store.tried_techniques import Tried, tried_techniques
from advisor.streams import say, say_json, tell
from advisor.technique import KEEP


@click.command("techniques")
@click.argument("name", required=False, metavar="[SLOT|NAME]")
@click.option(
    "-o",
    "--html",
    "page",
    metavar="FILE.html",
    help="also write a page with docstrings, and plots of activations",
)
@plugin
@without
@storage
@as_json
def command(
    name: str | None,
    page: str | None,
    plugins: tuple[str, ...],
    without: tuple[str, ...],
    storage: str | None,
    as_json: bool,
) -> None:
    """List the techniques of all slots, tell of those of one, or tell all about one technique; with
    how often each has won in your own studies.
    """
    found = catalogue(plugins, without)
    listed = named_techniques(found, name)
    if page:
        write_page(plugins, without, listed, page)
    tried = evidence(storage)
    if as_json:
        plain = [asdict(each) | {"evidence": plain_evidence(each, tried)} for each in listed]
        say_json(json.dumps(plain, indent=2, ensure_ascii=False))
    elif name is None:
        show_list(listed, tried)
    elif name in found.slots:
        show_slot(listed, tried)
    else:
        say("\n\n".join(each.description(in_words(each, tried)) for each in listed))


def evidence(storage: str | None) -> dict[str, Tried]:
    """How each technique did in the user's studies, by `slot.name`; nothing where there are none.

    Raises `InputError` where the user names a database that cannot be read.
    """
    url = storage_url(storage)
    is_named = storage is not None or "ADVISOR_STORAGE" in os.environ
    path = sqlite_path(url)
    if not is_named and path is not None and not path.is_file():
        return {}
    try:
        return tried_techniques(url)
    except AdvisorError as problem:
        if storage is not None:
            raise
        tell(f"advisor techniques: without evidence from your studies. {problem}")
        return {}


def plain_evidence(listed: ListedTechnique, tried: Mapping[str, Tried]) -> dict[str, Any] | None:
    """The evidence on a technique as JSON; None where no study has tried it."""
    found = tried.get(listed.full_name)
    return None if found is None else asdict(found)


def in_words(listed: ListedTechnique, tried: Mapping[str, Tried]) -> str:
    """The evidence on a technique, for a person."""
    found = tried.get(listed.full_name)
    if found is None:
        return ""
    spent = f"; {found.seconds:.2g} s before a training" if found.seconds else ""
    return f"{found.sentence} where it was tried{spent}"


def write_page(
    plugins: Sequence[str], without: Sequence[str], listed: Sequence[ListedTechnique], page: str
) -> None:
    """Write the page of the slots of these techniques, and say on stderr where it is."""
    from advisor.host.host import load
    from advisor.report.catalogue_page import write_catalogue

    # The page shows whole slots, also where one technique is named.
    slots = dict.fromkeys(each.slot for each in listed)
    place = write_catalogue(load(plugins, without), list(slots), page)
    tell(f"wrote {place}")


def named_techniques(found: Catalogue, name: str | None) -> list[ListedTechnique]:
    """The techniques of a slot or of a name; all of them for None.

    Raises `InputError` where there is neither a slot nor a technique of that name.
    """
    if name is None:
        return found.techniques
    # A name may be that of techniques of several slots.
    named = [each for each in found.techniques if each.is_called(name)]
    if named:
        return named
    hint = near(name, [*found.slots, *(each.name for each in found.techniques)])
    slots = f"The slots are: {listing(found.slots)}."
    raise InputError(f"There is no slot or technique {name!r}.{hint} {slots}")


def show_list(listed: Sequence[ListedTechnique], tried: Mapping[str, Tried]) -> None:
    """Print the techniques as a table."""
    # Most techniques are in every search, so only the others are marked.
    rows = []
    for each in listed:
        searched = "" if each.standard else "if named"
        found = tried.get(each.full_name)
        won = "" if found is None else f"{found.won} of {found.studies}"
        rows.append([each.slot, each.name, searched, each.does, won, each.cite])
    show_table(["slot", "technique", "searched", "what it does", "won", "source"], rows, "none")


def show_slot(listed: Sequence[ListedTechnique], tried: Mapping[str, Tried]) -> None:
    """Print what there is to know of each technique of a slot, a few lines each."""
    out = console()
    for each in listed:
        out.print(Text(f"{each.name} ({each.cite})" if each.cite else each.name, style="bold"))
        lines = (
            ("", each.does),
            ("helps", each.helps),
            ("cost", each.cost),
            ("fights", each.fights_in_words),
            ("varies", ", ".join(each.ranges)),
            ("tried", "" if each.standard or each.name == KEEP else each.searched),
            ("evidence", in_words(each, tried)),
        )
        for head, text in lines:
            if text:
                print_wrapped(out, f"{head}: " if head else "", text)
        out.print()
