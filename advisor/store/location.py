"""Where a study database lies. Standard library only, so that commands that only read stay fast."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote

DEFAULT = "sqlite:///studies/advisor.db"
"""The database of a user who names none."""

_SQLITE = "sqlite:///"
_USER = re.compile(r"([a-z][\w+.-]*://[^\s:/?#@]*):(\S*)@")
"""The user and the password of a URL; a password may have an @ of its own."""
_OPTION = re.compile(r"([?&]\w*password=)([^\s&]*)")
"""A password among the options of a URL."""


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


def shown(text: str) -> str:
    """A URL, or a text with URLs in it, with `***` in place of passwords."""
    return _OPTION.sub(r"\1***", _USER.sub(r"\1:***@", text))


def without_password(text: str, url: str) -> str:
    """What a driver says of the database at `url`, with `***` in place of the URL's password."""
    # A password that is not written as URLs demand is told in parts, such as that of a host.
    pieces = set()
    for _, password in [*_USER.findall(url), *_OPTION.findall(url)]:
        pieces |= {password, unquote(password), *re.split(r"[@/:?#]", password)}
    text = shown(text)
    for piece in sorted(pieces - {""}, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(piece)}(?!\w)", "***", text)
    return text
