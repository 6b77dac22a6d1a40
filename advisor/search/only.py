"""The techniques that a study names."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from advisor.errors import InputError, listing, near
from advisor.host.host import Host


def check_only(
    only: Mapping[str, Sequence[str]], host: Host, begun: Collection[tuple[str, str]] = ()
) -> None:
    """Raise `InputError` where a study names a slot or a technique that does not exist.

    `begun` are slot and name of techniques with which it was begun, and which may be gone.
    """
    for slot, all_names in only.items():
        names = [name for name in all_names if (slot, name) not in begun]
        if slot not in host.slots and all_names and not names:
            continue
        if slot not in host.slots:
            raise InputError(
                f"only: there is no slot {slot!r}.{near(slot, host.slots)} "
                f"The slots are: {listing(host.slots)}."
            )
        techniques = host.techniques[slot]
        for name in names:
            if name not in techniques:
                raise InputError(
                    f"only: slot {slot!r} has no technique {name!r}.{near(name, techniques)} "
                    f"It has: {listing(techniques, 40)}."
                )
