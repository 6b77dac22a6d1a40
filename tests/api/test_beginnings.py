"""A study that is new is begun with before its database is there."""

import pytest
from torch import nn

import advisor
from advisor.errors import InputError
from advisor.store import database as store
from advisor.store.database import Database
from advisor.work.executors import Crew


@pytest.fixture
def course(monkeypatch):
    """What happens, in its order."""
    seen = []
    begin, make = Crew.begin_ahead, store.open_storage
    monkeypatch.setattr(
        Crew, "begin_ahead", lambda crew, jobs: (seen.append("begin"), begin(crew, jobs))[1]
    )
    monkeypatch.setattr(
        store, "open_storage", lambda url, slots: (seen.append("open"), make(url, slots))[1]
    )
    return seen


def test_the_first_training_is_begun_before_a_new_database_is_made(course, blobs, tmp_path):
    task = advisor.Task(lambda: nn.Linear(4, 2), blobs)
    asked = advisor.Study("blobs", task, trials=2, epochs=1, seeds=3)
    first = advisor.tune(asked, storage=str(tmp_path / "a.db"), workers=1)
    assert course.index("begin") < course.index("open")

    # Of a study that is known nothing is begun.
    course.clear()
    again = advisor.tune(asked, storage=str(tmp_path / "a.db"), workers=1)
    assert course == ["open"]
    assert again.to_json() == first.to_json()


def test_a_database_that_waits_is_made_when_it_is_asked_for(tmp_path):
    url = f"sqlite:///{tmp_path}/deep/a.db"
    with Database(url, None, waits=True) as database:
        assert database.is_new
        assert not database.path.exists()
    assert not database.path.exists(), "it was never asked for"
    with Database(url, None, waits=True) as database:
        assert database.study("nothing").plan() is None
    assert database.path.exists()
    assert not Database(url, None, waits=True).is_new


def test_a_file_that_is_no_database_is_told_at_once_and_one_that_cannot_be_made_when_it_is(
    tmp_path, monkeypatch
):
    (tmp_path / "a.db").write_text("text that is no database")
    with pytest.raises(InputError):
        Database(f"sqlite:///{tmp_path}/a.db", None, waits=True)
    waiting = Database(f"sqlite:///{tmp_path}/b.db", None, waits=True)
    (tmp_path / "b.db").mkdir()
    with pytest.raises(InputError):
        waiting.study("nothing")
