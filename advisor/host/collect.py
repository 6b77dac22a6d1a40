"""The slots and techniques of several plugins put side by side: who owns what, in which order."""

from __future__ import annotations

import graphlib
from collections.abc import Iterable, Mapping

from advisor.errors import PluginError, listing, near
from advisor.host.offer import Offer
from advisor.technique import KEEP, Keep, Slot, Technique


class Collection:
    """Slots and techniques by name, collected from offers one after the other.

    Attributes:
        slots: in the order in which their techniques are applied.
        techniques: by slot and name; `keep` is the first of each slot.
        owner: by `slot` or `slot.technique`, the plugin that brings it.
        overruled: a sentence for each installed technique that a file replaces.

    Raises `PluginError` where two plugins claim one name, where a technique is for a slot that
    there is not, and where slots wait for each other.
    """

    def __init__(self, offers: Iterable[Offer]) -> None:
        self.slots: dict[str, Slot] = {}
        self.techniques: dict[str, dict[str, Technique]] = {}
        self.owner: dict[str, str] = {}
        self.overruled: list[str] = []
        self._offers = {offer.name: offer for offer in offers}
        # A technique may be for a slot of a plugin that comes later, hence all slots first.
        for offer in self._offers.values():
            for slot in offer.slots:
                self._add_slot(offer.name, slot)
        self.slots = in_order(self.slots)
        self.techniques = {name: {KEEP: Keep(name)} for name in self.slots}
        for offer in self._offers.values():
            for technique in offer.techniques:
                self._add_technique(offer, technique)

    def _add_slot(self, plugin: str, slot: Slot) -> None:
        if slot.name in self.slots:
            first = self.owner[slot.name]
            raise PluginError(
                f"Plugins {first!r} and {plugin!r} both bring a slot {slot.name!r}; "
                "leave one out with --without."
            )
        self.slots[slot.name] = slot
        self.owner[slot.name] = plugin

    def _add_technique(self, offer: Offer, technique: Technique) -> None:
        slot, name = technique.slot, technique.name
        if slot not in self.techniques:
            hint = f"{near(slot, self.slots)} The slots are: {listing(self.slots)}."
            raise PluginError(
                f"Plugin {offer.name!r}: technique {name!r} is for a slot {slot!r} "
                f"that no plugin brings.{hint}"
            )
        if name in self.techniques[slot]:
            self._overrule(offer, f"{slot} {name!r}", owner=self.owner.get(f"{slot}.{name}"))
        self.techniques[slot][name] = technique
        self.owner[f"{slot}.{name}"] = offer.name

    def _overrule(self, offer: Offer, technique: str, owner: str | None) -> None:
        """Note that a file overrules what is installed; of others, two may not claim one name."""
        if owner is None:  # `keep`, which no plugin brings
            owner, is_installed = "advisor itself", False
        else:
            is_installed = self._offers[owner].dist is not None
        if offer.dist is not None or not is_installed:
            raise PluginError(
                f"Plugins {owner!r} and {offer.name!r} both bring {technique}; "
                "rename one or use --without."
            )
        self.overruled.append(
            f"{technique} is that of {offer.source}, in place of the one of plugin {owner!r}"
        )


def in_order(slots: Mapping[str, Slot]) -> dict[str, Slot]:
    """Slots sorted so that every `after` and `before` holds.

    Names of slots that there are not are ignored. Raises `PluginError` for a circle.
    """
    # By slot, those whose techniques are applied earlier.
    earlier: dict[str, set[str]] = {name: set() for name in sorted(slots)}
    for name, slot in slots.items():
        earlier[name].update(other for other in slot.after if other in slots)
        for other in slot.before:
            if other in slots:
                earlier[other].add(name)

    # Sorted names make the order independent of the order in which plugins were loaded.
    graph = {name: sorted(others) for name, others in earlier.items()}
    try:
        return {name: slots[name] for name in graphlib.TopologicalSorter(graph).static_order()}
    except graphlib.CycleError as problem:
        circle = " → ".join(problem.args[1])
        raise PluginError(f"Slots wait for each other in a circle: {circle}.") from problem
