"""A swap as a unified diff of the user's files: calls, constructor calls and arguments are
replaced, and nothing is guessed.
"""

from __future__ import annotations

import ast
import inspect
import os
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from advisor.errors import InputError
from advisor.model.anatomy import AttributeTarget, CallTarget, ModuleTarget, Site
from advisor.model.swapping.replace import ACTIVATION, TRANSFORMER_LAYERS
from advisor.model.swapping.rewrite import argument_of, first_line
from advisor.model.swapping.subclass import base_of, find_method, method_of
from advisor.model.swapping.swap import SwapReport
from advisor.model.tracing import torch_activations
from advisor.model.writing.constructors import Build, Call, Fresh, Made, OriginError, default_build
from advisor.model.writing.describe import Value, described, made
from advisor.model.writing.source_file import CHANGED, Files, SourceFile

Note = tuple[str, str]  # a site's id, and why it is not in the diff


def diff_of(
    report: SwapReport, root: str | os.PathLike[str] = ".", build: Build | None = None
) -> str:
    """What `SwapReport.diff` returns."""
    patch = _Patch(report, os.fspath(root), build)
    notes = [*patch.calls(), *patch.modules()]
    names = _names([file.path for file in patch.files.opened.values()], os.fspath(root))
    diffs = [
        file.diff(names[file.path])
        for file in patch.files.opened.values()
        if file.edits or file.head
    ]
    return "".join([*diffs, *(f"# not in this diff: {ident}: {why}\n" for ident, why in notes)])


def _names(paths: list[str], root: str) -> dict[str, str]:
    """Paths below `root` as `patch -p0` takes them; a file elsewhere keeps its whole path."""
    below = {
        path: os.path.relpath(os.path.realpath(path), os.path.realpath(root)) for path in paths
    }
    return {path: path if name.startswith("..") else name for path, name in below.items()}


class _Patch:
    """One report on its way to a diff: each way of editing returns the sites that it cannot reach."""

    def __init__(self, report: SwapReport, root: str, build: Build | None) -> None:
        was = report.was
        self.report, self.files = report, Files(root)
        self.build = build or default_build(base_of(type(was.model)))
        self.inits: dict[type, _Init] = {}
        self.values = {site.id: _said(*was.made[site.id]) for site in report.swapped}
        self.sites = [*report.swapped, *(site for site, _ in report.refused), *report.left]
        self.parts = {holding.path: holding.module for holding in reversed(was.holdings)}
        self.paths = {id(module): path for path, module in self.parts.items()}

    def value(self, site: Site) -> Value:
        """What runs at a site. Raises OriginError where it has no name."""
        value = self.values[site.id]
        if value is None:
            raise OriginError("what runs there has no importable name")
        return value

    # ---------------------------------------------------------------- calls

    def calls(self) -> Iterator[Note]:
        """Edit the calls of methods, each place in the source once."""
        for sites in _groups(self.sites, _call_place).values():
            try:
                self._call(sites)
            except InputError as why:
                yield from ((site.id, str(why)) for site in sites if site.id in self.values)
        for init in self.inits.values():
            init.write()

    def _call(self, sites: list[Site]) -> None:
        if not any(site.id in self.values for site in sites):
            return
        self._refuse_unlike(sites)
        target: Any = sites[0].target
        klass, function = _method(target)
        file, method = self.files.definition(function)
        call = _call_at(method, (target.span[1], target.span[3]))
        argument = argument_of(call, target.receiver)
        opening, closing = self._expression(sites[0], _Words(file, _locals(method)), klass, method)
        opening = _dropped(file, method, call, argument) + opening
        file.replace(
            file.start(call), file.start(argument), opening, rank=-file.end(call)
        )  # the outer of two calls first
        file.replace(file.end(argument), file.end(call), closing)

    def _refuse_unlike(self, sites: list[Site]) -> None:
        if any(site.id not in self.values for site in sites):
            others = next(site.id for site in sites if site.id not in self.values)
            raise OriginError(f"the same source runs at {others}, which keeps its activation")
        if any(self.value(site) != self.value(sites[0]) for site in sites):
            raise OriginError("the same source runs at other sites, with other activations")

    def _expression(
        self, site: Site, words: _Words, klass: type, method: ast.FunctionDef
    ) -> tuple[str, str]:
        """What stands before and after the argument of a call."""
        value = self.value(site)
        if "function" in value:
            return f"{words.file.spelled(value['function'], words.hidden)}(", "".join(
                f", {each}" for each in _pairs(value)
            ) + ")"
        if not value["state"] and not _knows_training(made(value)):
            return f"{words.constructor(value)}(", ")"
        me, name = method.args.args[0].arg, self._attribute(site)
        init = self.inits.setdefault(klass, _Init(self.files, klass))
        init.lines.append(f"{init.me}.{name} = {_Words(init.file, set()).constructor(value)}\n")
        return f"{me}.{name}(", ")"

    def _attribute(self, site: Site) -> str:
        owner, (line, _, column, _) = site.target.owner, site.target.span  # type: ignore[union-attr]  # a call's
        taken = {
            other.target.span
            for other in self.sites
            if isinstance(other.target, CallTarget) and other.target.owner is owner
        }
        alone = sum(span[0] == line for span in taken) == 1 and not hasattr(owner, f"act_{line}")
        return f"act_{line}" if alone else f"act_{line}_{column}"

    # ---------------------------------------------------------------- modules

    def modules(self) -> Iterator[Note]:
        """Edit the constructor calls that made swapped modules, if all modules that a call made are
        swapped alike.
        """
        subjects = {
            id(subject): site for site in self.sites if (subject := self._subject(site)) is not None
        }
        wanted = [
            (self.paths.get(ident, ""), site)
            for ident, site in subjects.items()
            if site.id in self.values
        ]
        try:
            fresh = self._fresh(subjects) if wanted else None
        except OriginError as why:
            yield from ((site.id, str(why)) for _, site in wanted)
        else:
            yield from self._modules(wanted, fresh, subjects) if fresh else ()

    def _modules(
        self, wanted: list[tuple[str, Site]], fresh: Fresh, subjects: dict[int, Site]
    ) -> Iterator[Note]:
        edited: set[object] = set()
        for path, site in wanted:
            try:
                made = fresh.made(path)
                for other in fresh.alike(path, _key):
                    self._refuse_rival(site, other, subjects.get(id(self.parts.get(other))))
                    _refuse_forgetful(self.value(site), fresh.modules[other], fresh.made(other))
                if _key(made) not in edited:
                    self._construct(site, made)
                    edited.add(_key(made))
            except InputError as why:
                yield site.id, str(why)

    def _fresh(self, subjects: dict[int, Site]) -> Fresh:
        """The model made once more, with activations in the same places."""
        if self.build is None:
            raise OriginError(
                "give build=…, a function that makes the model, to see where this module is made"
            )
        fresh = Fresh(self.build)
        for path in (self.paths[ident] for ident in subjects if ident in self.paths):
            if type(fresh.modules.get(path)).__name__ != type(self.parts[path]).__name__:
                raise OriginError(
                    f"the model, made once more, has another {path}; give build=…, a function that makes this one"
                )
        return fresh

    def _subject(self, site: Site) -> nn.Module | None:
        """The module whose constructor call says what runs at a site: the activation, or the layer
        of torch that holds it.
        """
        if isinstance(site.target, AttributeTarget):
            return site.target.owner
        if not isinstance(site.target, ModuleTarget):
            return None
        module = site.target.module
        holding = next(
            (holding for holding in self.report.was.holdings if holding.module is module), None
        )
        held = (
            holding is not None
            and isinstance(holding.holder, TRANSFORMER_LAYERS)
            and holding.path.endswith(ACTIVATION)
        )
        return holding.holder if holding is not None and held else module

    def _refuse_rival(self, site: Site, path: str, rival: Site | None) -> None:
        """Another module that the same call made, where it is not swapped alike."""
        if rival is None and not isinstance(
            self.parts.get(path), TRANSFORMER_LAYERS
        ):  # a layer that torch copies need not run
            raise OriginError(
                f"the same constructor call makes {path}, which the swap did not reach"
            )
        if rival is None:
            return
        if rival.id not in self.values:
            raise OriginError(
                f"the same constructor call makes {rival.id}, which keeps its activation"
            )
        if self.values[rival.id] != self.value(site):
            raise OriginError(
                f"the same constructor call makes {rival.id}, which gets another activation"
            )

    def _construct(self, site: Site, made: Made) -> None:
        """Write another constructor call, or another argument of a layer of torch."""
        ran = _ran(made)
        where = f"{os.path.basename(ran.code.co_filename)}:{ran.span[0] if ran.span else ran.code.co_firstlineno}"
        try:
            file = self.files.at(ran.code.co_filename, ran.names)
            call = file.call(ran)
        except OriginError as why:
            raise OriginError(f"it is made in {where}, and {why}") from why
        words = _Words(
            file,
            {
                name
                for outer in file.above(call)
                if isinstance(outer, _SCOPES)
                for name in _locals(outer)
            },
        )
        value = self.value(site)
        if isinstance(made.module, TRANSFORMER_LAYERS):
            _set_activation(words, call, made, value)
            return
        if not _makes(file.meaning(call.func), type(made.module)):
            raise OriginError(
                f"it is made in {where} by {ast.unparse(call.func)}, which may make others as well"
            )
        file.replace(file.start(call), file.end(call), words.module(value))


_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def _ran(made: Made) -> Call:
    """The call that is edited to have another activation."""
    return made.entry if isinstance(made.module, TRANSFORMER_LAYERS) else made.call


def _key(made: Made) -> object:
    return _ran(made).key, isinstance(made.module, TRANSFORMER_LAYERS)


def _is_plain(value: Value) -> bool:
    """Whether it is a function as it stands, which a layer of torch takes as an argument."""
    return "function" in value and not value["arguments"]


def _refuse_forgetful(value: Value, module: nn.Module, made: Made) -> None:
    if (
        isinstance(module, nn.TransformerDecoderLayer)
        and module is not made.module
        and not _is_plain(value)
    ):
        raise OriginError(
            "torch copies this layer, and a copied decoder layer forgets an activation that is a module"
        )


def _makes(called: Any, cls: type) -> bool:
    """Whether what is called makes one module of a class, as far as it is known: `list(map(nn.ReLU,
    …))` makes many.
    """
    if isinstance(called, type):
        return issubclass(cls, called)
    return not isinstance(called, types.BuiltinFunctionType)


def _groups(sites: Iterable[Site], place: Callable[[Site], Any]) -> dict[Any, list[Site]]:
    groups: dict[Any, list[Site]] = {}
    for site in sites:
        if (key := place(site)) is not None:
            groups.setdefault(key, []).append(site)
    return groups


def _call_place(site: Site) -> tuple[str, int, int] | None:
    target = site.target
    return (
        (target.code.co_filename, target.span[1], target.span[3])
        if isinstance(target, CallTarget)
        else None
    )


def _method(target: CallTarget) -> tuple[type, Any]:
    depth, name = find_method(type(target.owner), target.code)
    klass = base_of(type(target.owner)).__mro__[depth]
    return klass, method_of(klass, name)


# ---------------------------------------------------------------- words


def _said(activation: Any, state: Mapping[str, Tensor]) -> Value | None:
    """What `described` says, and the type of its numbers where that is not torch's default."""
    value = described(activation, state)
    types = {tensor.dtype for tensor in state.values() if tensor.is_floating_point()} - {
        torch.get_default_dtype()
    }
    return {**value, "dtype": str(types.pop())} if value is not None and types else value


def _pairs(value: Value) -> list[str]:
    return [f"{name}={_literal(argument)}" for name, argument in value["arguments"].items()]


def _literal(argument: Any) -> str:
    text = repr(argument)
    return f'float("{text}")' if text in ("inf", "-inf", "nan") else text.replace("'", '"')


@dataclass
class _Words:
    """How a file says what a recipe says; `hidden` are names that mean something else where it is
    said.
    """

    file: SourceFile
    hidden: set[str]

    def constructor(self, value: Value) -> str:
        """`nn.ELU(alpha=0.5)`, without what is the default."""
        name = self.file.spelled(value["class"], self.hidden)
        plain = {
            parameter.name: parameter.default
            for parameter in inspect.signature(_class(value)).parameters.values()
        }
        told = {
            name: argument
            for name, argument in value["arguments"].items()
            if plain[name] != argument
        }
        pairs = _pairs({**value, "arguments": told})
        if "dtype" in value:
            if "dtype" not in plain:
                raise OriginError(f"{name} takes no dtype, and would not be {value['dtype']} there")
            pairs.append(f"dtype={self.file.spelled(value['dtype'], self.hidden)}")
        return f"{name}({', '.join(pairs)})"

    def module(self, value: Value) -> str:
        """A module that does what a value says: its class, torch's class of that function, or a
        small class of its own.
        """
        if "class" in value:
            return self.constructor(value)
        twin = torch_activations.class_of(made({**value, "arguments": {}}))
        if (
            twin is not None
            and value["arguments"].keys() <= inspect.signature(twin).parameters.keys()
        ):
            return self.constructor({**value, "class": f"torch.nn.{twin.__name__}"})
        return f"{self._own_class(value)}()"

    def _own_class(self, value: Value) -> str:
        name = "".join(
            part.capitalize() for part in value["function"].rpartition(".")[2].split("_")
        )
        name += "".join(
            str(argument).replace(".", "_").replace("-", "m")
            for argument in value["arguments"].values()
        )
        if name in self.file.names or not name.isidentifier():
            raise OriginError(f"the file has another {name}")
        call = f"{self.file.spelled(value['function'])}({', '.join(['x', *_pairs(value)])})"
        base = self.file.spelled("torch.nn.Module")
        self.file.head[
            f"class {name}({base}):\n    def forward(self, x):\n        return {call}\n"
        ] = None
        return name


def _class(value: Value) -> Any:
    return type(made(value))


def _knows_training(module: nn.Module) -> bool:
    return any(
        "training" in type(part).forward.__code__.co_names
        for part in module.modules()
        if hasattr(type(part), "forward")
    )


def _locals(method: ast.AST) -> set[str]:
    """Names that a method binds itself."""
    bound = {
        node.id
        for node in ast.walk(method)
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
    }
    return bound | {node.arg for node in ast.walk(method) if isinstance(node, ast.arg)}


# ---------------------------------------------------------------- edits


def _call_at(method: ast.AST, end: tuple[int, int]) -> ast.Call:
    for node in ast.walk(method):
        if isinstance(node, ast.Call) and (node.end_lineno, node.end_col_offset) == end:
            return node
    raise OriginError(CHANGED)


def _dropped(file: SourceFile, method: ast.AST, call: ast.Call, argument: ast.expr) -> str:
    """An in-place activation whose result is dropped writes to its argument."""
    statement = any(isinstance(node, ast.Expr) and node.value is call for node in ast.walk(method))
    if not statement or not isinstance(argument, (ast.Name, ast.Attribute, ast.Subscript)):
        return ""
    return f"{file.text(file.start(argument), file.end(argument))} = "


def _set_activation(words: _Words, call: ast.Call, made: Made, value: Value) -> None:
    """The argument `activation` of a layer of torch, or of what made the layer."""
    names = made.entered.co_varnames[1 : made.entered.co_argcount] if made.entered else ()
    if ACTIVATION not in names:
        raise OriginError(f"{ast.unparse(call.func)} takes no {ACTIVATION} (line {call.lineno})")
    text = (
        words.file.spelled(value["function"], words.hidden)
        if _is_plain(value)
        else words.module(value)
    )
    _set_argument(words.file, call, names.index(ACTIVATION), text)


def _set_argument(file: SourceFile, call: ast.Call, position: int, text: str) -> None:
    old = next((keyword.value for keyword in call.keywords if keyword.arg == ACTIVATION), None)
    old = call.args[position] if old is None and len(call.args) > position else old
    unpacked = [
        *(arg for arg in call.args if isinstance(arg, ast.Starred)),
        *(word for word in call.keywords if word.arg is None),
    ]
    if unpacked:
        raise OriginError(f"its constructor call unpacks arguments (line {call.lineno})")
    if old is not None:
        file.replace(file.start(old), file.end(old), text)
        return
    last = max(file.end(argument) for argument in (*call.args, *call.keywords))
    file.replace(last, last, f", {ACTIVATION}={text}")


class _Init:
    """Lines to add at the end of a class's constructor, or in a new one."""

    def __init__(self, files: Files, klass: type) -> None:
        self.file, definition = files.class_of(klass)
        self.lines: list[str] = []
        init = next(
            (
                node
                for node in definition.body
                if isinstance(node, ast.FunctionDef) and node.name == "__init__"
            ),
            None,
        )
        self.me = "self" if init is None else init.args.args[0].arg
        self._is_new = init is None
        if init is None:
            method = next(
                node
                for node in definition.body
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            )
            self._indent = " " * method.col_offset
            self._line = first_line(method)
            return
        last = init.body[-1]
        if init.body[0].lineno == init.lineno or any(
            isinstance(node, ast.Return) for node in ast.walk(init)
        ):
            raise OriginError(
                f"the constructor of {klass.__name__} has no end at which a line could be added"
            )
        self._indent, self._line = " " * init.body[0].col_offset, (last.end_lineno or 0) + 1

    def write(self) -> None:
        """Note the edit."""
        indent = self._indent
        if self._is_new:
            head = f"{indent}def __init__(self, *args, **kwargs):\n{indent}    super().__init__(*args, **kwargs)\n"
            text = head + "".join(f"{indent}    {line}" for line in self.lines) + "\n"
        else:
            text = "".join(indent + line for line in self.lines)
        place = self.file.line_start(self._line)
        self.file.replace(place, place, text)
