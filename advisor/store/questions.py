"""What the studies of a database ask, read without loading PyTorch or Optuna."""

from __future__ import annotations

import json
from typing import Any

from advisor.errors import InputError
from advisor.store.query import read
from advisor.store.read_back import UNREADABLE, json_object

QUESTION = "SELECT question FROM advisor_plans WHERE study = ?"
"""The query for the reference of one study."""

PLAN = "SELECT plan FROM advisor_plans WHERE study = ?"
"""The query for the plan of one study."""

METRIC = "SELECT metric FROM advisor_plans WHERE study = ?"
"""The query for what the arms of one study are compared by."""


def metric_of(url: str, study: str) -> str | None:
    """The name of what the arms of a study are compared by; None where there is no such study, or
    no database yet.

    Arguments:
        url: of the database.
        study: the name of the study.
    """
    try:
        _, rows = read(url, METRIC, (study,))
    except InputError:  # what is wrong with the database is said when it is opened
        return None
    return str(rows[0][0]) if rows else None


def flags_of(url: str, study: str) -> dict[str, Any] | None:
    """The options of the command line with which a study was begun.

    None where there is no such study, or no database yet, and empty where it was begun in another
    way.

    Arguments:
        url: of the database.
        study: the name of the study.
    """
    try:
        _, rows = read(url, QUESTION, (study,))
    except InputError:  # what is wrong with the database is said when it is opened
        return None
    if not rows:
        return None
    (question,) = rows[0]
    flags = json.loads(question)["flags"] if question else None
    return dict(json.loads(flags)) if flags else {}


def techniques_of(url: str, study: str) -> list[tuple[str, str]]:
    """Slot and name of the techniques with which a study was begun.

    Empty where there is no such study, or no database yet, or its plan cannot be read.

    Arguments:
        url: of the database.
        study: the name of the study.
    """
    try:
        _, rows = read(url, PLAN, (study,))
        options = json_object(rows[0][0])["options"] if rows else {}
        return [(slot, name) for slot, names in options.items() for name in names]
    except (InputError, *UNREADABLE):  # what is wrong with the database is said when it is opened
        return []
