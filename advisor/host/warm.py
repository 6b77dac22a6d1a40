"""Imports the built-in plugins, in the process that all workers are made from."""

from __future__ import annotations

from contextlib import suppress

from advisor.host.host import built_in_entries

for _entry in built_in_entries():
    # What is wrong with one is told where it is loaded.
    with suppress(Exception):
        _entry.load()
