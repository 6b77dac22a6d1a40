"""With which plugins, and which code of their techniques, a trial was trained."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from advisor.content.code import code_parts
from advisor.content.own_files import is_installed, is_own_file
from advisor.content.sources import Sources
from advisor.content.tokens import combine
from advisor.errors import listing
from advisor.host.host import Host, Plugin
from advisor.readable import counted
from advisor.search.plan import Plan
from advisor.search.trial import Trial
from advisor.technique import Technique

SAID = (
    "cite",
    "about",
    "standard",
    "mends",
    "waived",
    "helps",
    "cost",
    "fights",
    "beside",
    "effort",
    "settles",
    "space",
    "unfit",
    "_unfit",
    "finds",
    "by_hand",
)
"""What a technique says of itself or is asked before a search: no trial trains otherwise by it.

The plan keeps what a study began with.
"""


SHOWN = 8
"""So many digits of the hash of a plugin's file are shown."""


class PluginMarks:
    """What the loaded plugins are, and what code their techniques run.

    Arguments:
        host: the plugins.

    Attributes:
        host: the plugins.
        plugins: each plugin's version, or its file's hash, by its name.
    """

    def __init__(self, host: Host) -> None:
        self.host = host
        self.plugins = host.marks
        self._codes: dict[str, str] = {}
        self._sources = Sources()

    def codes_of(self, techniques: Iterable[tuple[str, str]]) -> dict[str, str]:
        """A digest of the code of each of these techniques, which are loaded, by `slot.name`."""
        codes = {}
        for slot, name in techniques:
            full_name = f"{slot}.{name}"
            # A process computes it once: it runs what it has loaded.
            if full_name not in self._codes:
                self._codes[full_name] = self._code(self.host.techniques[slot][name], full_name)
            codes[full_name] = self._codes[full_name]
        return codes

    def _code(self, technique: Technique, full_name: str) -> str:
        owner = self.host.owner[full_name]
        plugin = next(each for each in self.host.plugins if each.name == owner)
        own: dict[str, Any] = {}
        for name, value in vars(technique).items():
            if name not in SAID and not name.startswith("__"):
                own[name] = value
        roots = {"technique": type(technique), "attributes": own}
        parts = code_parts(roots, files_of(plugin), self._sources)
        texts = []
        for name, digest in parts.items():
            is_said = name.partition(" in ")[0].rpartition(".")[2] in SAID
            texts += [] if is_said else [name, digest]
        return combine(*texts)


def files_of(plugin: Plugin) -> Callable[[Path], bool]:
    """Which files belong to a plugin: those of its package, or those beside its one file."""
    file = plugin.file
    if file is None:
        return is_own_file
    folder = file.resolve().parent
    if not (folder / "__init__.py").is_file():
        # Beside a module that is installed lie those of other distributions.
        if is_installed(file):
            return file.resolve().__eq__
        return lambda path: path.resolve().is_relative_to(folder) and is_own_file(path)
    while (folder.parent / "__init__.py").is_file():
        folder = folder.parent
    return lambda path: path.resolve().is_relative_to(folder)


def plugin_notes(trials: Sequence[Trial], plan: Plan, marks: PluginMarks) -> Iterator[str]:
    """What came, went or changed among the plugins since trials were trained, a sentence each.

    It says the same whenever it is asked about the same trials. Trials of older versions, which
    recorded no plugins, are left out.
    """
    recorded = [trial for trial in trials if trial.plugins]
    if not recorded:
        return
    known: dict[str, Counter[str]] = defaultdict(Counter)
    for trial in recorded:
        for name, mark in trial.plugins.items():
            known[name][mark] += 1
    old = {name for name, counts in known.items() if counts.total() == len(recorded)}
    yield from _came(old, plan, marks)
    yield from _went(known, marks)
    yield from _changed(known, marks)

    # Trials that were run again, by what had changed.
    again = Counter(name for trial in trials for name in trial.again)
    for name, count in sorted(again.items()):
        are = "is" if count == 1 else "are"
        trials_with_it = f"{counted(count, 'trial')} with it {are} run again"
        yield f"{name} has changed since it was tried: {trials_with_it}."


def _came(old: Collection[str], plan: Plan, marks: PluginMarks) -> Iterator[str]:
    """Plugins that were not there for every trial (`old` are those that were)."""
    searched = {f"{slot}.{name}" for slot, name in plan.techniques}
    skipped = {f"{skip.slot}.{skip.technique}" for skip in plan.skipped}
    for plugin in marks.host.plugins:
        new = [name for name in plugin.techniques if name not in searched | skipped]
        if plugin.name not in old and new:
            yield (
                f"Plugin {called(plugin.name, plugin.mark)} came after this study had begun. "
                f"{listing(new, 4)} is not searched here: name it in --only, beside the others."
            )
    yield from _joined(plan, marks)


def _joined(plan: Plan, marks: PluginMarks) -> Iterator[str]:
    """The techniques that joined the study, by the trial that was the first to try one of them."""
    for start, names in sorted(plan.later.items(), key=lambda pair: int(pair[0])):
        owners = {name: marks.host.owner.get(name) for name in names}
        for plugin in marks.host.plugins:
            own = [name for name in names if owners[name] == plugin.name]
            if own:
                are = "is" if len(own) == 1 else "are"
                yield (
                    f"{listing(own, 4)} of plugin {called(plugin.name, plugin.mark)} came after "
                    f"{counted(int(start), 'trial')}, which still count, and {are} tried as often "
                    "as the techniques before."
                )


def _went(known: Mapping[str, Counter[str]], marks: PluginMarks) -> Iterator[str]:
    for name, versions in known.items():
        if name not in marks.plugins:
            yield (
                f"Plugin {called(name, *versions)} is not loaded any more: trials of its "
                "techniques still count, and no further ones are asked for. To go on with it, "
                "install it or give --plugin."
            )


def called(name: str, *versions: str) -> str:
    """A plugin with its version, or with the first digits of the hash of its file."""
    shown = []
    for version in versions:
        is_hash = re.fullmatch(r"[0-9a-f]{64}", version)
        shown.append(f"file {version[:SHOWN]}" if is_hash else version)
    told = listing([each for each in shown if each])
    return f"{name!r} ({told})" if told else repr(name)


def _changed(known: Mapping[str, Counter[str]], marks: PluginMarks) -> Iterator[str]:
    """Plugins of which trials had another version; those of one distribution in one sentence."""
    changes: dict[tuple[str, str], list[Plugin]] = defaultdict(list)
    for plugin in marks.host.plugins:
        for mark in known.get(plugin.name, ()):
            if mark != plugin.mark:
                changes[mark if plugin.version else "", plugin.version].append(plugin)
    for (before, version), plugins in changes.items():
        names = listing(f"{plugin.name!r}" for plugin in plugins)
        what = f"was {before} and is {version}"
        if not version:
            names = listing(called(plugin.name, plugin.mark) for plugin in plugins)
            what = "has another file now"
        yield (
            f"Plugin {names} {what}; only trials of techniques whose code is another one are run "
            "again."
        )
