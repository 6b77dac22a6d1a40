"""The revision of Optuna's tables is that which Optuna names itself."""

from __future__ import annotations

from optuna.storages import RDBStorage

from advisor.store.optuna_versions import newest_revision


def test_the_newest_revision_is_the_one_that_optuna_names(tmp_path):
    storage = RDBStorage(f"sqlite:///{tmp_path}/own.db")
    assert newest_revision() == storage.get_head_version() == storage.get_current_version()
    storage.engine.dispose()
