"""`advisor plugins`: what is loaded, and from where."""

from __future__ import annotations

import json

import click

from advisor.cli.options import as_json, plugin, without
from advisor.host.host import load


@click.command("plugins")
@plugin
@without
@as_json
def command(plugins: tuple[str, ...], without: tuple[str, ...], as_json: bool) -> None:
    """List the loaded plugins."""
    host = load(plugins, without)
    for line in host.broken:
        click.echo(f"advisor: {line}", err=True)

    if as_json:
        rows = []
        for each in host.plugins:
            row = {
                "name": each.name,
                "version": each.version,
                "source": each.source,
                "slots": each.slots,
                "techniques": each.techniques,
            }
            rows.append(row)
        click.echo(json.dumps(rows, indent=2))
        return

    from advisor.report.text import show_table

    cells = []
    for each in host.plugins:
        slots, count = ", ".join(each.slots), len(each.techniques)
        cells.append([each.name, each.version, slots, count, each.source])
    show_table(["plugin", "version", "slots", "techniques", "source"], cells, "no plugins")
