"""Fills the templates of the scripts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import jinja2

from advisor.errors import one_line, visible
from advisor.exporting.source_text import SourceText


def in_a_comment(text: object) -> str:
    """A text as a comment or a docstring holds it: on one line, without what would end it."""
    return visible(one_line(str(text))).replace("\\", "/").replace('"', "'")


def names_in_script() -> frozenset[str]:
    """The names that `train.py` itself defines, which nothing that it imports may have."""
    text = files("advisor.exporting").joinpath("templates", "train.py.jinja").read_text()
    return frozenset(re.findall(r"^(?:def )?([A-Za-z_]\w*)(?:\(| = )", text, re.MULTILINE))


def rendered(name: str, context: Mapping[str, Any]) -> str:
    """A template, filled. Values go through `py`, which writes them as Python does."""
    environment = jinja2.Environment(  # noqa: S701  # it writes Python, and no page
        loader=jinja2.PackageLoader("advisor.exporting"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters |= {"py": SourceText().value, "words": in_a_comment}
    text = environment.get_template(name).render(**context)
    # Parts that are left out leave their blank lines behind.
    return re.sub(r"\n{4,}", "\n\n\n", text)
