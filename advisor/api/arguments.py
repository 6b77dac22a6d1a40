"""What the functions of the Python interface may be called with."""

from __future__ import annotations

from collections.abc import Mapping

from advisor.errors import InputError
from advisor.study import Study
from advisor.values import (
    MOST_STEPS,
    MOST_WORKERS,
    Rule,
    are_texts,
    broken,
    is_path,
    is_text,
    is_whole,
    shown,
)
from advisor.work.prepare import Prepared
from advisor.work.study_ref import StudyRef


def _is_study(value: object) -> bool:
    """Whether this is a study, opened or not, or names one."""
    return isinstance(value, Study | StudyRef | Prepared) or is_path(value)


def _is_executor(value: object) -> bool:
    """Whether this is an executor, or names one."""
    return is_text(value) or callable(getattr(value, "submit", None))


RULES = (
    Rule("study", _is_study, "an advisor.Study, or the path of a study file", is_optional=False),
    Rule(
        "workers",
        lambda value: is_whole(value, 0, MOST_WORKERS),
        f"a whole number of processes, 0 to {MOST_WORKERS}",
        is_optional=False,
    ),
    Rule("executor", _is_executor, "an Executor, dask://HOST:PORT, or module:factory"),
    Rule("scratch", is_path, "a folder or URL that all workers reach"),
    Rule(
        "steps",
        lambda value: is_whole(value, 0, MOST_STEPS),
        f"a whole number of mini-batches, 0 to {MOST_STEPS}",
        is_optional=False,
    ),
    Rule("name", is_text, "the name of a study in the database", is_optional=False),
    Rule("storage", is_path, "the URL or path of a database"),
    Rule("device", is_text, "the name of a torch device, such as 'cpu'", is_optional=False),
    Rule("plugins", are_texts, "a list of plugin files", is_optional=False),
    Rule("tune", lambda value: is_whole(value, 1), "a whole number of learning rates, at least 1"),
    Rule("seeds", lambda value: is_whole(value, 3), "a whole number of pairs, at least 3"),
    Rule("on", callable, "a function of an event", is_optional=False),
)
"""What each argument may be."""


def check_arguments(function: str, arguments: Mapping[str, object]) -> None:
    """Raise `InputError` for an argument that a function cannot take."""
    for rule in broken(RULES, arguments):
        value = arguments[rule.name]
        hint = f", [{value!r}]" if rule.name == "plugins" and isinstance(value, str) else ""
        raise InputError(f"{function}({rule.name}={shown(value)}): give {rule.wanted}{hint}.")
