"""Which modules come from the user's own folder, and whether one was edited since it ran.

A study is often several files: the one that is named, and siblings that it imports. When any of
them was edited, all of them run again at the next load, because what did not change may hold
values of what did. Modules that advisor did not run itself, say those that a notebook imported
before, are never touched: the notebook holds their classes.
"""

from __future__ import annotations

import hashlib
import linecache
import os
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from weakref import WeakKeyDictionary

# The name of this package, whose modules are the user's in no folder.
_ADVISOR = __name__.partition(".")[0]

# Where Python's own modules are, which a home directory may contain.
_STANDARD_LIBRARY = Path(sysconfig.get_path("stdlib")).resolve()

# Folders of installed libraries; a virtual environment often lies in the user's own folder.
_INSTALLED = {"site-packages", "dist-packages"}


@dataclass(frozen=True)
class LoadedSource:
    """The source of a module at the time when it ran.

    Arguments:
        name: the module's name in `sys.modules`.
        path: the file.
        digest: a hash of its content.
        definitions_only: whether only its definitions ran; None where another file imported it,
            which does not say how it would load it by name.
    """

    name: str
    path: Path
    digest: str
    definitions_only: bool | None = None

    @property
    def is_changed(self) -> bool:
        """Whether the file has another content now, or is gone."""
        try:
            return digest_of(self.path.read_bytes()) != self.digest
        except OSError:
            return True


# Keyed by the module objects that advisor has run; an entry goes when nobody holds its module.
_loaded_sources: WeakKeyDictionary[ModuleType, LoadedSource] = WeakKeyDictionary()


def digest_of(source: bytes) -> str:
    """A hash of a file's content."""
    return hashlib.sha256(source).hexdigest()


def note_source(module: ModuleType, source: LoadedSource) -> None:
    """Remember of which source a module is about to be made."""
    _loaded_sources[module] = source


def source_of(module: ModuleType) -> LoadedSource | None:
    """Of which source a module was made; None where advisor did not run it."""
    return _loaded_sources.get(module)


def stable_name(module: str) -> str:
    """A module's name without what was added to it because another module had that name."""
    loaded = sys.modules.get(module)
    source = None if loaded is None else source_of(loaded)
    if source is not None and module.startswith(f"{source.path.stem}_"):
        return source.path.stem
    return module


def forget_edited(folders: Sequence[Path]) -> None:
    """Remove the modules of these folders from `sys.modules` if the source of one has changed.

    So are modules of other folders whose names these folders have, too: two studies may each have
    a `net.py`. Whoever imports them next runs them again.
    """
    own = []
    for module, source in list(_loaded_sources.items()):
        is_current = sys.modules.get(source.name) is module
        if is_current and _is_below(source.path, folders):
            own.append(source)
        elif is_current and _has_namesake(source, folders):
            del sys.modules[source.name]
    if any(source.is_changed for source in own):
        for source in own:
            del sys.modules[source.name]
            linecache.checkcache(str(source.path))  # or tracebacks and rewrites show the old lines


@contextmanager
def imports_noted(folders: Sequence[Path]) -> Iterator[None]:
    """While this is open, modules that are imported from these folders are noted with their source.

    They are also compiled from it: Python's bytecode cache takes a file that was edited within a
    second, to the same length, for the one before.
    """
    finder = _OwnModuleFinder(folders)
    standard = sys.meta_path.index(PathFinder) if PathFinder in sys.meta_path else 0
    sys.meta_path.insert(standard, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


@dataclass
class Surroundings:
    """What one study's code finds by name, where a process has several studies open.

    Two studies may each have a `layers.py` that they import while they run.

    Attributes:
        folder: the current one of the study.
        own: folders whose modules are the study's.
        modules: its own modules, by their names.
        path: where it imports from; None before it was entered.
    """

    folder: Path
    own: Sequence[Path]
    modules: dict[str, ModuleType] = field(default_factory=dict)
    path: list[str] | None = None

    @contextmanager
    def entered(self) -> Iterator[None]:
        """While this is open, names are looked up as in the study; afterwards as before."""
        modules, path, folder = own_modules(), sys.path[:], Path.cwd()
        self._set(self.modules, self.path or path, self.folder)
        try:
            with imports_noted(self.own):
                yield
        finally:
            # What was imported meanwhile is the study's.
            self.modules, self.path = own_modules(), sys.path[:]
            self._set(modules, path, folder)

    @staticmethod
    def _set(modules: dict[str, ModuleType], path: list[str], folder: Path) -> None:
        for name in own_modules():
            del sys.modules[name]
        sys.modules.update(modules)
        sys.path[:] = path
        os.chdir(folder)


def own_modules() -> dict[str, ModuleType]:
    """The modules that advisor has run and that are current, by their names."""
    modules = {}
    for module, source in list(_loaded_sources.items()):
        if sys.modules.get(source.name) is module:
            modules[source.name] = module
    return modules


class _OwnModuleFinder(MetaPathFinder):
    """Finds what Python itself would find, and takes over what is in the user's folders."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module's spec, or None where the module is not the user's own."""
        if fullname.partition(".")[0] == _ADVISOR:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        # A loader of another kind belongs to a tool that must do its own work.
        if spec is None or spec.origin is None or type(spec.loader) is not SourceFileLoader:
            return None
        if not _is_below(Path(spec.origin).resolve(), self._folders):
            return None
        spec.loader = _OwnModuleLoader(fullname, spec.origin)
        return spec


class _OwnModuleLoader(SourceFileLoader):
    """Runs a module from its source, and notes which source that was."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the module."""
        source = self.get_data(self.path)
        path = Path(self.path).resolve()
        note_source(module, LoadedSource(self.name, path, digest_of(source)))
        code = self.source_to_code(source, self.path)
        exec(code, vars(module))  # noqa: S102  # as Python's own loader does


def _has_namesake(source: LoadedSource, folders: Sequence[Path]) -> bool:
    """Whether one of these folders has another module of the same name."""
    names = (f"{source.name}.py", f"{source.name}/__init__.py")
    return any((folder / name).is_file() for folder in folders for name in names)


def is_installed(path: Path) -> bool:
    """Whether a file is one of Python's own, or of an installed library."""
    return path.is_relative_to(_STANDARD_LIBRARY) or not _INSTALLED.isdisjoint(path.parts)


def _is_below(path: Path, folders: Sequence[Path]) -> bool:
    """Whether a file belongs to the user, and lies in one of these folders or below."""
    if is_installed(path):
        return False
    return any(path.is_relative_to(folder) for folder in folders)
