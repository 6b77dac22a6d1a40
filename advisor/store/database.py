"""The study database: Optuna's tables hold the trials, advisor's own hold what belongs to them.

Only the coordinator opens it for writing; every write is one short transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path

import optuna
import sqlalchemy as sa
from optuna.storages import RDBStorage

from advisor.errors import AdvisorError
from advisor.store import tables
from advisor.store.connections import guard
from advisor.store.creation import bring_up_to_date
from advisor.store.engine import address_of, fold_log
from advisor.store.failures import as_error
from advisor.store.location import sqlite_path
from advisor.store.study_records import StudyRecords

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
        slots: those of the loaded plugins, which become columns beside those that it has seen;
            None adds none.
        waits: whether a file that is not there yet is made when it is first asked for.

    Attributes:
        url: the same.
        path: the real path of an SQLite file, whose links are followed; None for a server.
        is_new: whether there was no such file.

    Raises:
        InputError: the file is no database, is damaged, or cannot be written.
        MachineError: its disk is full, or its server does not answer.
    """

    def __init__(self, url: str, slots: Sequence[str] | None, waits: bool = False) -> None:
        self.url = url
        self.path: Path | None = None
        self._slots = slots
        path = sqlite_path(url)
        try:
            # SQLite makes the file, but not its folder.
            if path is not None:
                self.path = path.resolve()
                self.path.parent.mkdir(parents=True, exist_ok=True)
            self.is_new = self.path is not None and not self.path.exists()
        except CANNOT_OPEN as problem:
            raise as_error(problem, url, at_opening=True) from problem
        if not (waits and self.is_new):
            self.open()

    @cached_property
    def storage(self) -> RDBStorage:
        """Optuna's view of the database."""
        try:
            storage = open_storage(self.url, self._slots)
        except CANNOT_OPEN as problem:
            raise as_error(problem, self.url, at_opening=True) from problem
        guard(storage.engine, self.url, self.path)
        return storage

    def open(self) -> None:
        """Make its tables, or bring them up to date."""
        _ = self.storage

    @property
    def engine(self) -> sa.Engine:
        """The SQLAlchemy engine that Optuna uses, too."""
        return self.storage.engine

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back as one: SQLite folds its log into it, unless others have it open."""
        if "storage" not in vars(self):
            return  # it was never opened
        with suppress(AdvisorError, sa.exc.SQLAlchemyError):
            self.storage.remove_session()
        self.engine.dispose()
        if self.path is not None:
            fold_log(self.path)

    def study(self, name: str) -> StudyRecords:
        """What is written about one study, begun or not."""
        return StudyRecords(self.url, self.storage, name)

    def delete(self, study: str) -> None:
        """Remove a study with everything that was written about it, in one transaction."""
        studies = sa.select(tables.STUDIES.c.study_id).where(tables.STUDIES.c.study_name == study)
        with self.engine.begin() as connection:
            for table in tables.METADATA.sorted_tables:
                if "study" not in table.c:
                    continue  # verdicts count also when their study is gone
                connection.execute(table.delete().where(table.c.study == study))

            # What belongs to a trial goes before the trial, and trials before the study.
            study_id = connection.execute(studies).scalar_one_or_none()
            trials = sa.select(tables.TRIALS.c.trial_id).where(tables.TRIALS.c.study_id == study_id)
            for table in reversed(tables.OPTUNA_TABLES):
                if "study_id" in table.c:
                    connection.execute(table.delete().where(table.c.study_id == study_id))
                elif "trial_id" in table.c:
                    connection.execute(table.delete().where(table.c.trial_id.in_(trials)))


def open_storage(url: str, slots: Sequence[str] | None) -> RDBStorage:
    """Optuna's storage, with its tables and ours; `slots` as for `bring_up_to_date`."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    address = address_of(url)
    engine = address.engine()
    try:
        bring_up_to_date(engine, slots)
    finally:
        engine.dispose()

    # Optuna fills what is in braces.
    literal = address.url.replace("{", "{{").replace("}", "}}")
    return RDBStorage(literal, dict(address.arguments), skip_table_creation=True)
