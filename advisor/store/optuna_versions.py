"""The revision of the tables that the installed Optuna makes, without loading Alembic's scripts."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import optuna

REVISION = re.compile(r"^(down_revision|revision)\b[^=\n]*= *\"([^\"]+)\"", re.M)
"""How a file of a revision says which it is, and which was before it."""


@cache
def newest_revision() -> str | None:
    """The revision of the tables that the installed Optuna makes; None where that is not clear."""
    folder = Path(optuna.__file__).parent / "storages" / "_rdb" / "alembic" / "versions"
    named: dict[str, set[str]] = {"revision": set(), "down_revision": set()}
    for path in folder.glob("*.py"):
        for which, name in REVISION.findall(path.read_text("utf-8")):
            named[which].add(name)
    last = named["revision"] - named["down_revision"]
    return last.pop() if len(last) == 1 else None
