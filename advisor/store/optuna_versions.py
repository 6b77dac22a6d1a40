"""Whether a database has the tables of the Optuna that is installed, known without Alembic.

Optuna asks Alembic at each opening, whose import takes longer than the rest of it. The answer
stands in two places that are read here: the revision in the database, and the files of Optuna's own
revisions. Wherever the two differ, Optuna asks Alembic, and says what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy as sa
from optuna.storages._rdb import storage as of_optuna

from advisor.store import tables

MANAGER = "_VersionManager"
"""The name by which a storage of Optuna finds what it asks about versions."""
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


class DeferredVersions:
    """Stands for what Optuna asks about versions, and makes that when it is asked for.

    Arguments:
        make: makes it.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    def check_table_schema_compatibility(self) -> None:
        """Nothing: the tables are those of the newest revision."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._make(), name)


@contextmanager
def known_versions() -> Iterator[None]:
    """Let a storage of Optuna that is made in the block ask nothing that is known already."""
    own = getattr(of_optuna, MANAGER, None)
    if own is None:
        yield
        return

    def manager(url: str, engine: sa.Engine, session: Any) -> Any:
        """What Optuna asks about the versions of one database."""
        make = partial(own, url, engine, session)
        return DeferredVersions(make) if is_newest(engine) else make()

    setattr(of_optuna, MANAGER, manager)
    try:
        yield
    finally:
        setattr(of_optuna, MANAGER, own)


def is_newest(engine: sa.Engine) -> bool:
    """Whether a database with Optuna's tables has those of the newest revision."""
    newest = newest_revision()
    with engine.connect() as connection:
        schema = connection.execute(sa.select(tables.VERSION.c.schema_version)).scalar()
        # An older one may have no table of revisions.
        if newest is None or schema != tables.SCHEMA_VERSION:
            return False
        return connection.execute(sa.select(tables.REVISION.c.version_num)).scalar() == newest
