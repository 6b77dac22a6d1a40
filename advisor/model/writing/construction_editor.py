"""Edits the constructor calls that made swapped modules: `nn.ReLU()` becomes `nn.ELU()`, and a
transformer layer of torch gets another argument `activation`.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from types import BuiltinFunctionType
from typing import Any

from torch import nn

from advisor.errors import InputError
from advisor.model.anatomy import AttributeTarget, ModuleTarget, Site
from advisor.model.swapping.replace import ACTIVATION, TRANSFORMER_LAYERS
from advisor.model.swapping.report import ModelBefore
from advisor.model.writing.constructors import (
    Build,
    Construction,
    ConstructorCall,
    OriginError,
    RebuiltModel,
)
from advisor.model.writing.describe import Description
from advisor.model.writing.source_change import Note, SourceChange
from advisor.model.writing.source_file import SourceFile
from advisor.model.writing.user_files import UserFiles
from advisor.model.writing.wording import Wording, local_names

# The syntax nodes whose names mean nothing outside them.
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


class ConstructionEditor:
    """Edits each constructor call once, if all modules that it made are swapped alike."""

    def __init__(
        self, change: SourceChange, files: UserFiles, build: Build | None, before: ModelBefore
    ) -> None:
        self._change = change
        self._files = files
        self._build = build
        self._before = before
        # Where a module is held twice, the place that was found first names it.
        self._modules = {holding.path: holding.module for holding in reversed(before.holdings)}
        self._paths = {id(module): path for path, module in self._modules.items()}
        self._sites: dict[int, Site] = {}  # by the id of the module whose constructor says it
        for site in change.sites:
            module = self._module_that_says(site)
            if module is not None:
                self._sites[id(module)] = site

    def edit(self) -> Iterator[Note]:
        """Note the edits; yields the swapped sites that no edit can reach."""
        is_swapped = self._change.is_swapped
        swapped = {ident: site for ident, site in self._sites.items() if is_swapped(site)}
        if not swapped:
            return
        try:
            rebuilt = self._rebuild()
        except OriginError as why:
            for site in swapped.values():
                yield site.id, str(why)
            return

        edited: set[object] = set()
        for ident, site in swapped.items():
            try:
                path = self._paths.get(ident, "")
                construction = rebuilt.construction(path)
                self._refuse_unlike(site, path, rebuilt)
                if _key(construction) not in edited:
                    self._edit_construction(site, construction)
                    edited.add(_key(construction))
            except InputError as why:
                yield site.id, str(why)

    def _module_that_says(self, site: Site) -> nn.Module | None:
        """The module whose constructor call says what runs at a site: the activation, or the layer
        of torch that holds it.
        """
        if isinstance(site.target, AttributeTarget):
            return site.target.owner
        if not isinstance(site.target, ModuleTarget):
            return None
        module = site.target.module
        for holding in self._before.holdings:
            if holding.module is module:
                is_argument = holding.path.endswith(ACTIVATION)
                is_of_torch = isinstance(holding.holder, TRANSFORMER_LAYERS)
                return holding.holder if is_argument and is_of_torch else module
        return module

    def _rebuild(self) -> RebuiltModel:
        """The model made once more. Raises OriginError where it has another module in a place."""
        if self._build is None:
            raise OriginError(
                "give build=…, a function that makes the model, to see where this module is made"
            )
        rebuilt = RebuiltModel(self._build)
        for ident in self._sites:
            path = self._paths.get(ident)
            if path is None:
                continue
            if type(rebuilt.modules.get(path)).__name__ != type(self._modules[path]).__name__:
                raise OriginError(
                    f"the model, made once more, has another {path}; "
                    "give build=…, a function that makes this one"
                )
        return rebuilt

    # ---------------------------------------------------------------- what keeps a call as it is

    def _refuse_unlike(self, site: Site, path: str, rebuilt: RebuiltModel) -> None:
        """Raise OriginError unless all modules that one call makes shall run the same."""
        for other in rebuilt.made_alike(path, _key):
            self._refuse_other(site, other)
            construction = rebuilt.construction(other)
            is_copy = rebuilt.modules[other] is not construction.module
            is_decoder = isinstance(rebuilt.modules[other], nn.TransformerDecoderLayer)
            if is_copy and is_decoder and not _is_bare_function(self._change.description(site)):
                raise OriginError(
                    "torch copies this layer, and a copied decoder layer forgets an activation "
                    "that is a module"
                )

    def _refuse_other(self, site: Site, path: str) -> None:
        """Raise OriginError where the module at a path shall not run what a site runs."""
        module = self._modules.get(path)
        other = self._sites.get(id(module))
        makes = "the same constructor call makes"
        if other is None:
            if isinstance(module, TRANSFORMER_LAYERS):
                return  # the layer that torch copies is not run itself
            raise OriginError(f"{makes} {path}, which the swap did not reach")
        if not self._change.is_swapped(other):
            raise OriginError(f"{makes} {other.id}, which keeps its activation")
        if self._change.descriptions[other.id] != self._change.description(site):
            raise OriginError(f"{makes} {other.id}, which gets another activation")

    # ---------------------------------------------------------------- edits

    def _edit_construction(self, site: Site, construction: Construction) -> None:
        """Write another constructor call, or another argument of a layer of torch."""
        ran = _edited_call(construction)
        line = ran.span[0] if ran.span else ran.code.co_firstlineno
        where = f"{os.path.basename(ran.code.co_filename)}:{line}"
        try:
            file = self._files.open(ran.code.co_filename, ran.names)
            call = file.call(ran)
        except OriginError as why:
            raise OriginError(f"it is made in {where}, and {why}") from why

        hidden: set[str] = set()
        for outer in file.around(call):
            if isinstance(outer, _SCOPES):
                hidden |= local_names(outer)
        wording = Wording(file, hidden)
        description = self._change.description(site)
        if _is_layer_of_torch(construction):
            _set_activation(wording, call, construction, description)
        elif _makes_one(file.meaning(call.func), type(construction.module)):
            file.replace_node(call, wording.module(description))
        else:
            called = ast.unparse(call.func)
            raise OriginError(f"it is made in {where} by {called}, which may make others as well")


def _is_layer_of_torch(construction: Construction) -> bool:
    return isinstance(construction.module, TRANSFORMER_LAYERS)


def _edited_call(construction: Construction) -> ConstructorCall:
    """The call that is edited to have another activation."""
    return construction.entry if _is_layer_of_torch(construction) else construction.call


def _key(construction: Construction) -> object:
    """A key that is equal for all modules that one edit changes."""
    return _edited_call(construction).key, _is_layer_of_torch(construction)


def _is_bare_function(description: Description) -> bool:
    """Whether it is a function as it stands, which a layer of torch takes as an argument."""
    return not description.is_class and not description.arguments


def _makes_one(called: Any, cls: type) -> bool:
    """Whether what is called makes one module of a class, as far as the source says:
    `list(map(nn.ReLU, …))` makes many.
    """
    if isinstance(called, type):
        return issubclass(cls, called)
    return not isinstance(called, BuiltinFunctionType)


def _set_activation(
    wording: Wording, call: ast.Call, construction: Construction, description: Description
) -> None:
    """Write the argument `activation` of a layer of torch, or of what made the layer."""
    code = construction.entered
    parameters = code.co_varnames[1 : code.co_argcount] if code else ()
    if ACTIVATION not in parameters:
        raise OriginError(f"{ast.unparse(call.func)} takes no {ACTIVATION} (line {call.lineno})")
    if _is_bare_function(description):
        text = wording.name(description.name)
    else:
        text = wording.module(description)
    _set_argument(wording.file, call, parameters.index(ACTIVATION), text)


def _set_argument(file: SourceFile, call: ast.Call, position: int, text: str) -> None:
    """Replace the argument `activation`, or add it behind the last."""
    unpacks = any(isinstance(argument, ast.Starred) for argument in call.args)
    old = call.args[position] if len(call.args) > position else None
    for keyword in call.keywords:
        unpacks = unpacks or keyword.arg is None
        if keyword.arg == ACTIVATION:
            old = keyword.value
    if unpacks:
        raise OriginError(f"its constructor call unpacks arguments (line {call.lineno})")
    if old is not None:
        file.replace_node(old, text)
        return
    last = max(file.end(argument) for argument in (*call.args, *call.keywords))
    file.replace(last, last, f", {ACTIVATION}={text}")
