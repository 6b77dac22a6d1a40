"""Initial weights as lines of plain PyTorch at the end of a model's constructor."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import nn

from advisor.errors import InputError
from advisor.model.swapping.subclass import original_class
from advisor.model.writing.constructors import OriginError
from advisor.model.writing.source_change import Note
from advisor.model.writing.user_files import UserFiles
from advisor.model.writing.wording import local_names

INIT = "torch.nn.init."
"""What the functions of torch that fill weights are found in."""


@dataclass(frozen=True)
class PlainStart:
    """What an initializer does to a model, in the functions of `torch.nn.init`.

    Attributes:
        who: the initializer.
        model: whose weights are filled.
        fills: the full name of a parameter, and the call that fills it, `zeros_({weight})`.
        left: names of layers that no such call fills, each with why.
    """

    who: str
    model: nn.Module
    fills: Sequence[tuple[str, str]]
    left: Sequence[Note]

    def edit(self, files: UserFiles) -> Iterator[Note]:
        """Note the lines in the file of the model's class; yields what cannot be written there."""
        yield from self.left
        if not self.fills:
            return
        try:
            self._add(files)
        except InputError as why:
            yield self.who, f"{why}; when the model is built: {'; '.join(self._lines('model'))}"

    def _add(self, files: UserFiles) -> None:
        """Add the lines. Raises `InputError` where the class has no constructor to add them to."""
        file, definition = files.class_of(original_class(type(self.model)))
        constructor = constructor_in(definition)
        name = constructor.args.args[0].arg if constructor.args.args else "self"
        init = file.spelled(f"{INIT}zeros_", local_names(constructor)).removesuffix("zeros_")
        lines = [f"# {self.who}, with the gains of the activations that follow"]
        file.add_lines(constructor.body, [*lines, *self._lines(name, init)])

    def _lines(self, model: str, init: str = INIT) -> list[str]:
        """A line for each parameter, where the model is called so."""
        lines = []
        for name, call in self.fills:
            lines.append(init + call.format(weight=expression(self.model, model, name)))
        return lines


def constructor_in(definition: ast.ClassDef) -> ast.FunctionDef:
    """The constructor of a class. Raises `OriginError` where it has none, or one that returns."""
    for node in definition.body:
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            if any(isinstance(inner, ast.Return) for inner in ast.walk(node)):
                raise OriginError(f"the constructor of {definition.name} returns on its way")
            return node
    raise OriginError(f"{definition.name} has no constructor")


def expression(model: nn.Module, text: str, name: str) -> str:
    """A parameter of a model by its full name, as Python says it of a variable."""
    module: object = model
    for word in name.split("."):
        if isinstance(module, nn.ModuleDict):
            text += f"[{word!r}]"
        elif isinstance(module, nn.Sequential | nn.ModuleList | nn.ParameterList):
            text += f"[{word}]"
        else:
            text += f".{word}"
        module = getattr(module, word, None)
    return text
