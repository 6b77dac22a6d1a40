"""Fills the templates of the scripts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jinja2

from advisor.errors import one_line, visible
from advisor.exporting.source_text import SourceText


def in_a_comment(text: object) -> str:
    """A text as a comment or a docstring holds it: on one line, without what would end it."""
    return visible(one_line(str(text))).replace("\\", "/").replace('"', "'")


def rendered(name: str, context: Mapping[str, Any]) -> str:
    """A template, filled. Values go through `py`, which writes them as Python does."""
    environment = jinja2.Environment(  # noqa: S701  # it writes Python, and no page
        loader=jinja2.PackageLoader("advisor.exporting"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters |= {"py": SourceText().value, "words": in_a_comment}
    return environment.get_template(name).render(**context)
