"""A database is opened without Alembic, and Optuna still refuses tables of another version."""

from __future__ import annotations

import subprocess
import sys

import optuna
import pytest
import sqlalchemy as sa
from optuna.storages import RDBStorage

from advisor.errors import AdvisorError
from advisor.store import optuna_versions
from advisor.store.database import Database
from advisor.store.optuna_versions import newest_revision


def test_the_newest_revision_is_the_one_that_optuna_names(tmp_path):
    storage = RDBStorage(f"sqlite:///{tmp_path}/own.db")
    assert newest_revision() == storage.get_head_version() == storage.get_current_version()
    storage.engine.dispose()


def test_a_database_is_opened_and_used_without_alembic(tmp_path):
    program = f"""
import sys
from advisor.store.database import Database
for _ in range(2):
    with Database("sqlite:///{tmp_path}/a.db", ("activation",)) as database:
        database.storage.get_all_studies()
print("alembic" in sys.modules)
print(database.storage.get_head_version() == database.storage.get_current_version())
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ended.stdout.split() == ["False", "True"]


def test_optuna_itself_opens_the_database(tmp_path):
    url = f"sqlite:///{tmp_path}/a.db"
    Database(url, None).close()
    storage = RDBStorage(url)
    assert optuna.get_all_study_names(storage) == []
    storage.engine.dispose()


@pytest.mark.parametrize("revision", ["v2.6.0.a", "v9.9.9.z"])
def test_tables_of_another_revision_are_still_refused(tmp_path, revision):
    url = f"sqlite:///{tmp_path}/a.db"
    Database(url, None).close()
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = :v"), {"v": revision})
    engine.dispose()
    with pytest.raises((AdvisorError, RuntimeError), match="optuna"):
        Database(url, None)


def test_where_the_newest_revision_is_not_clear_optuna_asks_alembic(tmp_path, monkeypatch):
    monkeypatch.setattr(optuna_versions, "newest_revision", lambda: None)
    with Database(f"sqlite:///{tmp_path}/a.db", None) as database:
        manager = database.storage._version_manager
        assert not isinstance(manager, optuna_versions.DeferredVersions)
