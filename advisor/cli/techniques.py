"""`advisor techniques`: what can be tried in each slot."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import click

from advisor.cli.options import as_json, plugin, without
from advisor.errors import InputError, listing, near
from advisor.host.host import Host, load
from advisor.report.text import show_table
from advisor.space import Choice, Parameter
from advisor.streams import say, say_json, tell
from advisor.technique import Technique


@dataclass(frozen=True)
class OfferedTechnique:
    """A technique as it is listed, with the plugin that brings it."""

    technique: Technique
    plugin: str

    @property
    def slot(self) -> str:
        """The slot that it is for."""
        return self.technique.slot

    @property
    def name(self) -> str:
        """Its name in its slot."""
        return self.technique.name

    def is_called(self, name: str) -> bool:
        """Whether `name` is its slot, its own name, or both."""
        return name in (self.slot, self.name, f"{self.slot}.{self.name}")

    @property
    def about(self) -> str:
        """Its docstring."""
        from advisor.report.catalogue_page import about

        return about(self.technique)

    @property
    def ranges(self) -> list[str]:
        """What may vary, and between which values."""
        return [f"{key} {range_of(each)}" for key, each in self.technique.space.items()]

    def to_json(self) -> dict[str, Any]:
        """The documented keys."""
        # The default is what is tried first, wherever the technique says it.
        technique, space = self.technique, {}
        for key, first in technique.defaults().items():
            parameter = technique.space[key]
            kind = type(parameter).__name__.lower()
            space[key] = {"kind": kind, **asdict(parameter), "default": first}
        return {
            "slot": self.slot,
            "name": self.name,
            "plugin": self.plugin,
            "cite": technique.cite,
            "standard": technique.standard,
            "about": self.about,
            "space": space,
        }

    def description(self) -> str:
        """All about it: its docstring, what may vary, and which searches try it."""
        technique = self.technique
        searched = "in every search"
        if not technique.standard:
            searched = f"only where a search names it: --only {self.slot}={self.name}"

        # What is tried first stands beside the range.
        varies = []
        for text, first in zip(self.ranges, technique.defaults().values(), strict=True):
            varies.append(f"  {text}, first {first}")
        title = f"{self.slot} {self.name} ({technique.cite or 'no source'})"
        tried = f"Plugin: {self.plugin}. Tried {searched}."
        last = ["What may vary:", *varies] if varies else ["Nothing of it varies."]
        return "\n".join([title, "", self.about, "", tried, *last])


@click.command("techniques")
@click.argument("name", required=False, metavar="[SLOT|NAME]")
@click.option(
    "-o",
    "--html",
    "page",
    metavar="FILE.html",
    help="also write a page with docstrings, and plots of activations",
)
@plugin
@without
@as_json
def command(
    name: str | None,
    page: str | None,
    plugins: tuple[str, ...],
    without: tuple[str, ...],
    as_json: bool,
) -> None:
    """List the techniques of all slots or of one, or tell all about one technique."""
    host = load(plugins, without)
    listed = named_techniques(host, name)
    if page:
        write_page(host, listed, page)
    if as_json:
        plain = [each.to_json() for each in listed]
        say_json(json.dumps(plain, indent=2, ensure_ascii=False))
    elif name is None or name in host.slots:
        show_list(listed)
    else:
        say("\n\n".join(each.description() for each in listed))


def write_page(host: Host, listed: Sequence[OfferedTechnique], page: str) -> None:
    """Write the page of the slots of these techniques, and say on stderr where it is."""
    from advisor.report.catalogue_page import write_catalogue

    # The page shows whole slots, also where one technique is named.
    slots = dict.fromkeys(each.slot for each in listed)
    place = write_catalogue(host, list(slots), page)
    tell(f"wrote {place}")


def named_techniques(host: Host, name: str | None) -> list[OfferedTechnique]:
    """The techniques of a slot or of a name; all of them for None.

    Raises `InputError` where there is neither a slot nor a technique of that name.
    """
    offered = []
    for technique in (each for slot in host.techniques.values() for each in slot.values()):
        # Nobody owns what keeps a slot: that comes with every slot.
        owner = host.owner.get(f"{technique.slot}.{technique.name}", "advisor")
        offered.append(OfferedTechnique(technique, owner))
    if name is None:
        return offered
    # A name may be that of techniques of several slots.
    named = [each for each in offered if each.is_called(name)]
    if named:
        return named
    names = [*host.slots, *(each.name for each in offered)]
    hint = near(name, names)
    slots = f"The slots are: {listing(host.slots)}."
    raise InputError(f"There is no slot or technique {name!r}.{hint} {slots}")


def show_list(listed: Sequence[OfferedTechnique]) -> None:
    """Print the techniques as a table."""
    # Most techniques are in every search, so only the others are marked.
    rows = []
    for each in listed:
        searched = "" if each.technique.standard else "if named"
        varies = ", ".join(each.ranges)
        rows.append([each.slot, each.name, searched, varies, each.technique.cite])
    show_table(["slot", "technique", "searched", "what may vary", "source"], rows, "none")


def range_of(parameter: Parameter) -> str:
    """The values that a parameter may have: `1–4`, or `{a, b}`."""
    if isinstance(parameter, Choice):
        return "{" + ", ".join(map(str, parameter.options)) + "}"
    return f"{parameter.low:g}–{parameter.high:g}"
