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
    host = load(plugins, without)
    for line in host.broken:
        click.echo(f"advisor: {line}", err=True)
    if as_json:
        keys = ("name", "version", "source", "slots", "techniques")
        click.echo(
            json.dumps([{key: asdict(p)[key] for key in keys} for p in host.plugins], indent=2)
        )
        return
    from advisor.report.text import show_table

    rows = [
        [p.name, p.version, ", ".join(p.slots), len(p.techniques), p.source] for p in host.plugins
    ]
    show_table(["plugin", "version", "slots", "techniques", "source"], rows, "no plugins")
