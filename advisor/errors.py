"""What can go wrong, as values a command turns into one message and an exit code."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

LEFT_OUT = "_advisor_left_out"
"""Attribute of a module loaded by its definitions alone: `{name: "line 5 (why)"}` of what was left
out.
"""


class AdvisorError(Exception):
    """Base of every error that advisor raises on purpose; its text names who, where, what was given
    and what to do next.
    """

    exit_code = 1


class InputError(AdvisorError):
    """The user's input is at fault: a path, a name, a model that does not fit the data, an unknown
    option.
    """

    exit_code = 2


class PluginError(InputError):
    """A plugin breaks its contract: it cannot be imported, a hook is misspelt, or two plugins claim
    one name.
    """


class SearchError(AdvisorError):
    """The search itself failed: no trial ended with a score."""


def listing(names: object, limit: int = 12) -> str:
    """`a, b, c` for an error message, cut after `limit` names."""
    words = [str(name) for name in names]  # type: ignore[attr-defined]  # any iterable of printable things
    return ", ".join(words[:limit]) + (f", … ({len(words)} in all)" if len(words) > limit else "")


def near(name: str, names: Iterable[str]) -> str:
    """` Did you mean 'x'?` when one of `names` looks like `name`, else nothing."""
    known = list(names)
    alike = [other for other in known if other.casefold() == name.casefold()]
    found = alike or difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f" Did you mean {found[0]!r}?" if found else ""


def near_files(path: Path) -> str:
    """` Did you mean …?` with a file of the same folder that has a similar name."""
    return near(path.name, (p.name for p in path.parent.iterdir())) if path.parent.is_dir() else ""


def explain(problem: BaseException) -> str:
    """`ValueError: text` on one line, and where a missing name was left out by
    `--definitions-only`.
    """
    text = " ".join(str(problem).split()).rstrip(".")
    return (f"{type(problem).__name__}: {text}" if text else type(problem).__name__) + left_out_of(
        problem
    )


def left_out_of(problem: BaseException) -> str:
    """` ('device' is made at main.py:5, which --definitions-only left out)` where that is why a
    name is missing, else nothing.
    """
    name = getattr(problem, "name", None) if isinstance(problem, NameError) else None
    traceback = problem.__traceback__
    while name is not None and traceback is not None:
        known = traceback.tb_frame.f_globals.get(LEFT_OUT, {})
        if name in known:
            return f" ({name!r} {known[name]})"
        traceback = traceback.tb_next
    return ""
