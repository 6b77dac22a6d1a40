"""The techniques that a study names."""

from __future__ import annotations

from collections.abc import Collection

from advisor.errors import InputError, listing, near
from advisor.host.host import Host
from advisor.technique import Wanted


def check_asked(asked: Wanted, host: Host, begun: Collection[tuple[str, str]] = ()) -> None:
    """Raise `InputError` where a study names a slot or a technique that does not exist.

    `begun` are slot and name of techniques with which it was begun, and which may be gone.
    """
    known = {*host.slots, *(slot for slot, _ in begun)}
    for slot in asked.also:
        if slot not in known:
            raise InputError(no_slot("also", slot, host))
    for slot, all_names in asked.only.items():
        names = [name for name in all_names if (slot, name) not in begun]
        if slot not in host.slots and all_names and not names:
            continue
        if slot not in host.slots:
            raise InputError(no_slot("only", slot, host))
        techniques = host.techniques[slot]
        for name in names:
            if name not in techniques:
                raise InputError(
                    f"only: slot {slot!r} has no technique {name!r}.{near(name, techniques)} "
                    f"It has: {listing(techniques, 40)}."
                )


def no_slot(setting: str, slot: str, host: Host) -> str:
    """That a study names a slot which there is not."""
    slots = f"The slots are: {listing(host.slots, 20)}."
    return f"{setting}: there is no slot {slot!r}.{near(slot, host.slots)} {slots}"
