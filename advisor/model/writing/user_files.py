"""The source files that a diff may edit: the user's own, and not those of installed libraries."""

from __future__ import annotations

import ast
import os
import sysconfig
from collections.abc import Mapping
from types import FunctionType
from typing import Any

import torch

from advisor.errors import InputError
from advisor.model.swapping.rewrite import Definition, find_definition, functions_in
from advisor.model.writing.constructors import OriginError
from advisor.model.writing.source_file import CHANGED, SourceFile

_PYTHON_FOLDERS = ("purelib", "platlib", "stdlib", "platstdlib")

# Where Python and installed libraries are.
_INSTALLED = tuple(
    {os.path.realpath(sysconfig.get_paths()[key]) + os.sep for key in _PYTHON_FOLDERS}
)

# Where torch is, which may be none of these.
_TORCH = os.path.dirname(os.path.realpath(torch.__file__)) + os.sep


def is_installed(path: str, root: str = "") -> bool:
    """Whether a file belongs to Python or to an installed library, and not to the one in which the
    user works (`root`).
    """
    path = os.path.realpath(path)
    root = os.path.realpath(root) + os.sep
    works_there = root.startswith(_INSTALLED) and path.startswith(root)
    return path.startswith((*_INSTALLED, _TORCH)) and not works_there


class UserFiles:
    """The user's source files below `root`, or anywhere outside installed libraries, each read
    once.
    """

    def __init__(self, root: str = "") -> None:
        self._root = root
        self.opened: dict[str, SourceFile] = {}

    def open(self, path: str, names: Mapping[str, Any]) -> SourceFile:
        """The file at a path, whose functions know these globals. Raises OriginError where it is
        not the user's.
        """
        if is_installed(path, self._root):
            raise OriginError(
                f"its source, {os.path.basename(path)}, belongs to an installed library"
            )
        if path not in self.opened:
            try:
                self.opened[path] = SourceFile(path, names)
            except (InputError, SyntaxError) as error:
                raise OriginError(f"its source cannot be read: {error}") from error
        return self.opened[path]

    def definition(self, function: FunctionType) -> tuple[SourceFile, Definition]:
        """A function's file and its definition there."""
        code = function.__code__
        file = self.open(code.co_filename, function.__globals__)
        definition = find_definition(file.tree, code)
        if definition is None:
            raise OriginError(CHANGED)
        return file, definition

    def class_of(self, klass: type) -> tuple[SourceFile, ast.ClassDef]:
        """A class's file and its definition there, which is around one of its methods."""
        method = _method_of_its_own(klass)
        if method is None:
            raise OriginError(f"{klass.__name__} has no method of its own")
        file, definition = self.definition(method)
        for node in ast.walk(file.tree):
            if isinstance(node, ast.ClassDef) and definition in node.body:
                return file, node
        raise OriginError(f"{klass.__name__} is not written as a class")


def _method_of_its_own(klass: type) -> FunctionType | None:
    """A method that is written in the body of a class; others may be set from elsewhere."""
    for attribute in vars(klass).values():
        for function in functions_in(attribute):
            code = function.__code__
            if code.co_qualname == f"{klass.__qualname__}.{code.co_name}":
                return function
    return None
