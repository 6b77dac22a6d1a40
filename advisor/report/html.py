"""Self-contained HTML pages from templates, and where they are written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2

from advisor.errors import InputError, explain
from advisor.report.text import cell, number


def render(template: str, **values: Any) -> str:
    """A page as text; whatever comes from the user's model, data or plugins is escaped."""
    # A name that a template has and we do not give is an error, not an empty text.
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("advisor.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(number=number, cell=cell)
    return environment.get_template(template).render(**values)


def write_html(text: str, path: str) -> Path:
    """Write a page and return where. Raises `InputError` when it cannot be written."""
    # The folder of a page may be new.
    place = Path(path)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    except OSError as problem:
        raise InputError(
            f"-o {path}: the page cannot be written ({explain(problem)}); "
            "give a path in a folder of yours."
        ) from problem
    return place
