"""Finds plugins, loads them one by one, and knows which slots and techniques they bring."""

from __future__ import annotations

import graphlib
import importlib.metadata
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pluggy

from advisor.errors import PluginError, listing
from advisor.host import hookspecs
from advisor.modules import explain, load_file, near
from advisor.space import Choice, Float, Int
from advisor.technique import KEEP, Keep, Slot, Technique

BUILT_IN = "torch-advisor"


@dataclass(frozen=True)
class Plugin:
    """One loaded plugin: its name, version, where it came from, and what it brings."""

    name: str
    version: str
    source: str
    slots: tuple[str, ...]
    techniques: tuple[str, ...]
    built_in: bool = False


@dataclass
class Host:
    """The loaded plugins with their slots and techniques, by name, in the order in which slots are applied."""

    plugins: list[Plugin] = field(default_factory=list)
    slots: dict[str, Slot] = field(default_factory=dict)
    techniques: dict[str, dict[str, Technique]] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    owner: dict[str, str] = field(default_factory=dict)

    @property
    def built_in_slots(self) -> tuple[str, ...]:
        """Names of the slots that the built-in plugins bring."""
        return tuple(name for plugin in self.plugins if plugin.built_in for name in plugin.slots)

    def find(self, slot: str, name: str) -> Technique | None:
        """The technique `name` of `slot`, or None if no loaded plugin has it."""
        return self.techniques.get(slot, {}).get(name)


def load(files: Sequence[str] = (), without: Sequence[str] = ()) -> Host:
    """Load the installed plugins (entry-point group `advisor`) and then those in `files`, except the names in `without`.

    An installed plugin that cannot be imported is one line in `Host.broken`. Raises `PluginError` for a file that cannot
    be imported, for a misspelt hook, and for two plugins that claim one name.
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    host, sources = Host(), {}
    for entry in _entry_points():
        if entry.name in without:
            continue
        try:
            _register(manager, entry.load(), entry.name)
        except Exception as problem:  # whatever a stranger's module raises must not stop the tool
            host.broken.append(f"plugin {entry.name!r} ({entry.value}) was not loaded: {explain(problem)}")
            continue
        sources[entry.name] = (entry.value, entry.dist)
    for file in files:
        name = file.rsplit("/", 1)[-1].removesuffix(".py")
        if name not in without:
            _register(manager, load_file(file, "plugin", PluginError), name)
            sources[name] = (str(file), None)
    unknown = set(without) - set(sources) - {entry.name for entry in _entry_points()}
    if unknown:
        raise PluginError(f"--without {listing(sorted(unknown))}: no such plugin. Loaded are: {listing(sources)}.")
    _collect(host, manager, sources)
    return host


def _entry_points() -> list[Any]:
    return sorted(
        importlib.metadata.entry_points(group=hookspecs.PROJECT), key=lambda entry: (not _is_ours(entry.dist), entry.name)
    )


def _is_ours(dist: Any) -> bool:
    return dist is not None and dist.name == BUILT_IN


def _register(manager: pluggy.PluginManager, module: object, name: str) -> None:
    if manager.has_plugin(name):
        raise PluginError(f"Two plugins are called {name!r}; rename the file, or leave one out with --without {name}.")
    manager.register(module, name=name)
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as problem:
        manager.unregister(name=name)
        raise PluginError(f"Plugin {name!r}: {_misspelt(problem)}") from problem


def _misspelt(problem: pluggy.PluginValidationError) -> str:
    hooks = [name for name, value in vars(hookspecs).items() if hasattr(value, f"{hookspecs.PROJECT}_spec")]
    given = re.search(r"unknown hook '(\w+)'", str(problem))
    name = given.group(1) if given else "?"
    return f"there is no hook {name!r}.{near(name, hooks)} The hooks are: {listing(hooks)}."


def _collect(host: Host, manager: pluggy.PluginManager, sources: dict[str, tuple[str, Any]]) -> None:
    brought: dict[str, dict[str, list[Any]]] = {name: {"slots": [], "techniques": []} for name in sources}
    for hook in ("slots", "techniques"):
        for implementation in reversed(getattr(manager.hook, hook).get_hookimpls()):
            brought[implementation.plugin_name][hook] = _ask(implementation, hook)
    for name in sources:
        for slot in brought[name]["slots"]:
            _add_slot(host, name, slot)
    host.slots = _in_order(host.slots)
    host.techniques = {name: {KEEP: Keep(name)} for name in host.slots}
    for name in sources:
        for technique in brought[name]["techniques"]:
            _add_technique(host, name, technique)
    host.plugins = [_describe(name, *sources[name], brought[name]["slots"], brought[name]["techniques"]) for name in sources]


def _ask(implementation: pluggy.HookImpl, hook: str) -> list[Any]:
    try:
        found: list[Any] = list(implementation.function())  # type: ignore[call-overload]  # a plugin may return anything
        return found
    except Exception as problem:
        raise PluginError(f"Plugin {implementation.plugin_name!r}: its hook {hook}() raised {explain(problem)}.") from problem


def _add_slot(host: Host, plugin: str, slot: Slot) -> None:
    if not isinstance(slot, Slot) or not slot.name.isidentifier():
        raise PluginError(f"Plugin {plugin!r}: slots() must return advisor.Slot objects with a plain name, got {slot!r}.")
    if slot.name in host.slots:
        first = host.owner[slot.name]
        raise PluginError(f"Plugins {first!r} and {plugin!r} both bring a slot {slot.name!r}; leave one out with --without.")
    host.slots[slot.name] = slot
    host.owner[slot.name] = plugin


def _add_technique(host: Host, plugin: str, technique: Technique) -> None:
    problem = _fault(technique)
    if problem:
        raise PluginError(f"Plugin {plugin!r}: {problem}")
    slot, name = technique.slot, technique.name
    if slot not in host.techniques:
        raise PluginError(
            f"Plugin {plugin!r}: technique {name!r} is for a slot {slot!r} that no plugin brings.{near(slot, host.slots)} "
            f"The slots are: {listing(host.slots)}."
        )
    if name in host.techniques[slot]:
        first = host.owner.get(f"{slot}.{name}", "advisor itself")
        raise PluginError(f"Plugins {first!r} and {plugin!r} both bring {slot} {name!r}; rename one or use --without.")
    host.techniques[slot][name] = technique
    host.owner[f"{slot}.{name}"] = plugin


def _fault(technique: Any) -> str | None:
    """What is wrong with a technique as declared, or None."""
    if not isinstance(technique, Technique):
        hint = " Return an instance: write Name(), not Name." if isinstance(technique, type) else ""
        return f"techniques() must return advisor.Technique objects, got {technique!r}.{hint}"
    name = getattr(technique, "name", None)
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_][\w-]*", name):
        return f"a technique's name is letters, digits, '_' and '-', got {name!r} in {type(technique).__name__}."
    if not isinstance(getattr(technique, "slot", None), str):
        return f'technique {name!r} does not say which slot it is for: set slot = "…".'
    wrong = [key for key, value in technique.space.items() if not isinstance(value, (Float, Int, Choice))]
    if wrong:
        return f"technique {name!r}: space[{wrong[0]!r}] must be advisor.Float, Int or Choice, got {technique.space[wrong[0]]!r}."
    return None


def _in_order(slots: dict[str, Slot]) -> dict[str, Slot]:
    """Slots sorted so that every `after` and `before` holds; a circle is refused."""
    graph: dict[str, set[str]] = {name: {other for other in slot.after if other in slots} for name, slot in slots.items()}
    for name, slot in slots.items():
        for other in slot.before:
            if other in graph:
                graph[other].add(name)
    try:
        order = graphlib.TopologicalSorter({name: sorted(graph[name]) for name in sorted(graph)}).static_order()
        return {name: slots[name] for name in order}
    except graphlib.CycleError as problem:
        raise PluginError(f"Slots wait for each other in a circle: {' → '.join(problem.args[1])}.") from problem


def _describe(name: str, source: str, dist: Any, slots: Iterable[Slot], techniques: Iterable[Technique]) -> Plugin:
    return Plugin(
        name=name,
        version=dist.version if dist else "",
        source=f"{dist.name}: {source}" if dist else source,
        slots=tuple(slot.name for slot in slots),
        techniques=tuple(f"{technique.slot}.{technique.name}" for technique in techniques),
        built_in=_is_ours(dist),
    )
