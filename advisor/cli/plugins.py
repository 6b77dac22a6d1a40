"""`advisor plugins`: what is loaded, and from where."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from advisor.cli.options import as_json, plugin, without
from advisor.host.host import load


@click.command("plugins")
@plugin
@without
@as_json
def command(plugins: tuple[str, ...], without: tuple[str, ...], as_json: bool) -> None:
    """List the loaded plugins."""
    # What could not be loaded does not stop the rest.
    host = load(plugins, without)
    for line in host.broken:
        click.echo(f"advisor: {line}", err=True)

    if as_json:
        plain = [asdict(each) for each in host.plugins]
        for row in plain:
            del row["built_in"]  # a detail of ours
        click.echo(json.dumps(plain, indent=2))
        return

    from advisor.report.text import show_table

    # The table counts the techniques; `advisor techniques` lists them.
    cells = []
    for each in host.plugins:
        slots, count = ", ".join(each.slots), len(each.techniques)
        cells.append([each.name, each.version, slots, count, each.source])
    show_table(["plugin", "version", "slots", "techniques", "source"], cells, "no plugins")
