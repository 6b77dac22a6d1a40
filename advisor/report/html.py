"""Self-contained HTML pages from templates, and where they are written."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jinja2

from advisor.errors import AdvisorError, InputError, MachineError, explain, visible
from advisor.report.text import cell, number
from advisor.values import fault_of_path, shown


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
    """Raise `InputError` where a page cannot be written, before the work that it is to show.

    Nothing is left there.
    """
    place = Path(path)
    refuse_page(path, place)
    with told(path):
        if place.exists():
            place.open("ab").close()
            return
        # The folders of a page may be new, so that a file is tried in the first that is there.
        folder = next(above for above in place.absolute().parents if above.exists())
        tempfile.TemporaryFile(dir=folder).close()


def refuse_page(path: str, place: Path) -> None:
    """Raise `InputError` for a path that is that of a folder or a pipe, or can be none."""
    fault = fault_of_path(place)
    # What a shell names by /dev/fd is a pipe that somebody reads.
    if fault is not None and not path.startswith("/dev/"):
        raise InputError(f"-o {shown(path)}: the page cannot be written (it {fault}).")
    if path.endswith(("/", os.sep)) or place.is_dir():
        raise InputError(
            f"-o {path}: the page cannot be written (it is a folder); name a file in it, "
            f"-o {place / 'page.html'}."
        )


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
