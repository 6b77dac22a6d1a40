"""One plugin, and what its hooks return."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

import pluggy

from advisor.errors import PluginError, explain, listing, near
from advisor.host import hookspecs
from advisor.host.validate import query_fault, slot_fault, technique_fault
from advisor.named_query import NamedQuery
from advisor.technique import Slot, Technique
from advisor.user_code import user_faults

_FAULTS: Mapping[str, Callable[[Any], str | None]] = {
    "slots": slot_fault,
    "techniques": technique_fault,
    "queries": query_fault,
}
"""By hook, what is wrong with one thing that it returned, or None."""

HOOKS = tuple(_FAULTS)
"""Names of the hooks that a plugin may implement."""


@dataclass(frozen=True)
class Offer:
    """What one plugin brings, before it is put beside other plugins.

    Attributes:
        name: the plugin's name.
        source: the file or the entry point that it was loaded from.
        dist: the distribution that installed it, or None for a file.
        file: the file of its module, where it has one.
        slots: what its hook `slots` returned.
        techniques: what its hook `techniques` returned.
        queries: what its hook `queries` returned.
    """

    name: str
    source: str
    dist: Distribution | None
    file: Path | None
    slots: tuple[Slot, ...]
    techniques: tuple[Technique, ...]
    queries: tuple[NamedQuery, ...] = ()


def new_manager() -> pluggy.PluginManager:
    """A plugin manager that knows the hooks of advisor."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    return manager


def read_offer(
    manager: pluggy.PluginManager,
    module: object,
    name: str,
    source: str,
    dist: Distribution | None = None,
    check_declared: bool = True,
) -> Offer:
    """Register a plugin and call its hooks.

    Arguments:
        manager: where the plugin is registered; it is not where it breaks its contract.
        module: the plugin.
        name: the plugin's name.
        source: the file or the entry point that it was loaded from.
        dist: the distribution that installed it, or None for a file.
        check_declared: refuse slots and techniques that are declared wrongly; False leaves that to
            the conformance kit.

    Raises: `PluginError` where the plugin breaks its contract.
    """
    _register(manager, module, name)
    _check_hooks(manager, module, name)
    path = getattr(module, "__file__", None)
    return Offer(
        name,
        source,
        dist,
        Path(path) if path else None,
        slots=tuple(_call_hook(manager, name, "slots", check_declared)),
        techniques=tuple(_call_hook(manager, name, "techniques", check_declared)),
        queries=tuple(_call_hook(manager, name, "queries", check_declared)),
    )


def _register(manager: pluggy.PluginManager, module: object, name: str) -> None:
    try:
        manager.register(module, name=name)
    except pluggy.PluginValidationError as problem:
        _unregister(manager, name)
        text = " ".join(str(problem).split())
        raise PluginError(
            f"Plugin {name!r}: {text}. "
            "A hook has the arguments of its specification, which is none."
        ) from problem


def _unregister(manager: pluggy.PluginManager, name: str) -> None:
    if manager.has_plugin(name):
        manager.unregister(name=name)


def _check_hooks(manager: pluggy.PluginManager, module: object, name: str) -> None:
    """Refuse a plugin that implements a hook which does not exist, or none at all."""
    callers = manager.get_hookcallers(module) or []
    hint = f"The hooks are: {listing(HOOKS)}."
    for caller in callers:
        optional = all(hook.optionalhook for hook in caller.get_hookimpls())
        if not optional and not caller.has_spec():
            _unregister(manager, name)
            slip = f"there is no hook {caller.name!r}.{near(caller.name, HOOKS)}"
            raise PluginError(f"Plugin {name!r}: {slip} {hint}")
    # The usual slip is a function with the right name and no mark.
    if not callers:
        unmarked = [hook for hook in HOOKS if callable(getattr(module, hook, None))]
        if unmarked:
            hint = f"Write @advisor.hookimpl above {unmarked[0]}()."
        raise PluginError(f"Plugin {name!r} implements no hook of advisor. {hint}")


def _call_hook(
    manager: pluggy.PluginManager, name: str, hook: str, check_declared: bool
) -> list[Any]:
    """What one hook of one plugin returned, checked as far as asked."""
    returned: list[Any] = []
    line = ""
    for implementation in getattr(manager.hook, hook).get_hookimpls():
        if implementation.plugin_name == name:
            returned += _call_function(implementation, hook)
            line = _line(implementation)

    # What is neither a slot nor a technique is not judged by the conformance kit.
    for thing in returned:
        fault = _FAULTS[hook](thing)
        if fault and (check_declared or not isinstance(thing, (Slot, Technique))):
            raise PluginError(f"Plugin {name!r}{line}: {fault}")
    return returned


def _call_function(implementation: pluggy.HookImpl, hook: str) -> list[Any]:
    name = implementation.plugin_name
    # One hook is called at a time, so that a message can say which function is at fault.
    try:
        answer: Any = implementation.function()
    except user_faults() as problem:  # a plugin's function may raise anything
        line = _line(implementation, problem)
        raise PluginError(
            f"Plugin {name!r}{line}: its hook {hook}() raised {explain(problem)}."
        ) from problem
    if not isinstance(answer, (list, tuple)):
        what = f"{answer!r} ({type(answer).__name__})"
        raise PluginError(
            f"Plugin {name!r}{_line(implementation)}: {hook}() must return a list, got {what}."
        )
    return list(answer)


def _line(implementation: pluggy.HookImpl, problem: BaseException | None = None) -> str:
    """` at line 3`: the deepest line of the plugin's own file that raised `problem`, else the line
    where the hook begins; the empty text where neither is known.
    """
    code = getattr(inspect.unwrap(implementation.function), "__code__", None)
    if code is None:
        return ""
    # Of the calls that led to the problem, those in the plugin's own file help its author.
    calls = traceback.extract_tb(problem.__traceback__) if problem else []
    lines = [call.lineno for call in calls if call.filename == code.co_filename]
    return f" at line {lines[-1] if lines else code.co_firstlineno}"
