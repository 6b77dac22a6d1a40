"""Finds plugins, loads them one by one, and knows which slots and techniques they bring."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint
from pathlib import Path
from types import MappingProxyType

import pluggy

from advisor.errors import PluginError, explain, listing, near
from advisor.host import hookspecs
from advisor.host.collect import Collection
from advisor.host.offer import Offer, new_manager, read_offer
from advisor.loading.files import is_file, load_file
from advisor.loading.own_modules import digest_of
from advisor.named_query import NamedQuery
from advisor.technique import KEEP, RATE, Slot, Technique, Wanted
from advisor.user_code import user_faults

__all__ = ["BUILT_IN", "Host", "Offer", "Plugin", "load", "offer_of"]

BUILT_IN = "torch-advisor"
"""The distribution whose plugins are the built-in ones."""


@dataclass(frozen=True)
class Plugin:
    """One loaded plugin: its name, version, where it came from, and what it brings.

    Attributes:
        name: the plugin's name.
        version: of the distribution that installed it; empty for a file.
        source: the file, or the distribution and the entry point.
        slots, techniques: what it brings; techniques as `slot.name`.
        built_in: whether advisor brings it.
        file: the file of its module, where it has one.
        content: a hash of that file where the plugin has no version; else empty.
    """

    name: str
    version: str
    source: str
    slots: tuple[str, ...]
    techniques: tuple[str, ...]
    built_in: bool = False
    file: Path | None = None
    content: str = ""

    @property
    def mark(self) -> str:
        """What tells this plugin from another state of it: its version, or its file's hash."""
        return self.version or self.content


@dataclass(frozen=True)
class Host:
    """The loaded plugins with their slots and techniques. Nothing of it can be written to.

    Attributes:
        plugins: in the order in which they were loaded.
        slots: by name, in the order in which their techniques are applied.
        techniques: by slot and name; every slot begins with `keep`.
        owner: by `slot` or `slot.technique`, the name of the plugin that brings it.
        broken: a sentence for each installed plugin that could not be loaded.
        overruled: a sentence for each installed technique that a file replaces.
    """

    plugins: tuple[Plugin, ...]
    slots: Mapping[str, Slot]
    techniques: Mapping[str, Mapping[str, Technique]]
    owner: Mapping[str, str]
    broken: tuple[str, ...] = ()
    overruled: tuple[str, ...] = ()

    @property
    def marks(self) -> dict[str, str]:
        """Each plugin's version, or its file's hash, by its name."""
        return {plugin.name: plugin.mark for plugin in self.plugins}

    @property
    def built_in_slots(self) -> tuple[str, ...]:
        """Names of the slots that the built-in plugins bring."""
        names: list[str] = []
        for plugin in self.plugins:
            if plugin.built_in:
                names += plugin.slots
        return tuple(names)

    @property
    def standard_slots(self) -> tuple[str, ...]:
        """Names of the slots that every study searches."""
        return tuple(name for name, slot in self.slots.items() if slot.standard)

    def asked(self, asked: Wanted) -> dict[str, list[Technique]]:
        """The techniques that a study wants, by each slot that it searches."""
        found: dict[str, list[Technique]] = {}
        for name, slot in self.slots.items():
            if asked.has_slot(slot):
                wanted = self.techniques[name].values()
                found[name] = [each for each in wanted if asked.has(each, slot)]
        return found

    def rate_in(self, params: Mapping[str, object]) -> str:
        """The full name of the learning rate of an arm, which one of its techniques may bring.

        `params` has a technique for each slot.
        """
        for slot in self.slots:
            technique = self.find(slot, str(params.get(slot, KEEP)))
            if technique is not None and technique.rate:
                return f"{slot}.{technique.name}.{technique.rate}"
        return RATE

    def find(self, slot: str, name: str) -> Technique | None:
        """The technique `name` of `slot`, or None if no loaded plugin has it."""
        return self.techniques.get(slot, {}).get(name)


def load(files: Sequence[str] = (), without: Sequence[str] = ()) -> Host:
    """Load the installed plugins (entry-point group `advisor`) and then plugin files.

    Arguments:
        files: paths of plugin files; each is called by its name without `.py`.
        without: names of plugins that are not loaded.

    Raises: `PluginError` for a file that breaks (it raises, a hook is misspelt, a technique is
        declared wrongly), and for two plugins that claim one name. An installed plugin that breaks
        is a sentence in `Host.broken`.
    """
    manager = new_manager()
    entries = _entry_points()
    names = [*(entry.name for entry in entries), *(Path(file).stem for file in files)]
    _check_without(without, names)
    offers: list[Offer] = []
    broken: list[str] = []

    # An installed plugin that breaks must not stop the tool: the user did not ask for it.
    for entry in entries:
        if entry.name in without:
            continue
        try:
            offers.append(_read_entry(manager, entry))
        except user_faults() as problem:  # a stranger's module may raise anything
            text = str(problem) if isinstance(problem, PluginError) else explain(problem)
            reason = " ".join(text.split())
            broken.append(f"plugin {entry.name!r} ({entry.value}) was not loaded: {reason}")

    # A file is what the user asked for; it is loaded, or refused with a message.
    for file in files:
        name = Path(file).stem
        if name in without:
            continue
        if manager.has_plugin(name):
            raise PluginError(
                f"Two plugins have the name {name!r}; rename the file, "
                f"or leave one out with --without {name}."
            )
        offers.append(_read_file(manager, file))
    return _host(offers, broken)


def offer_of(plugin: str) -> Offer:
    """What one plugin brings, whatever its techniques declare.

    `plugin` is a file, or an installed plugin by its name. Raises `PluginError` where there is
    none, and where it cannot be loaded.
    """
    # What is installed is not shadowed by a file of the same name.
    entries = {entry.name: entry for entry in _entry_points()}
    entry = entries.get(plugin)
    if entry is None:
        if not is_file(plugin):
            raise PluginError(
                f"There is no plugin {plugin!r}: no such file, and none that is installed."
                f"{near(plugin, entries)} Installed are: {listing(entries)}."
            )
        return _read_file(new_manager(), plugin, check_declared=False)
    try:
        return _read_entry(new_manager(), entry, check_declared=False)
    except PluginError:
        raise
    except user_faults() as problem:  # a stranger's module may raise anything
        raise PluginError(
            f"Plugin {plugin!r} ({entry.value}) cannot be loaded: {explain(problem)}."
        ) from problem


def _entry_points() -> list[EntryPoint]:
    """The installed plugins, the built-in ones first."""
    entries = importlib.metadata.entry_points(group=hookspecs.PROJECT)
    return sorted(entries, key=lambda entry: (not _is_built_in(entry.dist), entry.name))


def queries_of_plugins(
    files: Sequence[str] = (), without: Sequence[str] = ()
) -> tuple[list[tuple[NamedQuery, str]], list[str]]:
    """The questions of plugins that advisor does not bring, each with the name of its plugin; and a
    sentence for each installed plugin that could not be loaded.

    Arguments:
        files: paths of plugin files.
        without: names of plugins that are not loaded.

    Raises: `PluginError` for a file that breaks.
    """
    # Those of advisor itself bring none, and take a second to load.
    others = [entry.name for entry in _entry_points() if not _is_built_in(entry.dist)]
    found: list[tuple[NamedQuery, str]] = []
    broken: list[str] = []
    for name in others:
        try:
            offer = None if name in without else offer_of(name)
        except PluginError as problem:
            broken.append(str(problem))
            continue
        found += [] if offer is None else [(query, name) for query in offer.queries]
    for file in files:
        offer = _read_file(new_manager(), file)
        found += [(query, offer.name) for query in offer.queries]
    return found, broken


def built_in_entries() -> list[EntryPoint]:
    """The built-in plugins, which are not loaded yet."""
    return [entry for entry in _entry_points() if _is_built_in(entry.dist)]


def _is_built_in(dist: Distribution | None) -> bool:
    return dist is not None and dist.name == BUILT_IN


def _check_without(without: Sequence[str], names: Sequence[str]) -> None:
    unknown = [name for name in without if name not in names]
    if unknown:
        hint = f"{near(unknown[0], names)} There are: {listing(names)}."
        raise PluginError(f"--without {listing(unknown)}: no such plugin.{hint}")


def _read_entry(
    manager: pluggy.PluginManager, entry: EntryPoint, check_declared: bool = True
) -> Offer:
    return read_offer(manager, entry.load(), entry.name, entry.value, entry.dist, check_declared)


def _read_file(manager: pluggy.PluginManager, file: str, check_declared: bool = True) -> Offer:
    module = load_file(file, "plugin", PluginError)
    return read_offer(manager, module, Path(file).stem, file, check_declared=check_declared)


def _host(offers: Sequence[Offer], broken: Iterable[str]) -> Host:
    collection = Collection(offers)
    # A host is shared by everything in the process: read-only views keep it as it was loaded.
    techniques = {}
    for slot, by_name in collection.techniques.items():
        techniques[slot] = MappingProxyType(by_name)
    return Host(
        plugins=tuple(_plugin(offer) for offer in offers),
        slots=MappingProxyType(collection.slots),
        techniques=MappingProxyType(techniques),
        owner=MappingProxyType(collection.owner),
        broken=tuple(broken),
        overruled=tuple(collection.overruled),
    )


def _plugin(offer: Offer) -> Plugin:
    version, source, content = "", offer.source, ""
    if offer.dist is None and offer.file is not None:
        content = digest_of(offer.file.read_bytes())
    if offer.dist is not None:
        version = offer.dist.version
        source = f"{offer.dist.name}: {offer.source}"
    return Plugin(
        name=offer.name,
        version=version,
        source=source,
        slots=tuple(slot.name for slot in offer.slots),
        techniques=tuple(f"{technique.slot}.{technique.name}" for technique in offer.techniques),
        built_in=_is_built_in(offer.dist),
        file=offer.file,
        content=content,
    )
