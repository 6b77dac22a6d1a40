"""How a file says what runs at a site: `torch.asinh`, `nn.ELU(alpha=0.5)` or a class of its own."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from advisor.model.tracing import torch_activations
from advisor.model.writing.constructors import OriginError
from advisor.model.writing.describe import Description
from advisor.model.writing.source_file import SourceFile


@dataclass
class Wording:
    """How a file says things at one place; `hidden` are names that mean something else there."""

    file: SourceFile
    hidden: Collection[str] = ()

    def name(self, dotted: str) -> str:
        """An importable name, as it is written there."""
        return self.file.spelled(dotted, self.hidden)

    def constructor(self, description: Description) -> str:
        """`nn.ELU(alpha=0.5)`, without arguments that are the default."""
        name = self.name(description.name)
        parameters = inspect.signature(type(description.build())).parameters
        arguments = {}
        for key, value in description.arguments.items():
            if parameters[key].default != value:
                arguments[key] = value
        written = keywords(arguments)
        if description.dtype:
            if "dtype" not in parameters:
                raise OriginError(
                    f"{name} takes no dtype, and would not be {description.dtype} there"
                )
            written.append(f"dtype={self.name(description.dtype)}")
        return f"{name}({', '.join(written)})"

    def module(self, description: Description) -> str:
        """A module that does what a description says: its class, torch's class of that function, or
        a small class of its own.
        """
        if description.is_class:
            return self.constructor(description)
        function = replace(description, arguments={}).build()
        cls = torch_activations.class_of(function)
        if cls is not None:
            parameters = inspect.signature(cls).parameters
            if description.arguments.keys() <= parameters.keys():
                as_class = replace(description, name=f"torch.nn.{cls.__name__}", is_class=True)
                return self.constructor(as_class)
        return f"{self._own_class(description)}()"

    def _own_class(self, description: Description) -> str:
        """The name of a class that calls a function, which is added to the file."""
        words = description.name.rpartition(".")[2].split("_")
        name = "".join(word.capitalize() for word in words)
        for argument in description.arguments.values():
            name += str(argument).replace(".", "_").replace("-", "m")
        if name in self.file.names or not name.isidentifier():
            raise OriginError(f"the file has another {name}")
        arguments = ", ".join(["x", *keywords(description.arguments)])
        call = f"{self.file.spelled(description.name)}({arguments})"
        base = self.file.spelled("torch.nn.Module")
        self.file.add_class(
            f"class {name}({base}):\n    def forward(self, x):\n        return {call}\n"
        )
        return name


def keywords(arguments: dict[str, Any]) -> list[str]:
    """Keyword arguments as they are written: `alpha=0.5`."""
    written = []
    for name, value in arguments.items():
        text = repr(value).replace("'", '"')
        if text in ("inf", "-inf", "nan"):
            text = f'float("{text}")'
        written.append(f"{name}={text}")
    return written


def local_names(scope: ast.AST) -> set[str]:
    """Names that a function binds itself, and its arguments."""
    names = set()
    for node in ast.walk(scope):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names.add(node.id)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
    return names
