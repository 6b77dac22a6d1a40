"""The recommendations of a study database, read without loading PyTorch or Optuna."""

from __future__ import annotations

from advisor.errors import InputError, listing, near
from advisor.store.location import shown
from advisor.store.query import read

LAST = "SELECT json FROM advisor_recommendations ORDER BY created DESC LIMIT 1"
"""The query for the last recommendation of all studies."""
LAST_OF_STUDY = (
    "SELECT json FROM advisor_recommendations WHERE study = ? ORDER BY created DESC LIMIT 1"
)
"""The query for the last recommendation of one study."""
NAMES = "SELECT study FROM advisor_studies"
"""The query for the names of all studies."""


def last_recommendation(url: str, study: str | None) -> str:
    """The JSON of the last recommendation, as it was written.

    Arguments:
        url: of the database.
        study: the name of the study; None for the last recommendation of all studies.

    Raises:
        InputError: there is no recommendation, or no database.
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
    (text,) = rows[0]
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
