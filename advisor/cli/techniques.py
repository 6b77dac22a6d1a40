"""`advisor techniques`: what can be tried in each slot."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

import click

from advisor.cli.catalogue import Catalogue, ListedTechnique
from advisor.cli.kept_catalogue import catalogue
from advisor.cli.options import as_json, plugin, without
from advisor.errors import InputError, listing, near
from advisor.report.text import show_table
from advisor.streams import say, say_json, tell


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
@as_json
def command(
    name: str | None,
    page: str | None,
    plugins: tuple[str, ...],
    without: tuple[str, ...],
    as_json: bool,
) -> None:
    """List the techniques of all slots or of one, or tell all about one technique."""
    found = catalogue(plugins, without)
    listed = named_techniques(found, name)
    if page:
        write_page(plugins, without, listed, page)
    if as_json:
        plain = [asdict(each) for each in listed]
        say_json(json.dumps(plain, indent=2, ensure_ascii=False))
    elif name is None or name in found.slots:
        show_list(listed)
    else:
        say("\n\n".join(each.description() for each in listed))


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


def show_list(listed: Sequence[ListedTechnique]) -> None:
    """Print the techniques as a table."""
    # Most techniques are in every search, so only the others are marked.
    rows = []
    for each in listed:
        searched = "" if each.standard else "if named"
        rows.append([each.slot, each.name, searched, ", ".join(each.ranges), each.cite])
    show_table(["slot", "technique", "searched", "what may vary", "source"], rows, "none")
