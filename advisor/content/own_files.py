"""Which files, functions, classes and modules are the user's own."""

from __future__ import annotations

import importlib.util
import os
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from types import FunctionType, ModuleType

import advisor

# Folders of installed libraries; a virtual environment often lies in the user's own folder.
_INSTALLED = {"site-packages", "dist-packages"}


def is_own_file(path: Path) -> bool:
    """Whether a file is the user's: not Python's, no installed library's and not of advisor."""
    path = path.resolve()
    if not _INSTALLED.isdisjoint(path.parts):
        return False
    return not any(path.is_relative_to(folder) for folder in _FOREIGN)


def _foreign_folders() -> tuple[Path, ...]:
    """Where Python, advisor and its plugins are."""
    folders = [Path(sysconfig.get_path("stdlib")), Path(advisor.__file__).parent]
    plugins = importlib.util.find_spec("advisor_plugins")
    if plugins is not None and plugins.origin is not None:
        folders.append(Path(plugins.origin).parent)
    return tuple(folder.resolve() for folder in folders)


_FOREIGN = _foreign_folders()


class UsersOwn:
    """Whose a file, a function, a class or a module is.

    Arguments:
        is_own: whether a file is the user's.
    """

    def __init__(self, is_own: Callable[[Path], bool]) -> None:
        self._is_own = is_own
        self._known: dict[str, bool] = {}

    def path(self, filename: str) -> bool:
        """Whether a file is the user's, by its whole path."""
        if filename not in self._known:
            self._known[filename] = os.path.isabs(filename) and self._is_own(Path(filename))
        return self._known[filename]

    def function(self, function: FunctionType) -> bool:
        """Whether a function is written in a file of the user's, or in none."""
        filename = function.__code__.co_filename
        if not filename.startswith("<"):
            return self.path(os.path.abspath(filename))
        # What `exec` made belongs to whom its globals belong to; the user's own may have no file.
        file = function.__globals__.get("__file__")
        if isinstance(file, str) and not file.startswith("<"):  # as in `python -`
            return self.path(file)
        module = sys.modules.get(str(function.__globals__.get("__name__")))
        return module is None or module.__name__ == "__main__"

    def class_(self, cls: type) -> bool:
        """Whether a class is defined in a module of the user's, or in none that is there."""
        if cls.__module__ == "__main__":
            return True
        module = sys.modules.get(cls.__module__)
        file = getattr(module, "__file__", None)
        if isinstance(file, str):
            return self.path(file)
        functions = (item for item in vars(cls).values() if isinstance(item, FunctionType))
        return module is None and any(map(self.function, functions))

    def module(self, module: object) -> bool:
        """Whether this is a module or package of the user's."""
        if not isinstance(module, ModuleType):
            return False
        file = getattr(module, "__file__", None)
        folders = getattr(module, "__path__", ())
        return any(isinstance(each, str) and self.path(each) for each in (file, *folders))
