"""Finds plugins, loads them one by one, and knows which slots and techniques they bring."""

from __future__ import annotations

import graphlib
import importlib.metadata
import inspect
import re
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pluggy

from advisor.errors import PluginError, explain, listing, near
from advisor.host import hookspecs
from advisor.host.validate import slot_fault, technique_fault
from advisor.loading.files import is_file, load_file
from advisor.technique import KEEP, Keep, Slot, Technique

BUILT_IN = "torch-advisor"
_HOOKS = [
    name for name, value in vars(hookspecs).items() if hasattr(value, f"{hookspecs.PROJECT}_spec")
]
_FAULTS = {"slots": slot_fault, "techniques": technique_fault}


@dataclass(frozen=True)
class Plugin:
    """One loaded plugin: its name, version, where it came from, and what it brings."""

    name: str
    version: str
    source: str
    slots: tuple[str, ...]
    techniques: tuple[str, ...]
    built_in: bool = False


@dataclass(frozen=True)
class Offer:
    """What one plugin's hooks returned, checked by itself; `file` is that of its module."""

    name: str
    source: str
    dist: Any
    file: Path | None
    slots: list[Slot]
    techniques: list[Technique]


@dataclass
class Host:
    """The loaded plugins with their slots and techniques, by name, in the order in which slots are
    applied.
    """

    plugins: list[Plugin] = field(default_factory=list)
    slots: dict[str, Slot] = field(default_factory=dict)
    techniques: dict[str, dict[str, Technique]] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    overruled: list[str] = field(default_factory=list)
    owner: dict[str, str] = field(default_factory=dict)

    @property
    def built_in_slots(self) -> tuple[str, ...]:
        """Names of the slots that the built-in plugins bring."""
        return tuple(name for plugin in self.plugins if plugin.built_in for name in plugin.slots)

    def find(self, slot: str, name: str) -> Technique | None:
        """The technique `name` of `slot`, or None if no loaded plugin has it."""
        return self.techniques.get(slot, {}).get(name)


def load(files: Sequence[str] = (), without: Sequence[str] = ()) -> Host:
    """Load the installed plugins (entry-point group `advisor`) and then those in `files`, except
    the names in `without`.

    An installed plugin that breaks is one line in `Host.broken`. Raises `PluginError` for a file
    that breaks (it raises, a hook is misspelt, a technique is declared wrongly), and for two
    plugins that claim one name.
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    host, offers = Host(), {}
    entries, named = _entry_points(), {Path(file).stem: file for file in files}
    _check_without(without, [*(entry.name for entry in entries), *named])
    for entry in entries:
        if entry.name not in without:
            try:
                offers[entry.name] = _offer(
                    manager, entry.load(), entry.name, entry.value, entry.dist
                )
            except (
                Exception,
                SystemExit,
            ) as problem:  # whatever a stranger's module does must not stop the tool
                text = str(problem) if isinstance(problem, PluginError) else explain(problem)
                host.broken.append(
                    f"plugin {entry.name!r} ({entry.value}) was not loaded: {' '.join(text.split())}"
                )
    for file in files:
        name = Path(file).stem
        if name not in without:
            _check_free(manager, name)
            offers[name] = _offer(
                manager, load_file(file, "plugin", PluginError), name, str(file), None
            )
    _collect(host, offers)
    return host


def offer_of(plugin: str) -> Offer:
    """What one plugin brings, a file or an installed one by its name, whatever its techniques
    declare.

    Raises `PluginError` where there is none, and where it cannot be loaded.
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    entries = {entry.name: entry for entry in _entry_points()}
    if plugin not in entries:
        if not is_file(plugin):
            raise PluginError(
                f"There is no plugin {plugin!r}: no such file, and none that is installed.{near(plugin, entries)} "
                f"Installed are: {listing(entries)}."
            )
        return _offer(
            manager,
            load_file(plugin, "plugin", PluginError),
            Path(plugin).stem,
            plugin,
            None,
            judged=False,
        )
    entry = entries[plugin]
    try:
        return _offer(manager, entry.load(), plugin, entry.value, entry.dist, judged=False)
    except PluginError:
        raise
    except (Exception, SystemExit) as problem:  # whatever a stranger's module does
        raise PluginError(
            f"Plugin {plugin!r} ({entry.value}) cannot be loaded: {explain(problem)}."
        ) from problem


def _entry_points() -> list[Any]:
    entries = importlib.metadata.entry_points(group=hookspecs.PROJECT)
    return sorted(entries, key=lambda entry: (not _is_ours(entry.dist), entry.name))


def _is_ours(dist: Any) -> bool:
    return dist is not None and dist.name == BUILT_IN


def _check_without(without: Sequence[str], names: Sequence[str]) -> None:
    unknown = [name for name in without if name not in names]
    if unknown:
        raise PluginError(
            f"--without {listing(unknown)}: no such plugin.{near(unknown[0], names)} There are: {listing(names)}."
        )


def _check_free(manager: pluggy.PluginManager, name: str) -> None:
    if manager.has_plugin(name):
        raise PluginError(
            f"Two plugins are called {name!r}; rename the file, or leave one out with --without {name}."
        )


def _offer(
    manager: pluggy.PluginManager,
    module: object,
    name: str,
    source: str,
    dist: Any,
    judged: bool = True,
) -> Offer:
    """What a plugin brings. Raises `PluginError` where it breaks its contract; it is not registered
    then.

    What its slots and techniques declare is left to the conformance kit where it is not `judged`.
    """
    try:
        manager.register(module, name=name)
        manager.check_pending()
    except pluggy.PluginValidationError as problem:
        if manager.has_plugin(name):
            manager.unregister(name=name)
        raise PluginError(f"Plugin {name!r}: {_misspelt(problem)}") from problem
    _check_marked(manager, module, name)
    path = getattr(module, "__file__", None)
    found = (_ask(manager, name, hook, judged) for hook in ("slots", "techniques"))
    return Offer(name, source, dist, Path(path) if path else None, *found)


def _misspelt(problem: pluggy.PluginValidationError) -> str:
    given = re.search(r"unknown hook '(\w+)'", str(problem))
    if given is None:
        return (
            " ".join(str(problem).split())
            + ". A hook has the arguments of its specification, which is none."
        )
    return f"there is no hook {given.group(1)!r}.{near(given.group(1), _HOOKS)} The hooks are: {listing(_HOOKS)}."


def _check_marked(manager: pluggy.PluginManager, module: object, name: str) -> None:
    if not manager.get_hookcallers(module):
        unmarked = [hook for hook in _HOOKS if callable(getattr(module, hook, None))]
        told = (
            f"Write @advisor.hookimpl above {unmarked[0]}()."
            if unmarked
            else f"The hooks are: {listing(_HOOKS)}."
        )
        raise PluginError(f"Plugin {name!r} implements no hook of advisor. {told}")


def _ask(manager: pluggy.PluginManager, name: str, hook: str, judged: bool) -> list[Any]:
    found: list[Any] = []
    at = ""
    for implementation in getattr(manager.hook, hook).get_hookimpls():
        if implementation.plugin_name == name:
            found += _answer(implementation, hook)
            at = _line(implementation)
    for thing in found:
        fault = _FAULTS[hook](thing)
        if fault and (judged or not isinstance(thing, (Slot, Technique))):
            raise PluginError(f"Plugin {name!r}{at}: {fault}")
    return found


def _answer(implementation: pluggy.HookImpl, hook: str) -> list[Any]:
    try:
        answer: Any = implementation.function()
    except Exception as problem:
        at = _line(implementation, problem)
        raise PluginError(
            f"Plugin {implementation.plugin_name!r}{at}: its hook {hook}() raised {explain(problem)}."
        ) from problem
    if not isinstance(answer, (list, tuple)):
        name, at = implementation.plugin_name, _line(implementation)
        raise PluginError(
            f"Plugin {name!r}{at}: {hook}() must return a list, got {answer!r} ({type(answer).__name__})."
        )
    return list(answer)


def _line(implementation: pluggy.HookImpl, problem: Exception | None = None) -> str:
    """` at line 3`, the deepest of the plugin's own file that raised `problem`; else where the hook
    begins, if that is known.
    """
    code = getattr(inspect.unwrap(implementation.function), "__code__", None)
    if code is None:
        return ""
    calls = traceback.extract_tb(problem.__traceback__) if problem else []
    lines = [call.lineno for call in calls if call.filename == code.co_filename]
    return f" at line {lines[-1] if lines else code.co_firstlineno}"


def _collect(host: Host, offers: dict[str, Offer]) -> None:
    for name, offer in offers.items():
        for slot in offer.slots:
            _add_slot(host, name, slot)
    host.slots = _in_order(host.slots)
    host.techniques = {name: {KEEP: Keep(name)} for name in host.slots}
    for name, offer in offers.items():
        for technique in offer.techniques:
            _add_technique(host, offers, name, technique)
    host.plugins = [_describe(name, offer) for name, offer in offers.items()]


def _add_slot(host: Host, plugin: str, slot: Slot) -> None:
    if slot.name in host.slots:
        first = host.owner[slot.name]
        raise PluginError(
            f"Plugins {first!r} and {plugin!r} both bring a slot {slot.name!r}; leave one out with --without."
        )
    host.slots[slot.name] = slot
    host.owner[slot.name] = plugin


def _add_technique(host: Host, offers: dict[str, Offer], plugin: str, technique: Technique) -> None:
    """A file that the user names overrules what is installed; of others, two may not claim one
    name.
    """
    slot, name = technique.slot, technique.name
    if slot not in host.techniques:
        raise PluginError(
            f"Plugin {plugin!r}: technique {name!r} is for a slot {slot!r} that no plugin brings.{near(slot, host.slots)} "
            f"The slots are: {listing(host.slots)}."
        )
    if name in host.techniques[slot]:
        first = host.owner.get(f"{slot}.{name}", "advisor itself")
        if offers[plugin].dist is not None or first not in offers or offers[first].dist is None:
            raise PluginError(
                f"Plugins {first!r} and {plugin!r} both bring {slot} {name!r}; rename one or use --without."
            )
        host.overruled.append(
            f"{slot} {name!r} is that of {offers[plugin].source}, in place of the one of plugin {first!r}"
        )
    host.techniques[slot][name] = technique
    host.owner[f"{slot}.{name}"] = plugin


def _in_order(slots: dict[str, Slot]) -> dict[str, Slot]:
    """Slots sorted so that every `after` and `before` holds; a circle is refused."""
    graph: dict[str, set[str]] = {
        name: {other for other in slot.after if other in slots} for name, slot in slots.items()
    }
    for name, slot in slots.items():
        for other in slot.before:
            if other in graph:
                graph[other].add(name)
    try:
        order = graphlib.TopologicalSorter(
            {name: sorted(graph[name]) for name in sorted(graph)}
        ).static_order()
        return {name: slots[name] for name in order}
    except graphlib.CycleError as problem:
        raise PluginError(
            f"Slots wait for each other in a circle: {' → '.join(problem.args[1])}."
        ) from problem


def _describe(name: str, offer: Offer) -> Plugin:
    return Plugin(
        name=name,
        version=offer.dist.version if offer.dist else "",
        source=f"{offer.dist.name}: {offer.source}" if offer.dist else offer.source,
        slots=tuple(slot.name for slot in offer.slots),
        techniques=tuple(f"{technique.slot}.{technique.name}" for technique in offer.techniques),
        built_in=_is_ours(offer.dist),
    )
