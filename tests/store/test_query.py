from __future__ import annotations

import hashlib
import os
import re
import signal
import threading
import time

import optuna
import pytest
from optuna.distributions import CategoricalDistribution

from advisor import InputError
from advisor.host.host import load
from advisor.store.database import Database
from advisor.store.query import Limits, ask, read
from advisor.store.schema import SCHEMA

SLOTS = ("activation", "initializer")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A database with one study of two trials."""
    path = tmp_path_factory.mktemp("query") / "studies.db"
    database = Database(f"sqlite:///{path}", SLOTS)
    records = database.study("digits")
    records.begin("accuracy", "maximize", {}, None)
    for number, name in enumerate(("keep", "elu")):
        params = {"activation": name, "initializer": "keep"}
        space = {
            "activation": CategoricalDistribution(("keep", "elu")),
            "initializer": CategoricalDistribution(("keep", "he")),
        }
        records.add_trial(number, params, space, {})
    records.save_recommendation("keep", '{"study": "digits"}')
    database.close()
    return path


@pytest.fixture
def url(path):
    """The database's URL; after the test not a byte of it has changed, and no file is beside it."""

    def state():
        return {
            file.name: hashlib.sha256(file.read_bytes()).hexdigest()
            for file in path.parent.iterdir()
        }

    before = state()
    assert list(before) == [path.name]
    yield f"sqlite:///{path}"
    assert state() == before


WRITES = [
    "DROP TABLE trials",
    "DROP VIEW advisor_trials",
    "DELETE FROM advisor_curves",
    "DELETE FROM trials WHERE 1 = 1",
    "INSERT INTO advisor_costs VALUES ('digits', 1, 'training', 1.0)",
    "REPLACE INTO advisor_costs VALUES ('digits', 1, 'training', 1.0)",
    "UPDATE advisor_plans SET seconds = 0",
    "UPDATE trials SET state = 'FAIL' RETURNING number",
    "WITH gone AS (SELECT 1) DELETE FROM trials",
    "CREATE TABLE mine (a)",
    "CREATE TEMP TABLE mine (a)",
    "CREATE VIEW mine AS SELECT 1",
    "ALTER TABLE trials RENAME TO mine",
    "ATTACH DATABASE 'other.db' AS other",
    "VACUUM;",
    "VACUUM INTO 'copy.db'",
    "REINDEX;",
    "ANALYZE;",
    "BEGIN IMMEDIATE",
    "PRAGMA user_version = 7",
    "PRAGMA journal_mode = DELETE",
    "PRAGMA query_only = OFF",
    "PRAGMA writable_schema = 1",
    "SELECT 1; DROP TABLE trials",
    "SELECT 1; SELECT 2",
    "; DELETE FROM trials",
]


@pytest.mark.parametrize("sql", WRITES)
def test_nothing_is_written_through_a_question(url, sql, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="advisor query"):
        read(url, sql)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE trials",
        "DELETE FROM advisor_curves",
        "ATTACH 'x' AS y",
        "VACUUM INTO 'x'",
        "PRAGMA user_version = 7",
    ],
)
def test_the_refusal_of_a_write_says_that_nothing_was_changed(url, sql):
    with pytest.raises(InputError) as refused:
        read(url, sql)
    assert "only reads" in str(refused.value)
    assert "Nothing was changed" in str(refused.value)
    assert sql in str(refused.value)


@pytest.mark.parametrize(
    ("sql", "answer"),
    [
        (
            "SELECT number, activation FROM advisor_trials ORDER BY number",
            (["number", "activation"], [(0, "keep"), (1, "elu")]),
        ),
        ("SELECT COUNT(*) AS n FROM advisor_choices WHERE technique <> 'keep';", (["n"], [(1,)])),
        ("  select 1 as one -- and no more", (["one"], [(1,)])),
        ("SELECT state FROM advisor_trials WHERE number > 99", (["state"], [])),
        (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) "
            "SELECT SUM(i) AS s FROM n",
            (["s"], [(6,)]),
        ),
        (
            "SELECT json_extract(json, '$.study') AS s FROM advisor_recommendations",
            (["s"], [("digits",)]),
        ),
        ("SELECT 'DROP TABLE trials; --' AS text", (["text"], [("DROP TABLE trials; --",)])),
        ("VALUES (1, 2)", (["column1", "column2"], [(1, 2)])),
    ],
)
def test_a_question_is_answered_with_columns_and_rows(url, sql, answer):
    assert read(url, sql) == answer


def test_a_question_can_have_parameters(url):
    assert read(
        url, "SELECT number FROM advisor_trials WHERE activation = ? AND number < ?", ("elu", 5)
    )[1] == [(1,)]


@pytest.mark.parametrize("name", SCHEMA)
def test_a_view_can_be_asked_by_its_name(url, name):
    assert read(url, name) == read(url, f"SELECT * FROM {name}")
    assert read(url, f"\n {name} ") == read(url, name)


@pytest.mark.parametrize("name", SCHEMA)
def test_the_schema_documents_exactly_the_columns_that_are_there(url, name):
    about, documented = SCHEMA[name]
    expected = [column for key in documented for column in (SLOTS if key == "<slot>" else (key,))]
    assert set(read(url, name)[0]) == set(expected)
    assert len(read(url, name)[0]) == len(expected)
    assert about
    assert all(documented.values())


def test_the_schema_documents_every_view_and_no_more_than_there_is(url):
    there = {
        row[0]
        for row in read(
            url, "SELECT name FROM sqlite_master WHERE name LIKE 'advisor\\_%' ESCAPE '\\'"
        )[1]
    }
    there = {name for name in there if not name.startswith("sqlite_")}
    inner = {"advisor_plans"}  # what a study was begun with, as JSON: nothing to query
    assert there - inner == set(SCHEMA)


def test_the_slots_of_the_built_in_plugins_are_no_other_columns_of_a_trial():
    assert not set(load().built_in_slots) & set(SCHEMA["advisor_trials"][1])


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("advisor_trial", "advisor_trials"),
        ("advisor_study", "advisor_studies"),
        ("advisor_recomendations", "advisor_recommendations"),
    ],
)
def test_a_misspelt_view_names_the_one_that_was_meant(url, name, near):
    for sql in (name, f"SELECT * FROM {name}"):
        with pytest.raises(
            InputError, match=f"no such table: {name}. Did you mean '{near}'"
        ) as refused:
            read(url, sql)
        assert "--schema" in str(refused.value)


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELECT scor FROM advisor_trials", "no such column: scor"),
        ("SELEC 1", "syntax error"),
        ("SELECT * FROM advisor_trials WHERE number = ?", "SELECT"),
        ("SELECT nofunction(1)", "no such function"),
        ("SELECT 'open", "open"),
    ],
)
def test_a_wrong_question_says_what_is_wrong_with_it(url, sql, words):
    with pytest.raises(InputError, match=words) as refused:
        read(url, sql)
    assert "--schema" in str(refused.value)


@pytest.mark.parametrize("sql", ["", "  ", ";", "-- nothing"])
def test_a_question_that_asks_nothing_is_refused(url, sql):
    with pytest.raises(InputError, match="advisor query"):
        read(url, sql)


def test_a_missing_database_names_its_place_the_near_one_and_what_to_do(path):
    with pytest.raises(InputError) as refused:
        read(f"sqlite:///{path.parent}/studeis.db", "advisor_trials")
    assert f"{path.parent}/studeis.db" in str(refused.value)
    assert "Did you mean 'studies.db'?" in str(refused.value)
    assert "--storage" in str(refused.value)
    assert not (path.parent / "studeis.db").exists()


def test_a_file_that_is_no_database_is_named(tmp_path):
    (tmp_path / "notes.txt").write_text("not a database at all, " * 100)
    with pytest.raises(InputError, match="not a database") as refused:
        read(f"sqlite:///{tmp_path}/notes.txt", "advisor_trials")
    assert "notes.txt" in str(refused.value)


@pytest.mark.parametrize("name", ["advisor_studies", "advisor_trials"])
def test_a_database_that_only_optuna_has_written_is_told_so(tmp_path, name):
    url = f"sqlite:///{tmp_path}/optuna.db"
    study = optuna.create_study(storage=url)
    with pytest.raises(InputError) as refused:
        read(url, name)
    assert name in str(refused.value)
    assert f"Did you mean {name!r}" not in str(refused.value)
    study._storage.remove_session()
    study._storage._backend.engine.dispose()


@pytest.mark.parametrize("url", ["nonsense://host/name", "postgresql+nodriver://host/name"])
def test_an_unknown_kind_of_database_is_refused(url):
    with pytest.raises(InputError, match=f"The study database {re.escape(url)} cannot be"):
        read(url, "advisor_trials")


# --- questions without an end -------------------------------------------------------------------

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT {} FROM n"


@pytest.mark.parametrize("what", ["COUNT(*)", "i"])
def test_a_question_that_takes_too_long_is_stopped_and_says_what_to_do(url, what):
    began = time.monotonic()
    with pytest.raises(InputError, match=r"no answer within 0\.3 s") as refused:
        ask(url, ENDLESS.format(what), Limits(seconds=0.3))
    assert time.monotonic() - began < 30
    assert "--seconds" in str(refused.value)


def test_what_is_left_behind_of_a_question_is_one_thread_that_ends_with_the_process(url):
    with pytest.raises(InputError):
        ask(url, ENDLESS.format("COUNT(*)"), Limits(seconds=0.1))
    named = [each for each in threading.enumerate() if each.name == "advisor query"]
    assert all(each.daemon for each in named)


@pytest.mark.skipif(os.name == "nt", reason="signals are those of POSIX")
def test_an_interrupt_stops_a_question_without_a_limit(url):
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        ask(url, ENDLESS.format("COUNT(*)"), Limits())
    timer.join()


@pytest.mark.parametrize(
    ("limit", "rows", "is_cut"), [(1, 1, True), (2, 2, False), (3, 2, False), (None, 2, False)]
)
def test_a_limit_of_rows_says_whether_there_are_more(url, limit, rows, is_cut):
    answer = ask(url, "SELECT number FROM advisor_trials", Limits(rows=limit))
    assert (len(answer.rows), answer.is_cut) == (rows, is_cut)


def test_rows_without_an_end_are_read_to_the_limit(url):
    answer = ask(url, ENDLESS.format("i"), Limits(rows=3))
    assert (answer.rows, answer.is_cut) == ([(1,), (2,), (3,)], True)


def test_two_columns_of_one_name_are_both_given(url):
    assert read(url, "SELECT 1 AS a, 2 AS a") == (["a", "a"], [(1, 2)])
