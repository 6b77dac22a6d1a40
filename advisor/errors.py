"""What can go wrong, as values a command turns into one message and an exit code."""

from __future__ import annotations


class AdvisorError(Exception):
    """Base of every error that advisor raises on purpose; its text names who, where, what was given and what to do next."""

    exit_code = 1


class InputError(AdvisorError):
    """The user's input is at fault: a path, a name, a model that does not fit the data, an unknown option."""

    exit_code = 2


class PluginError(InputError):
    """A plugin breaks its contract: it cannot be imported, a hook is misspelt, or two plugins claim one name."""


class SearchError(AdvisorError):
    """The search itself failed: no trial ended with a score."""


def listing(names: object, limit: int = 12) -> str:
    """`a, b, c` for an error message, cut after `limit` names."""
    words = [str(name) for name in names]  # type: ignore[attr-defined]  # any iterable of printable things
    return ", ".join(words[:limit]) + (f", … ({len(words)} in all)" if len(words) > limit else "")
