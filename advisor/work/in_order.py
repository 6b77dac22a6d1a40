"""The techniques that parameters choose, in the order in which they are applied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from advisor.errors import InputError
from advisor.host.host import Host
from advisor.technique import KEEP, Technique


def techniques_in_order(
    host: Host, params: Mapping[str, Any]
) -> list[tuple[Technique, dict[str, Any]]]:
    """The techniques among a trial's parameters, each with its own parameters.

    They come in the order in which the host applies their slots. Raises `InputError` for one that
    is not loaded.
    """
    # Slots that no plugin brings come last.
    changed = [name for name, value in params.items() if "." not in name and value != KEEP]
    order = list(host.slots)
    changed.sort(key=lambda slot: order.index(slot) if slot in order else len(order))

    techniques = []
    for slot in changed:
        technique = host.find(slot, params[slot])
        if technique is None:
            raise InputError(
                f"{slot} {params[slot]!r} is not loaded; name its plugin with --plugin."
            )
        techniques.append((technique, own_parameters(technique, params)))
    return techniques


def own_parameters(technique: Technique, params: Mapping[str, Any]) -> dict[str, Any]:
    """A technique's own parameters among those of a trial, by the names that the technique uses."""
    # Their full names begin with the technique's slot and name.
    prefix = f"{technique.slot}.{technique.name}."
    own = {}
    for name, value in params.items():
        if name.startswith(prefix):
            own[name.removeprefix(prefix)] = value
    return own
