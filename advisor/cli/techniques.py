"""`advisor techniques`: what can be tried in each slot."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

from advisor.cli.options import as_json, plugin, without
from advisor.errors import InputError, listing
from advisor.host.host import Host, load
from advisor.modules import near
from advisor.space import Choice, Parameter


@click.command("techniques")
@click.argument("slot", required=False)
@plugin
@without
@as_json
def command(slot: str | None, plugins: tuple[str, ...], without: tuple[str, ...], as_json: bool) -> None:
    """List the techniques of all slots, or of one."""
    host = load(plugins, without)
    if slot is not None and slot not in host.slots:
        raise InputError(f"There is no slot {slot!r}.{near(slot, host.slots)} The slots are: {listing(host.slots)}.")
    found = [entry for name in host.slots if slot in (None, name) for entry in _entries(host, name)]
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    from advisor.report.table import show_table

    rows = [[e["slot"], e["name"], ", ".join(f"{k} {_range(v)}" for k, v in e["space"].items()), e["cite"]] for e in found]
    show_table(["slot", "technique", "what may vary", "source"], rows, "no techniques")


def _entries(host: Host, slot: str) -> list[dict[str, Any]]:
    return [
        {
            "slot": slot,
            "name": name,
            "plugin": host.owner.get(f"{slot}.{name}", "advisor"),
            "cite": technique.cite,
            "space": {key: _described(technique.space[key], first) for key, first in technique.defaults().items()},
        }
        for name, technique in host.techniques[slot].items()
    ]


def _described(parameter: Parameter, first: Any) -> dict[str, Any]:
    return {"kind": type(parameter).__name__.lower(), **asdict(parameter), "default": first}


def _range(space: dict[str, Any]) -> str:
    if space["kind"] == Choice.__name__.lower():
        return "{" + ", ".join(map(str, space["options"])) + "}"
    return f"{space['low']:g}–{space['high']:g}"
