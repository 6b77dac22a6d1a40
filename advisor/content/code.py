"""What the user's own code is made of: a digest for each function, method, constant and class.

From the roots it goes wherever the code goes in the user's own files, and no further: of what
installed libraries bring, the name counts.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from advisor.content import classes
from advisor.content.bytecode import content, global_chains
from advisor.content.changes import MISSING, RunningChanges, contents, follow, is_volatile, seeds
from advisor.content.objects import ObjectDigests
from advisor.content.own_files import UsersOwn, is_own_file
from advisor.content.sources import RanSource, Sources
from advisor.content.syntax import Chain, canonical, chains
from advisor.content.tokens import THIS_PYTHON, combine
from advisor.loading.own_modules import imports_noted, source_of, stable_name

# How often the code is gone through, at most, until nothing more is known of what it changes.
_ROUNDS = 6

# What code uses that finds the names of its module by texts which are not known before it runs.
_BY_TEXT = {("globals",), ("eval",), ("exec",), ("sys", "modules")}


def code_parts(
    roots: Mapping[str, object],
    is_own: Callable[[Path], bool] = is_own_file,
    sources: Sources | None = None,
) -> dict[str, str]:
    """Digests of everything of the user's own that these objects are made of.

    Comments, layout, docstrings, annotations of arguments, the places of definitions and what is
    not used change nothing. Functions, methods of classes in use, values of constants, defaults,
    closures and base classes do. A value that the code itself changes while it runs counts by how
    it is made.

    Arguments:
        roots: objects by a name: classes, functions, lambdas, partials, values.
        is_own: whether a file is the user's.
        sources: those read already, for a caller who asks for the parts of many things.

    Returns:
        Digests by a readable name, such as `Net.forward in net.py`, `WIDTH in net.py` or the name
        of a root. One that begins with `py3.11:` was made of bytecode, because there was no source;
        it means nothing to another version of Python.
    """
    changes = RunningChanges()
    sources = sources or Sources()
    for _ in range(_ROUNDS):
        known = changes.count
        parts = _Parts(is_own, changes, sources)
        digests = parts.of(roots)
        if changes.count == known:
            break
    return digests


class _Parts:
    """One walk through the code from its roots.

    Arguments:
        is_own: whether a file is the user's.
        changes: what the code changes while it runs; the walk adds to it.
        sources: the sources that are read.
    """

    def __init__(
        self,
        is_own: Callable[[Path], bool],
        changes: RunningChanges,
        sources: Sources,
    ) -> None:
        self._owner = UsersOwn(is_own)
        self._changes = changes
        self._sources = sources
        self._parts: dict[str, set[str]] = {}
        self._met: set[object] = set()
        self._waiting: deque[Callable[[], None]] = deque()
        self._objects = ObjectDigests(changes, self._of_code, self._owner.class_)

    def of(self, roots: Mapping[str, object]) -> dict[str, str]:
        """The digests of all that the roots lead to."""
        for name, root in roots.items():
            self._add(name, self._objects.of(root))
        while self._waiting:
            try:
                self._waiting.popleft()()
            except Exception:  # noqa: S112  # a class that raises when looked at has no part
                continue
        return {name: combine(*sorted(digests)) for name, digests in sorted(self._parts.items())}

    def _add(self, name: str, digest: str) -> None:
        self._parts.setdefault(name, set()).add(digest)

    def _later(self, key: object, work: Callable[[], None]) -> None:
        """Do this once, after what is under way; `key` names it."""
        if key not in self._met:
            self._met.add(key)
            self._waiting.append(work)

    # ---------------------------------------------------------------- functions

    def _of_code(self, code: Any) -> str:
        """The digest of a function, a class or a module where something holds it."""
        if isinstance(code, FunctionType):
            return self._function(code)
        if isinstance(code, type):
            return self._class(code)
        if self._owner.module(code):
            filename = str(getattr(code, "__file__", ""))
            self._later(id(code), partial(self._all_of, vars(code), filename))
        return combine("module", code.__name__)

    def _function(self, function: FunctionType) -> str:
        """A function by its name, and by its content too where several may have that name."""
        if not self._owner.function(function):
            held = [self._objects.of(contents(cell)) for cell in function.__closure__ or ()]
            return combine(
                "function",
                f"{stable_name(str(function.__module__))}.{function.__qualname__}",
                *held,
            )
        code = function.__code__
        name = _in_file(code.co_qualname, code.co_filename)
        if "<" not in code.co_qualname:
            self._later((id(function), name), partial(self._add_function, name, function))
            return combine("function", name)
        digest = self._code(function)
        self._add(name, digest)
        return combine("function", name, digest, *self._kept_by(function))

    def _has_its_name(self, value: object) -> bool:
        """Whether a value is a function that a module defines, and no decorator made."""
        if not isinstance(value, FunctionType):
            return False
        if not self._owner.function(value):
            return not value.__closure__
        return "<" not in value.__code__.co_qualname

    def _add_function(self, name: str, function: FunctionType) -> None:
        self._add(name, combine(self._code(function), *self._kept_by(function)))

    def _code(self, function: FunctionType) -> str:
        """The digest of what a function does, and of what its names mean."""
        code = function.__code__
        source = self._sources.of(code.co_filename)
        node = source.function(code) if source else None
        names = set(global_chains(code))
        text, imported = None, []
        if source is not None and node is not None:
            self._changes.note(function, node)
            text = source.canonical(node)
            imported = list(self._imported(node, function.__globals__))
        if text is None:
            text = THIS_PYTHON + content(code)
        meanings = self._meanings(function.__globals__, names, code.co_filename)
        return combine("code", text, *meanings, *imported)

    def _kept_by(self, function: FunctionType) -> Iterator[str]:
        """Digests of what a function object keeps: defaults, closure, attributes."""
        self._objects.folder = os.path.dirname(function.__code__.co_filename)
        code = function.__code__
        names = code.co_varnames[: code.co_argcount]
        defaults = function.__defaults__ or ()
        given = dict(zip(names[len(names) - len(defaults) :], defaults, strict=True))
        given.update(function.__kwdefaults__ or {})
        for name, value in sorted(given.items()):
            is_changed = (id(code), name) in self._changes.parameters
            digest = self._objects.opaque(value) if is_changed else self._objects.of(value)
            yield combine("default", name, digest)
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            value = contents(cell)
            is_changed = (id(cell), "") in self._changes.bindings
            digest = self._objects.opaque(value) if is_changed else self._objects.of(value)
            yield combine("closure", name, digest)
        public = {
            name: value
            for name, value in vars(function).items()
            if name == "__wrapped__" or not name.startswith("_")
        }
        yield from self._objects.attributes(function, public)

    # ---------------------------------------------------------------- names

    def _meanings(self, names: Mapping[str, Any], used: set[Chain], filename: str) -> Iterator[str]:
        """What dotted names mean in a module, each as a text."""
        if not _BY_TEXT.isdisjoint(chain[:2] for chain in used):
            self._later(("all", id(names)), partial(self._all_of, names, filename))
        for chain in sorted(used):
            value = names.get(chain[0], MISSING)
            if value is not MISSING and not _is_of_python(chain[0]):
                meaning = self._meaning(names, chain, filename)
                if meaning:
                    yield f"{'.'.join(chain)}={meaning}"

    def _meaning(self, names: Mapping[str, Any], chain: Chain, filename: str) -> str:
        """What a dotted name means: code or a constant; empty where it means nothing yet."""
        name, *attributes = chain
        value = names[name]
        # Of a module of the user's, what is used of it counts, and not the whole.
        while attributes and self._owner.module(value):
            names, name = vars(value), attributes.pop(0)
            filename = str(getattr(value, "__file__", None) or filename)
            value = names.get(name, MISSING)
        if value is MISSING or _is_of_python(name):
            return ""
        if (id(names), name) in self._changes.bindings:
            source = self._trusted_source(names, filename)
            if source is not None and name not in source.makers:
                return ""  # it is there only once the code has run
        if isinstance(value, (type, ModuleType)) or self._has_its_name(value):
            return self._objects.of(value)
        label = _in_file(name, filename)
        work = partial(self._add_constant, label, names, name, filename)
        self._later((id(names), name), work)
        return label

    def _add_constant(self, label: str, names: Mapping[str, Any], name: str, filename: str) -> None:
        """Add what a global name holds: its value, or how that is made where it does not stay."""
        self._objects.folder = os.path.dirname(filename)
        value = names[name]
        source = self._trusted_source(names, filename)
        makers = source.makers.get(name, []) if source else []
        is_changed = (id(names), name) in self._changes.bindings
        digest = self._objects.opaque(value) if is_changed else self._objects.of(value)
        is_changed = is_changed or id(value) in self._changes.objects
        if is_changed or self._objects.is_opaque(value) or self._is_volatile(makers, names, source):
            digest = self._made_by(self._objects.opaque(value), makers, names, filename)
        self._add(label, digest)

    def _made_by(
        self, kind: str, makers: list[ast.stmt], names: Mapping[str, Any], filename: str
    ) -> str:
        """The digest of statements that make something, and of what they name."""
        used: set[Chain] = set()
        for maker in makers:
            used.update(chains(maker))
        texts = map(canonical, makers)
        return combine("made", kind, *texts, *self._meanings(names, used, filename))

    def _trusted_source(self, names: Mapping[str, Any], filename: str) -> RanSource | None:
        """The source of a module, if it is still the one that ran."""
        source = self._sources.of(filename)
        module = sys.modules.get(str(names.get("__name__")))
        ran = source_of(module) if module is not None and vars(module) is names else None
        return None if source is None or (ran and ran.digest != source.digest) else source

    def _is_volatile(
        self, makers: list[ast.stmt], names: Mapping[str, Any], source: RanSource | None
    ) -> bool:
        """Whether a constant is another one each time the file runs."""

        def value_of(chain: Chain) -> Any:
            return follow(names.get(chain[0], MISSING), chain[1:]) if chain else MISSING

        for maker in makers:
            if is_volatile(maker, value_of, is_seeded=False):
                assert source is not None  # it is where the statement comes from
                before = [each for each in source.tree.body if each.lineno <= maker.lineno]
                if is_volatile(maker, value_of, is_seeded=any(map(seeds, before))):
                    return True
        return False

    def _all_of(self, names: Mapping[str, Any], filename: str) -> None:
        """Add all that a module of the user's defines: which of it is used is not known."""
        for name, value in list(names.items()):
            is_code = isinstance(value, (FunctionType, type))
            is_own = not is_code or getattr(value, "__module__", "") == names.get("__name__")
            if is_own and not isinstance(value, ModuleType) and not _is_of_python(name):
                self._meaning(names, (name,), filename)

    def _imported(self, node: ast.AST, names: Mapping[str, Any]) -> Iterator[str]:
        """What a function imports of the user's own modules when it runs, each as a text."""
        for child in ast.walk(node):
            if isinstance(child, ast.ImportFrom):
                module = self._own_module("." * child.level + (child.module or ""), names)
                for alias in child.names:
                    yield from self._of_module(module, (alias.name,))
            elif isinstance(child, ast.Import):
                for alias in child.names:
                    self._own_module(alias.name, names)
                    bound = alias.name if alias.asname else alias.name.partition(".")[0]
                    module = self._own_module(bound, names)
                    for chain in sorted(set(chains(node))):
                        if chain[0] == (alias.asname or bound) and len(chain) > 1:
                            yield from self._of_module(module, chain[1:])

    def _of_module(self, module: ModuleType | None, chain: Chain) -> Iterator[str]:
        if module is not None:
            yield from self._meanings(vars(module), {chain}, str(module.__file__))

    def _own_module(self, name: str, names: Mapping[str, Any]) -> ModuleType | None:
        """A module of the user's that is imported by a function; it is imported now."""
        try:
            name = importlib.util.resolve_name(name, str(names.get("__package__") or ""))
            if name not in sys.modules:
                spec = importlib.util.find_spec(name)
                if spec is None or spec.origin is None or not self._owner.path(spec.origin):
                    return None
                with imports_noted([Path(spec.origin).resolve().parent]):
                    importlib.import_module(name)
        except (Exception, SystemExit):  # the function that imports it will meet the same
            return None
        module = sys.modules[name]
        return module if self._owner.module(module) else None

    # ---------------------------------------------------------------- classes

    def _class(self, cls: type) -> str:
        if not self._owner.class_(cls):
            return combine("class", f"{cls.__module__}.{cls.__qualname__}")
        self._later(id(cls), partial(self._add_class, cls))
        return combine("class", _in_file(cls.__qualname__, self._file_of(cls)))

    def _file_of(self, cls: type) -> str:
        """The file of a class: that of a method which is written in its body, or of its module."""
        for item in vars(cls).values():
            code = getattr(getattr(item, "__func__", item), "__code__", None)
            if code is not None and code.co_qualname.startswith(f"{cls.__qualname__}."):
                return str(code.co_filename)
        if cls.__module__ == "__main__":
            return ""
        return str(getattr(sys.modules.get(cls.__module__), "__file__", None) or "")

    def _add_class(self, cls: type) -> None:
        """Add a class: itself, its methods and its attributes."""
        file, qualname = self._file_of(cls), cls.__qualname__
        self._objects.folder = os.path.dirname(file)
        whole = [self._objects.of(type(cls)), *map(self._objects.of, cls.__bases__)]
        whole += classes.shape(cls)
        for name, value in classes.members(cls):
            label = _in_file(f"{qualname}.{name}", file)
            digest = self._member(cls, name, value, file)
            if not digest:
                continue
            if not isinstance(value, FunctionType):
                self._add(label, combine("attribute", digest))
            elif digest != combine("function", label):
                whole.append(combine(name, digest))  # a method that was written elsewhere
        for name, field in classes.fields(cls):
            label = _in_file(f"{qualname}.{name}", file)
            self._add(label, combine("field", self._objects.of(field)))
        self._add(_in_file(qualname, file), combine("class", *whole))

    def _member(self, cls: type, name: str, value: Any, file: str) -> str:
        """The digest of what stands in the body of a class; empty for what code puts there."""
        changes = self._changes
        is_changed = name in changes.shared or (id(cls), name) in changes.bindings
        digest = self._objects.opaque(value) if is_changed else self._objects.of(value)
        if not is_changed and not self._objects.is_opaque(value):
            return digest
        module = sys.modules.get(cls.__module__)
        names = vars(module) if module is not None else {}
        source = self._trusted_source(names, file)
        makers = source.attribute_makers(cls.__qualname__, name) if source else []
        if is_changed and source and not makers:
            return ""
        return self._made_by(digest, makers, names, file)


def _in_file(name: str, filename: str) -> str:
    """`Net.forward in net.py`; the name alone where it is in no file, or in a notebook's cell."""
    path = Path(filename)
    if not filename or filename.startswith("<") or path.parent.name.startswith("ipykernel_"):
        return name
    file = f"{path.parent.name}/{path.name}" if path.name == "__init__.py" else path.name
    return f"{name} in {file}"


def _is_of_python(name: str) -> bool:
    """Whether a name is one that Python gives to every module."""
    return name.startswith("__") and name.endswith("__")
