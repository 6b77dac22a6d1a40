"""Every public name shows itself at work, and what its docstring shows is true."""

from __future__ import annotations

import ast
import doctest
import inspect
import re

import pytest

import advisor
from advisor.host import hookspecs

NAMES = [name for name in advisor.__all__ if not name.startswith("__")]


def docstring(name: str) -> str:
    """The docstring of a public name; that of `hookimpl`, an instance, stands under it."""
    if name != "hookimpl":
        return inspect.getdoc(getattr(advisor, name)) or ""
    body = ast.parse(inspect.getsource(hookspecs)).body
    place = next(
        number
        for number, node in enumerate(body)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name
    )
    below = body[place + 1]
    assert isinstance(below, ast.Expr)
    return inspect.cleandoc(ast.literal_eval(below.value))


@pytest.mark.parametrize("name", NAMES)
def test_the_example_of_a_public_name_runs(name, tmp_path, monkeypatch):
    section = re.search(r"^Example:\n((?: {4}.*\n?|\n)+)", docstring(name), re.MULTILINE)
    assert section, f"the docstring of advisor.{name} has no section that begins with Example:"
    code = doctest.DocTestParser().get_doctest(
        section.group(1), {"__name__": "example"}, f"advisor.{name}", None, None
    )
    assert name.lower() in section.group(1).lower(), "it shows something else"
    monkeypatch.chdir(tmp_path)
    said: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(code, out=said.append)
    assert not said, "".join(said)
