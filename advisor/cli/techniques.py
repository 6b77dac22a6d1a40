"""`advisor techniques`: what can be tried in each slot."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

from advisor.cli.options import as_json, plugin, without
from advisor.errors import InputError, listing, near
from advisor.host.host import Host, load
from advisor.space import Choice, Parameter


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
    host = load(plugins, without)
    every = [entry for slot in host.slots for entry in _entries(host, slot)]
    found = [
        entry
        for entry in every
        if name in (None, entry["slot"], entry["name"], f"{entry['slot']}.{entry['name']}")
    ]
    if not found:
        names = [*host.slots, *(entry["name"] for entry in every)]
        raise InputError(
            f"There is no slot or technique {name!r}.{near(str(name), names)} The slots are: {listing(host.slots)}."
        )
    if page:
        from advisor.report.catalogue_page import write_catalogue

        click.echo(
            f"wrote {write_catalogue(host, list(dict.fromkeys(e['slot'] for e in found)), page)}",
            err=True,
        )
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    elif name in (None, *host.slots):
        _show(found)
    else:
        click.echo("\n\n".join(map(_told, found)))


def _show(found: list[dict[str, Any]]) -> None:
    from advisor.report.text import show_table

    keys = ("slot", "name", "searched", "varies", "cite")
    rows = [
        {**e, "searched": "" if e["standard"] else "if named", "varies": ", ".join(_ranges(e))}
        for e in found
    ]
    show_table(
        ["slot", "technique", "searched", "what may vary", "source"],
        [[r[key] for key in keys] for r in rows],
        "none",
    )


def _told(entry: dict[str, Any]) -> str:
    """All about one technique: its docstring, what may vary, and who searches it."""
    standard = (
        "in every search"
        if entry["standard"]
        else f"only where a search names it: --only {entry['slot']}={entry['name']}"
    )
    varies = [
        f"  {text}, first {p['default']}"
        for text, p in zip(_ranges(entry), entry["space"].values(), strict=True)
    ]
    return "\n".join(
        (
            f"{entry['slot']} {entry['name']} ({entry['cite'] or 'no source'})",
            "",
            entry["about"],
            "",
            f"Plugin: {entry['plugin']}. Tried {standard}.",
            *(["What may vary:", *varies] if varies else ["Nothing of it varies."]),
        )
    )


def _ranges(entry: dict[str, Any]) -> list[str]:
    return [f"{key} {_range(space)}" for key, space in entry["space"].items()]


def _entries(host: Host, slot: str) -> list[dict[str, Any]]:
    from advisor.report.catalogue_page import about

    return [
        {
            "slot": slot,
            "name": name,
            "plugin": host.owner.get(f"{slot}.{name}", "advisor"),
            "cite": technique.cite,
            "standard": technique.standard,
            "about": about(technique),
            "space": {
                key: _described(technique.space[key], first)
                for key, first in technique.defaults().items()
            },
        }
        for name, technique in host.techniques[slot].items()
    ]


def _described(parameter: Parameter, first: Any) -> dict[str, Any]:
    return {"kind": type(parameter).__name__.lower(), **asdict(parameter), "default": first}


def _range(space: dict[str, Any]) -> str:
    if space["kind"] == Choice.__name__.lower():
        return "{" + ", ".join(map(str, space["options"])) + "}"
    return f"{space['low']:g}–{space['high']:g}"
