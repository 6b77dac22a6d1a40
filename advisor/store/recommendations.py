"""The recommendations of a study database, read without loading PyTorch or Optuna."""

from __future__ import annotations

from advisor.errors import InputError, listing, near
from advisor.store.location import shown
from advisor.store.query import read
from advisor.store.read_back import json_object, read_back, version_in

LAST = "SELECT study, json FROM advisor_recommendations ORDER BY created DESC LIMIT 1"
"""The query for the last recommendation of all studies."""
LAST_OF_STUDY = (
    "SELECT study, json FROM advisor_recommendations WHERE study = ? ORDER BY created DESC LIMIT 1"
)
"""The query for the last recommendation of one study."""
NAMES = "SELECT study FROM advisor_plans"
"""The query for the names of all studies."""


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
    """The names of the studies in a database."""
    _, rows = read(url, NAMES)
    return [str(name) for (name,) in rows]
