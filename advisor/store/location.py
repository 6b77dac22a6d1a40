"""Where a study database lies. Standard library only, so that commands that only read stay fast."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote

DEFAULT = "sqlite:///studies/advisor.db"
"""The database of a user who names none."""

_SQLITE = "sqlite:///"


def storage_url(storage: str | None) -> str:
    """The URL of the database to use: `storage`, else `ADVISOR_STORAGE`, else `DEFAULT`. A plain
    path is SQLite.
    """
    url = storage or os.environ.get("ADVISOR_STORAGE") or DEFAULT
    return url if "://" in url else f"{_SQLITE}{url}"


def sqlite_path(url: str) -> Path | None:
    """The file of an SQLite URL, or None for another kind of database."""
    if not url.startswith(_SQLITE):
        return None
    # What follows a question mark are options, and %20 is a blank.
    path = url.removeprefix(_SQLITE).split("?")[0]
    return Path(unquote(path))
