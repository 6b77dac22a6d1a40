"""Lines at the end of a class's constructor, or a new constructor that has them."""

from __future__ import annotations

import ast

from advisor.model.swapping.rewrite import DEFINITIONS, first_line
from advisor.model.writing.constructors import OriginError
from advisor.model.writing.user_files import UserFiles


class ConstructorLines:
    """Collects lines for one class.

    Attributes:
        file: the file of the class.
        me: what the constructor calls its first argument, as a rule `self`.

    Raises OriginError where the constructor has no end at which a line could be added.
    """

    def __init__(self, files: UserFiles, klass: type) -> None:
        self.file, definition = files.class_of(klass)
        self._lines: list[str] = []
        methods = [node for node in definition.body if isinstance(node, DEFINITIONS)]
        constructors = [method for method in methods if method.name == "__init__"]
        self._is_new = not constructors
        if not constructors:
            # A new constructor stands before the first method.
            self.me = "self"
            self._indent = " " * methods[0].col_offset
            self._line = first_line(methods[0])
            return

        constructor = constructors[0]
        first, last = constructor.body[0], constructor.body[-1]
        is_one_line = first.lineno == constructor.lineno
        returns = any(isinstance(node, ast.Return) for node in ast.walk(constructor))
        if is_one_line or returns:
            raise OriginError(
                f"the constructor of {klass.__name__} has no end at which a line could be added"
            )
        self.me = constructor.args.args[0].arg
        self._indent = " " * first.col_offset
        self._line = (last.end_lineno or 0) + 1

    def add(self, line: str) -> None:
        """Add a line, without its indentation."""
        self._lines.append(line)

    def write(self) -> None:
        """Note the edit of the file."""
        lines, indent = self._lines, self._indent
        if self._is_new:
            signature = "def __init__(self, *args, **kwargs):"
            body = ["super().__init__(*args, **kwargs)", *lines]
            lines = [signature, *(f"    {line}" for line in body)]
        text = "".join(f"{indent}{line}\n" for line in lines)
        if self._is_new:
            text += "\n"
        place = self.file.line_start(self._line)
        self.file.replace(place, place, text)
