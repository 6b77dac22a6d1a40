"""Self-contained HTML pages from templates, and where they are written."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jinja2

from advisor.errors import AdvisorError, InputError, MachineError, explain, visible
from advisor.report.text import cell, number


def render(template: str, **values: Any) -> str:
    """A page as text; whatever comes from the user's model, data or plugins is escaped, and control
    characters stand as Python writes them.
    """
    # A name that a template has and we do not give is an error, not an empty text.
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("advisor.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(number=number, cell=cell)
    return visible(environment.get_template(template).render(**values))


def write_html(text: str, path: str) -> Path:
    """Write a page and return where. Raises what `told` raises."""
    place = Path(path)
    with told(path):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    return place


def check_page(path: str) -> None:
    """Raise `InputError` where a page cannot be written, before the work that it is to show."""
    place = Path(path)
    with told(path):
        # The folder of a page may be new.
        place.parent.mkdir(parents=True, exist_ok=True)
        was_there = place.exists()
        place.open("ab").close()
        if not was_there:
            place.unlink()


@contextmanager
def told(path: str) -> Iterator[None]:
    """Say in one message why a page cannot be written.

    Raises `MachineError` where the disk is full, else `InputError`.
    """
    try:
        yield
    except OSError as problem:
        is_full = problem.errno in (errno.ENOSPC, errno.EDQUOT)
        error: type[AdvisorError] = MachineError if is_full else InputError
        advice = "make room on the disk" if is_full else "give a path in a folder of yours"
        raise error(
            f"-o {path}: the page cannot be written ({explain(problem)}); {advice}."
        ) from problem
