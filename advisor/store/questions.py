"""What the studies of a database ask, read without loading PyTorch or Optuna."""

from __future__ import annotations

import json
from typing import Any

from advisor.errors import InputError
from advisor.store.query import read

QUESTION = "SELECT question FROM advisor_plans WHERE study = ?"
"""The query for the reference of one study."""


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
