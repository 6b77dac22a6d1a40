"""The plugins and techniques as `advisor plugins` and `advisor techniques` show them, in plain
values: what is printed is the same whether plugins are loaded or were remembered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from advisor.cli.docstring_parts import does, helps
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
    does: str
    helps: str
    cost: str
    fights: dict[str, str]

    @property
    def full_name(self) -> str:
        """`slot.name`."""
        return f"{self.slot}.{self.name}"

    @property
    def ranges(self) -> list[str]:
        """What may vary, and between which values."""
        return [f"{key} {range_of(each)}" for key, each in self.space.items()]

    def is_called(self, name: str) -> bool:
        """Whether `name` is its slot, its own name, or both."""
        return name in (self.slot, self.name, self.full_name)

    @property
    def searched(self) -> str:
        """Which searches try it."""
        if self.standard:
            return "in every search"
        named = f"--also {self.slot} or " if self.with_slot else ""
        return f"only where a search names it: {named}--only {self.slot}={self.name}"

    @property
    def fights_in_words(self) -> str:
        """What it does not go with, each with why."""
        return "; ".join(f"{other} ({why})" for other, why in self.fights.items())

    def description(self, evidence: str) -> str:
        """All about it: its docstring, what may vary, which searches try it, what it costs, and
        `evidence` from the user's studies.
        """
        # What is tried first stands beside the range.
        varies = []
        for key, each in self.space.items():
            varies.append(f"  {key} {range_of(each)}, first {each['default']}")
        title = f"{self.slot} {self.name} ({self.cite or 'no source'})"
        tried = f"Plugin: {self.plugin}. Tried {self.searched}."
        last = ["What may vary:", *varies] if varies else ["Nothing of it varies."]
        beside = [f"Beside {other}: {said}." for other, said in self.fights.items()]
        known = (("Cost", self.cost), ("Evidence", evidence))
        more = [f"{head}: {text}" for head, text in known if text]
        return "\n".join([title, "", self.about, "", tried, *last, *beside, *more])


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
    text = about(technique)
    # What a package brings itself goes with nothing else in that slot.
    own = dict.fromkeys(technique.settles, "it brings its own")
    return ListedTechnique(
        slot=technique.slot,
        name=technique.name,
        plugin=plugin,
        cite=technique.cite,
        standard=technique.standard and slot.standard,
        with_slot=technique.standard and not slot.standard,
        about=text,
        space=space,
        does=does(text),
        helps=technique.helps or helps(text),
        cost=technique.cost,
        fights={**technique.fights, **own},
    )


def range_of(parameter: Mapping[str, Any]) -> str:
    """The values that a listed parameter may have: `1–4`, or `{a, b}`."""
    if "options" in parameter:
        return "{" + ", ".join(map(str, parameter["options"])) + "}"
    return f"{parameter['low']:g}–{parameter['high']:g}"
