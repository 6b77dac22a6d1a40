"""`advisor plugins`: what is loaded, and from where."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from advisor.cli.options import as_json, plugin, without
from advisor.host.host import Plugin, load
from advisor.report.text import show_table
from advisor.streams import say_json, tell

COLUMNS = ("plugin", "version", "slots", "techniques", "source")
"""The columns of the table."""


@click.command("plugins")
@plugin
@without
@as_json
def command(plugins: tuple[str, ...], without: tuple[str, ...], as_json: bool) -> None:
    """List the loaded plugins."""
    # What could not be loaded does not stop the rest.
    host = load(plugins, without)
    for line in host.broken:
        tell(f"advisor: {line}")

    if as_json:
        plain = [asdict(each) for each in host.plugins]
        for row in plain:
            for detail in ("built_in", "file", "content"):  # of ours
                del row[detail]
        say_json(json.dumps(plain, indent=2))
    else:
        show_table(COLUMNS, [table_row(each) for each in host.plugins], "no plugins")


def table_row(plugin: Plugin) -> list[object]:
    """The cells of a plugin; its techniques are counted, `advisor techniques` lists them."""
    slots = ", ".join(plugin.slots)
    return [plugin.name, plugin.version, slots, len(plugin.techniques), plugin.source]
