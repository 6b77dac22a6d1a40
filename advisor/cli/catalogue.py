"""The plugins and techniques as `advisor plugins` and `advisor techniques` show them, in plain
values: what is printed is the same whether plugins are loaded or were remembered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from advisor.technique import Slot, Technique

if TYPE_CHECKING:
    from advisor.host.host import Host


@dataclass(frozen=True)
class ListedPlugin:
    """A plugin as it is listed; the fields are the documented keys."""

    name: str
    version: str
    source: str
    slots: list[str]
    techniques: list[str]


@dataclass(frozen=True)
class ListedTechnique:
    """A technique as it is listed; the fields are the documented keys."""

    slot: str
    name: str
    plugin: str
    cite: str
    standard: bool
    with_slot: bool
    about: str
    space: dict[str, dict[str, Any]]
    fights: dict[str, str]

    @property
    def ranges(self) -> list[str]:
        """What may vary, and between which values."""
        return [f"{key} {range_of(each)}" for key, each in self.space.items()]

    def is_called(self, name: str) -> bool:
        """Whether `name` is its slot, its own name, or both."""
        return name in (self.slot, self.name, f"{self.slot}.{self.name}")

    def description(self) -> str:
        """All about it: its docstring, what may vary, and which searches try it."""
        searched = "in every search"
        if not self.standard:
            named = f"--also {self.slot} or " if self.with_slot else ""
            searched = f"only where a search names it: {named}--only {self.slot}={self.name}"

        # What is tried first stands beside the range.
        varies = []
        for key, each in self.space.items():
            varies.append(f"  {key} {range_of(each)}, first {each['default']}")
        title = f"{self.slot} {self.name} ({self.cite or 'no source'})"
        tried = f"Plugin: {self.plugin}. Tried {searched}."
        last = ["What may vary:", *varies] if varies else ["Nothing of it varies."]
        beside = [f"Beside {other}: {said}." for other, said in self.fights.items()]
        return "\n".join([title, "", self.about, "", tried, *last, *beside])


@dataclass(frozen=True)
class Catalogue:
    """What is loaded.

    Attributes:
        plugins: in the order in which they were loaded.
        slots: their names, in the order in which their techniques are applied.
        techniques: slot by slot.
        broken: a sentence for each installed plugin that could not be loaded.
    """

    plugins: list[ListedPlugin]
    slots: list[str]
    techniques: list[ListedTechnique]
    broken: list[str]

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Catalogue:
        """The catalogue that `asdict` made plain. Raises `KeyError` or `TypeError` for another."""
        return cls(
            [ListedPlugin(**each) for each in plain["plugins"]],
            plain["slots"],
            [ListedTechnique(**each) for each in plain["techniques"]],
            plain["broken"],
        )


def catalogue_of(host: Host) -> Catalogue:
    """What a host has loaded, in plain values."""
    plugins = [
        ListedPlugin(each.name, each.version, each.source, list(each.slots), list(each.techniques))
        for each in host.plugins
    ]
    listed = []
    for technique in (each for slot in host.techniques.values() for each in slot.values()):
        # Nobody owns what keeps a slot: that comes with every slot.
        owner = host.owner.get(f"{technique.slot}.{technique.name}", "advisor")
        listed.append(listed_technique(technique, host.slots[technique.slot], owner))
    return Catalogue(plugins, list(host.slots), listed, list(host.broken))


def listed_technique(technique: Technique, slot: Slot, plugin: str) -> ListedTechnique:
    """A technique of a plugin in its slot, as it is listed."""
    from advisor.report.catalogue_page import about

    # The default is what is tried first, wherever the technique says it.
    space = {}
    for key, first in technique.defaults().items():
        kind = type(technique.space[key]).__name__.lower()
        space[key] = {"kind": kind, **asdict(technique.space[key]), "default": first}
    return ListedTechnique(
        slot=technique.slot,
        name=technique.name,
        plugin=plugin,
        cite=technique.cite,
        standard=technique.standard and slot.standard,
        with_slot=technique.standard and not slot.standard,
        about=about(technique),
        space=space,
        fights=dict(technique.fights),
    )


def range_of(parameter: Mapping[str, Any]) -> str:
    """The values that a listed parameter may have: `1–4`, or `{a, b}`."""
    if "options" in parameter:
        return "{" + ", ".join(map(str, parameter["options"])) + "}"
    return f"{parameter['low']:g}–{parameter['high']:g}"
