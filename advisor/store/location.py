"""Where a study database lies. Standard library only, so that commands that only read stay fast."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote

DEFAULT = "sqlite:///studies/advisor.db"


def storage_url(given: str | None) -> str:
    """The database to use: given, else `ADVISOR_STORAGE`, else `sqlite:///studies/advisor.db`. A
    plain path is SQLite.
    """
    url = given or os.environ.get("ADVISOR_STORAGE") or DEFAULT
    return url if "://" in url else f"sqlite:///{url}"


def sqlite_path(url: str) -> Path | None:
    """The file of an SQLite URL, or None for another kind of database."""
    if not url.startswith("sqlite:///"):
        return None
    return Path(unquote(url.removeprefix("sqlite:///").split("?")[0]))
