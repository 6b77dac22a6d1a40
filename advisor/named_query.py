"""A question to the study database that has a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class NamedQuery:
    """A question to the study database that `advisor query --named NAME` asks.

    Attributes:
        name: what it is called: letters, digits, `_` and `-`.
        about: what it answers, in one line.
        sql: a `SELECT` on the views of `advisor query --schema`, for SQLite and PostgreSQL. It has
            a column `study`, by which the studies are picked that a user names, and no `ORDER BY`.
            `:word` stands for the value of a word as text, or `NULL`.
        order: what its rows are sorted by, as after `ORDER BY`; empty for no order.
        words: what a user may give with `--with WORD=VALUE`: each word with its meaning; None for
            nothing.

    Example:
        >>> import advisor
        >>> @advisor.hookimpl
        ... def queries():
        ...     sql = "SELECT study, number, seconds FROM advisor_trials WHERE seconds > 60"
        ...     return [advisor.NamedQuery("slow-trials", "which took long", sql, "seconds")]
        >>> queries()[0].name
        'slow-trials'
    """

    name: str
    about: str
    sql: str
    order: str = ""
    words: Mapping[str, str] | None = None
