"""`advisor plugins`: what is loaded, and from where."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from advisor.cli.catalogue import ListedPlugin
from advisor.cli.kept_catalogue import catalogue
from advisor.cli.options import as_json, plugin, without
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
    found = catalogue(plugins, without)
    for line in found.broken:
        tell(f"advisor: {line}")

    if as_json:
        say_json(json.dumps([asdict(each) for each in found.plugins], indent=2))
    else:
        show_table(COLUMNS, [table_row(each) for each in found.plugins], "no plugins")


def table_row(plugin: ListedPlugin) -> list[object]:
    """The cells of a plugin; its techniques are counted, `advisor techniques` lists them."""
    slots = ", ".join(plugin.slots)
    return [plugin.name, plugin.version, slots, len(plugin.techniques), plugin.source]
