"""The recommendations of a study database, read without loading PyTorch or Optuna."""

from __future__ import annotations

from typing import Any

from advisor.errors import InputError, listing, near
from advisor.store.location import shown
from advisor.store.query import Table, read
from advisor.store.read_back import json_object, read_back, version_in

LAST = "SELECT study, json FROM advisor_recommendations ORDER BY created DESC LIMIT 1"
"""The query for the last recommendation of all studies."""
LAST_OF_STUDY = (
    "SELECT study, json FROM advisor_recommendations WHERE study = ? ORDER BY created DESC LIMIT 1"
)
"""The query for the last recommendation of one study."""
LAST_COMPARISON = (
    "SELECT study, json, answered FROM advisor_comparisons WHERE json IS NOT NULL "
    "ORDER BY answered DESC LIMIT 1"
)
"""The query for the last answer of all comparisons."""
COMPARISON = "SELECT study, json, answered FROM advisor_comparisons WHERE study = ?"
"""The query for one comparison."""
LAST_TIME = "SELECT MAX(created) FROM advisor_recommendations"
"""The query for when the last recommendation was given."""
NAMES = "SELECT study FROM advisor_plans"
"""The query for the names of all studies."""
COMPARED = "SELECT study FROM advisor_comparisons"
"""The query for the names of all comparisons."""
LISTED = ("study", "verdict", "evidence", "metric", "direction", "seconds", "created")
"""What a comparison has of the columns of `advisor_studies`."""
STUDIES = "SELECT * FROM advisor_studies"
"""The query for a line on each study."""
COMPARISONS = f"SELECT {', '.join(LISTED)} FROM advisor_comparisons"
"""The query for a line on each comparison."""
STUDY, COMPARISON_KIND = "study", "comparison"
"""What a line is about."""


def listed(url: str) -> Table:
    """A line on each study and each comparison of a database, in the order in which they began.

    The columns are those of `advisor_studies`, and `kind` for what a line is about. A comparison
    has no trials, and nothing in their columns.

    Arguments:
        url: of the database.
    """
    columns, rows = read(url, STUDIES)
    lines = [(*row, STUDY) for row in rows]
    for row in compared(url, COMPARISONS):
        known = dict(zip(LISTED, row, strict=True))
        lines.append((*[known.get(column) for column in columns], COMPARISON_KIND))
    began = columns.index("created")
    return [*columns, "kind"], sorted(lines, key=lambda line: str(line[began]))


def last_recommendation(url: str, study: str | None) -> str:
    """The JSON of the last recommendation, as it was written.

    Arguments:
        url: of the database.
        study: the name of the study; None for the last recommendation of all studies.

    Raises:
        InputError: there is no recommendation, or no database, or it is damaged.
    """
    # The text is given as it is: another version may have written it.
    if study is None:
        whose = "any study"
        _, rows = read(url, LAST)
    else:
        whose = f"study {study!r}"
        _, rows = read(url, LAST_OF_STUDY, (study,))
    if not rows:
        raise not_there(f"No recommendation for {whose}", study or "", url)
    name, text = rows[0]
    with read_back(str(name), "recommendation", version_in(text)):
        json_object(text)
    return str(text)


def last_comparison(url: str, name: str | None) -> str | None:
    """The JSON of a comparison, as it was written; None where a study is meant.

    Arguments:
        url: of the database.
        name: of the comparison; None for the last one, if nothing was recommended after it.

    Raises:
        InputError: the comparison has no answer yet, or it is damaged.
    """
    rows = compared(url, LAST_COMPARISON) if name is None else compared(url, COMPARISON, (name,))
    if not rows:
        return None
    study, text, answered = rows[0]
    if text is None:
        raise InputError(
            f"Comparison {study!r} has no answer yet; the command that began it goes on."
        )
    if name is None:
        _, [(recommended,)] = read(url, LAST_TIME)
        if recommended is not None and str(recommended) > str(answered):
            return None
    with read_back(str(study), "comparison", version_in(text)):
        json_object(text)
    return str(text)


def compared(url: str, sql: str, params: tuple[str, ...] = ()) -> list[tuple[Any, ...]]:
    """Rows of the table of comparisons, which a database of an older version does not have."""
    try:
        _, rows = read(url, sql, params)
    except InputError:  # what else is wrong with the database is said where studies are read
        return []
    return rows


def not_there(what: str, study: str, url: str) -> InputError:
    """The error about something that is missing in a database, with the studies that are there.

    Arguments:
        what: what is missing, as the beginning of a sentence.
        study: the name that was asked for; empty where none was.
        url: of the database.
    """
    # A misspelt name is likelier than a missing study.
    names = study_names(url)
    hint = near(study, names)
    return InputError(f"{what} in {shown(url)}.{hint} Studies there: {listing(names) or 'none'}.")


def study_names(url: str) -> list[str]:
    """The names of the studies and comparisons in a database."""
    _, rows = read(url, NAMES)
    return [*[str(name) for (name,) in rows], *comparison_names(url)]


def comparison_names(url: str) -> list[str]:
    """The names of the comparisons in a database."""
    return [str(name) for (name,) in compared(url, COMPARED)]
