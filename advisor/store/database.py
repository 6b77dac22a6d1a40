"""The study database: Optuna's tables hold the trials, advisor's own hold what belongs to them.

Only the coordinator opens it for writing; every write is one short transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy as sa
from optuna.storages import RDBStorage

from advisor.errors import AdvisorError
from advisor.store import tables
from advisor.store.connections import guard
from advisor.store.failures import BUSY_SECONDS, as_error
from advisor.store.location import sqlite_path
from advisor.store.migrations import migrate
from advisor.store.study_records import StudyRecords
from advisor.store.views import statements

CANNOT_OPEN = (
    sa.exc.SQLAlchemyError,
    sqlite3.Error,
    optuna.exceptions.StorageInternalError,
    OSError,
    RuntimeError,
    ImportError,
    ValueError,  # a port that is no number
)
"""What is raised where a database cannot be opened."""


class Database:
    """One open study database, for the one process that writes it.

    Arguments:
        url: an SQLAlchemy URL.
        slots: columns of the view `advisor_trials`; None leaves the views as they are.

    Attributes:
        url: the same.
        storage: Optuna's view of the database.

    Raises:
        InputError: the file is no database, is damaged, or cannot be written.
        MachineError: its disk is full, or its server does not answer.
    """

    def __init__(self, url: str, slots: Sequence[str] | None) -> None:
        self.url = url
        path = sqlite_path(url)
        try:
            # SQLite makes the file, but not its folder.
            if path is not None and path != Path(":memory:"):
                path.parent.mkdir(parents=True, exist_ok=True)
            self.storage = open_storage(url)
            with self.engine.begin() as connection:
                bring_up_to_date(connection, slots)
        except CANNOT_OPEN as problem:
            raise as_error(problem, url, at_opening=True) from problem
        guard(self.engine, url)

    @property
    def engine(self) -> sa.Engine:
        """The SQLAlchemy engine that Optuna uses, too."""
        return self.storage.engine

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back as one: SQLite folds its log into it, unless it is being read."""
        with suppress(AdvisorError, sa.exc.SQLAlchemyError):
            self.storage.remove_session()
            if self.engine.dialect.name == "sqlite":
                with self.engine.connect() as connection:
                    connection.exec_driver_sql("PRAGMA busy_timeout=1000")
                    connection.exec_driver_sql("PRAGMA journal_mode=DELETE")
        self.engine.dispose()

    def study(self, name: str) -> StudyRecords:
        """What is written about one study, begun or not."""
        return StudyRecords(self.url, self.storage, name)

    def delete(self, study: str) -> None:
        """Remove a study with everything that was written about it, in one transaction."""
        studies = sa.select(tables.STUDIES.c.study_id).where(tables.STUDIES.c.study_name == study)
        with self.engine.begin() as connection:
            for table in tables.METADATA.sorted_tables:
                connection.execute(table.delete().where(table.c.study == study))

            # What belongs to a trial goes before the trial, and trials before the study.
            study_id = connection.execute(studies).scalar_one()
            trials = sa.select(tables.TRIALS.c.trial_id).where(tables.TRIALS.c.study_id == study_id)
            for table in reversed(tables.OPTUNA_TABLES):
                if "study_id" in table.c:
                    connection.execute(table.delete().where(table.c.study_id == study_id))
                elif "trial_id" in table.c:
                    connection.execute(table.delete().where(table.c.trial_id.in_(trials)))


def bring_up_to_date(connection: sa.Connection, slots: Sequence[str] | None) -> None:
    """Make the tables that are missing, convert what older versions wrote, and renew the views.

    The views have a column for each name in `slots`; None leaves them as they are.
    """
    tables.METADATA.create_all(connection)
    migrate(connection)
    if slots is None:
        return
    for statement in statements(connection.dialect.name, slots):
        connection.execute(sa.text(statement))


def open_storage(url: str) -> RDBStorage:
    """Optuna's storage; for SQLite with a write-ahead log, which lets others read meanwhile.

    The log makes writing 8 times faster, too (measured).
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    arguments: dict[str, Any] = {"connect_args": {"timeout": BUSY_SECONDS}}
    if not url.startswith("sqlite"):
        # A connection that a server has dropped meanwhile is replaced before it is used.
        arguments = {"pool_pre_ping": True}
    check_is_database(url)
    # Optuna would fill in what stands in braces.
    plain = url.replace("{", "{{").replace("}", "}}")
    storage = RDBStorage(plain, engine_kwargs=arguments)
    if storage.engine.dialect.name == "sqlite":
        sa.event.listen(storage.engine, "connect", set_pragmas)
        # Connections from before have none of the pragmas.
        storage.remove_session()
        storage.engine.dispose()
    return storage


def check_is_database(url: str) -> None:
    """Raises `sqlite3.DatabaseError` when an SQLite file is something else.

    Optuna raises it, too, but leaves its connection open, of which Python 3.13 warns.
    """
    path = sqlite_path(url)
    if path is not None and path.is_file():
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA schema_version")


def set_pragmas(connection: Any, _: Any) -> None:
    """Set what every connection to an SQLite file needs: log, syncs, and checked references."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA foreign_keys=ON")
