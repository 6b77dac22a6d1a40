"""Where a study database lies. Standard library only, so that commands that only read stay fast."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from advisor.errors import InputError
from advisor.values import fault_of_path

DEFAULT = "sqlite:///studies/advisor.db"
"""The database of a user who names none."""

_SQLITE = "sqlite:///"
_ANY_SQLITE = re.compile(r"sqlite(\+(?P<driver>\w+))?://(?P<place>[^?]*)(\?(?P<options>.*))?")
_YES = ("1", "on", "t", "true", "y", "yes")
"""The words by which an option of an URL is on."""
_USER = re.compile(
    r"((?:[a-z][\w+.-]*://|(?:postgres|mysql|mariadb)[\w+]*:?/+)[^\s:/?#@]*):(\S*|[^\n]*)@",
    re.IGNORECASE,
)
"""The user and the password of a URL, also of a server's whose first colon is forgotten. A password
may have an @ of its own, and blanks.
"""
_OPTION = re.compile(r"([?&]\w*(?:password|passwd|pwd)=)([^\s&]*)", re.IGNORECASE)
"""A password among the options of a URL."""


def storage_url(storage: str | None) -> str:
    """The URL of the database to use: `storage`, else `ADVISOR_STORAGE`, else `DEFAULT`. A plain
    path is SQLite.
    """
    url = str(storage or os.environ.get("ADVISOR_STORAGE") or DEFAULT)
    if "://" in url:
        return url
    # In the name of a file these two characters stand for themselves.
    return _SQLITE + url.replace("%", "%25").replace("?", "%3F")


def sqlite_path(url: str) -> Path | None:
    """The file of an SQLite URL as it is written there, or None for another kind of database.

    Raises:
        InputError: the URL names no file.
    """
    parts = _ANY_SQLITE.fullmatch(url)
    if parts is None:
        return None
    if parts["driver"] not in (None, "pysqlite"):
        raise InputError(
            f"{shown(url)}: advisor opens SQLite by no other driver; write {_SQLITE}FILE.db."
        )
    if parts["place"] and not parts["place"].startswith("/"):
        raise InputError(
            f"{shown(url)}: three slashes come before an SQLite file; write {_SQLITE}FILE.db."
        )

    # What follows a question mark are options, and %20 is a blank.
    place = parts["place"][1:]
    if place.startswith("file:") and has_sqlite_form(url):
        place = urlsplit(place).path
    if place in ("", ":memory:") or sqlite_options(url).get("mode") == "memory":
        raise InputError(
            f"{shown(url)} is the memory of one process, and a study must outlast its process; "
            f"name a file: --storage {_SQLITE}FILE.db."
        )
    path = Path(unquote(place))
    fault = fault_of_path(path)
    if fault is not None:
        raise InputError(
            f"The study database {shown(url)} cannot be opened: {path} {fault}. "
            f"Name one with --storage {_SQLITE}FILE.db."
        )
    return path


def sqlite_options(url: str) -> dict[str, str]:
    """What follows the question mark of an SQLite URL, by its name."""
    parts = _ANY_SQLITE.fullmatch(url)
    return dict(parse_qsl(parts["options"] or "", keep_blank_values=True)) if parts else {}


def has_sqlite_form(url: str) -> bool:
    """Whether the file and its options are written in SQLite's own form, `file:FILE?uri=true`."""
    return sqlite_options(url).get("uri", "").lower() in _YES


def storage_text(url: str) -> str | None:
    """What a user gives as storage to have this URL: the path of an SQLite file, else the URL; None
    where it has a password.
    """
    if shown(url) != url:
        return None
    path = url.removeprefix(_SQLITE).replace("%3F", "?").replace("%25", "%")
    return path if path != url and storage_url(path) == url else url


def storage_option(url: str | None) -> str:
    """What a command needs besides to find the database at `url`: ` --storage PLACE`, or nothing
    where it is found without, or a password would be printed.
    """
    if url is None or url == storage_url(None):
        return ""
    text = storage_text(url)
    return "" if text is None else f" --storage {shlex.quote(text)}"


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
