"""How a script says an object of the user's: by an import from a copy of its file."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Mapping
from functools import partial
from operator import attrgetter
from pathlib import Path
from types import FunctionType
from typing import Any

from advisor.content.own_files import UsersOwn, is_own_file
from advisor.errors import InputError
from advisor.exporting.copied import CopiedFiles, importable
from advisor.exporting.rendering import names_in_script
from advisor.exporting.source_text import SourceText, UnwritableError
from advisor.loading.own_modules import source_of
from advisor.loading.references import Reference
from advisor.study import Study
from advisor.work.study_ref import StudyRef

LOADER = '''\
def own_module(place: str):
    """The module in a file of yours whose name cannot be imported."""
    name = f"own_{Path(place).stem}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, HERE / "own_code" / place)
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]'''
"""What a script has for a file whose name is none of a module."""


class OwnNames:
    """Names for what the user brought, each with its file in the folder.

    Arguments:
        ref: the study.
        text: gets the imports.
        copied: gets the files.
    """

    def __init__(self, ref: StudyRef, text: SourceText, copied: CopiedFiles) -> None:
        self._ref, self._text, self._copied = ref, text, copied
        self._owner = UsersOwn(is_own_file)
        self.needs_study = False

    def said(self, thing: Any, field: str) -> str:
        """How a script says an object of a task.

        Arguments:
            thing: the object.
            field: of `advisor.Task`, by which a script that imports the study has it.

        Raises:
            UnwritableError: it has no file.
        """
        if isinstance(thing, partial) and not thing.args:
            try:
                inside = "".join(f", {k}={self._text.value(v)}" for k, v in thing.keywords.items())
                inner = self.said(thing.func, "")
            except UnwritableError:
                return self._of_study(field)
            self._text.imports["from functools import partial"] = None
            return f"partial({inner}{inside})"
        if not callable(thing) or not hasattr(thing, "__name__"):
            return self._of_study(field)
        if not self._is_users(thing):
            return self._text.add(thing)
        return self._in_module(thing) or self._of_study(field)

    def said_in(self, module: Any, name: str) -> str:
        """How a script says an object by its name in a module of the user's. Raises
        `UnwritableError`.
        """
        found = module_text(module, self._text, self._copied)
        if found is None:
            raise UnwritableError("its module has no file")
        if found.startswith("own_module("):
            return f"{found}.{name}"
        top = name.partition(".")[0]
        if top not in names_in_script():
            self._text.imports[f"from {found} import {top}"] = None
            return name
        self._text.imports[f"from {found} import {top} as own_{top}"] = None
        return f"own_{name}"

    def _is_users(self, thing: Any) -> bool:
        if isinstance(thing, type):
            return self._owner.class_(thing)
        return isinstance(thing, FunctionType) and self._owner.function(thing)

    def _in_module(self, thing: Any) -> str | None:
        """An object by the name that it has in a module of the user's; None where it has none."""
        module = sys.modules.get(thing.__module__)
        name = thing.__qualname__
        try:
            if module is None or attrgetter(name)(module) is not thing:
                return None
        except AttributeError:
            return None
        try:
            return self.said_in(module, str(name))
        except UnwritableError:
            return None

    def _of_study(self, field: str) -> str:
        """A field of the task of the study in its file. Raises `UnwritableError`."""
        if self._ref.file is None or not field:
            raise UnwritableError("it has no name in a file of yours")
        self.needs_study = True
        return f"study.task.{field}"

    def study_lines(self) -> list[str]:
        """The lines that import the study. Raises `UnwritableError` where its file has none."""
        reference = Reference.parse(str(self._ref.file))
        place = self._copied.add(Path(reference.place).resolve())
        name = importable(place)
        names = vars(loaded_module(Path(reference.place)))
        called = reference.name or next(k for k, v in names.items() if isinstance(v, Study))
        if name is None:
            module = loaded_text(place, self._text)
            self._text.definitions["study"] = f"study = {module}.{called}"
            return []
        as_study = "" if called == "study" else f"\nstudy = {called}"
        return [f"from {name} import {called.partition('.')[0]}{as_study}"]


def loaded_module(path: Path) -> Any:
    """The module of a file of the user's that this process has run."""
    path = path.resolve()
    for module in list(sys.modules.values()):
        source = source_of(module)
        if source is not None and source.path == path:
            return module
    raise InputError(f"{path} has not been run.")


def module_text(module: Any, text: SourceText, copied: CopiedFiles) -> str | None:
    """How a script says a module of the user's: its dotted name, or a call of `own_module`.

    None where it has no file.
    """
    source = source_of(module)
    file = getattr(module, "__file__", None) if source is None else str(source.path)
    if file is None or not Path(file).is_file():
        return None
    path = Path(file).resolve()
    # A module of a package is imported by its whole name, from the folder of the package.
    depth = module.__name__.count(".") + (path.name == "__init__.py")
    place = copied.add(path, path.parents[depth])
    return importable(place) or loaded_text(place, text)


def loaded_text(place: str, text: SourceText) -> str:
    """How a script says the module in a file whose name cannot be imported."""
    text.imports["import importlib.util"] = None
    text.definitions["own_module"] = LOADER
    return f"own_module({place!r})"


def arguments_text(arguments: Mapping[str, Any], names: OwnNames, text: SourceText) -> str:
    """Keyword arguments of a model's constructor. Raises `UnwritableError`."""
    parts = []
    for key, value in arguments.items():
        try:
            parts.append(f"{key}={text.value(value)}")
        except UnwritableError:
            if not inspect.isclass(value) and not isinstance(value, FunctionType):
                raise
            parts.append(f"{key}={names.said(value, '')}")
    return ", ".join(parts)


def flags_of(ref: StudyRef) -> Mapping[str, Any]:
    """The options of the command line of which a reference was made."""
    flags: dict[str, Any] = json.loads(ref.flags) if ref.flags is not None else {}
    return flags
