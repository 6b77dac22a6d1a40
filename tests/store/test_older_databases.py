"""A database of an older version has the columns, the attributes and the slots of this one."""

from __future__ import annotations

import json
import sqlite3

import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.trial import TrialState

from advisor.store.database import Database
from advisor.store.query import read

SPACE = CategoricalDistribution(("keep", "elu"))
PLAN = {
    "options": {"activation": ["keep", "elu"], "oven": ["keep"]},
    "identity": {"model": "Net with 9 parameters", "data": "90 rows"},
    "versions": {"advisor": "0.2.0"},
}
ANSWER = {
    "choices": {"activation": "elu"},
    "params": {},
    "gain": {"mean": 0.2, "low": 0.1, "high": 0.3, "seeds": 5},
    "versions": {"torch": "2.0"},
}
NEW_TABLES = ("slots", "plugins", "recommended_choices", "recommended_params")


@pytest.fixture
def older(tmp_path):
    """A file as an older version leaves it."""
    path = tmp_path / "old.db"
    with Database(f"sqlite:///{path}", ()) as database:
        records = database.study("digits")
        records.begin("accuracy", "maximize", PLAN, None)
        for number, (name, score) in enumerate((("keep", 0.5), ("elu", 0.7), ("elu", 0.6))):
            facts = {"plugins": {"waves": f"1.{number}"}}
            trial = records.add_trial(number, {"activation": name}, {"activation": SPACE}, facts)
            records.close_trial(trial, TrialState.COMPLETE, score, 1, {})
        records.save_recommendation("keep", json.dumps({**ANSWER, "choices": {}}))
        records.save_recommendation("change", json.dumps(ANSWER))
        records.save_recommendation("damaged", "{")

    connection = sqlite3.connect(path)
    for view in ("studies", "trials", "params", "choices"):
        connection.execute(f"DROP VIEW advisor_{view}")
    for table in NEW_TABLES:
        connection.execute(f"DROP TABLE advisor_{table}")
    kept = {
        "recommendations": ("study", "created", "verdict", "evidence", "json"),
        "plans": ("study", "created", "metric", "direction", "question", "plan", "seconds"),
    }
    for table, columns in kept.items():
        rows = connection.execute(f"SELECT * FROM advisor_{table} LIMIT 0")
        for column, *_ in rows.description:
            if column not in columns:
                connection.execute(f'ALTER TABLE advisor_{table} DROP COLUMN "{column}"')
    connection.execute("DELETE FROM study_user_attributes")
    connection.execute("DELETE FROM trial_user_attributes WHERE key = 'recommended'")
    # Another version may write times that this one does not read.
    connection.execute("DELETE FROM advisor_recommendations WHERE json = '{'")
    connection.execute(
        "INSERT INTO advisor_recommendations (study, created, verdict, json) "
        "VALUES ('digits', 'long ago', 'keep', 'no JSON'), ('gone', '1', 'keep', '{}')"
    )
    connection.execute("UPDATE advisor_recommendations SET created = '0' WHERE json = 'no JSON'")
    connection.commit()
    connection.close()
    return path


def rows(path, sql):
    return read(f"sqlite:///{path}", sql)[1]


def test_the_columns_are_filled_from_the_json_once(older):
    Database(f"sqlite:///{older}", ()).close()
    sql = (
        "SELECT verdict, latest, gain, seeds, rows, trial, activation FROM advisor_recommendations"
    )
    assert rows(older, f"{sql} WHERE study = 'digits' ORDER BY created") == [
        ("keep", 0, None, None, None, None, None),
        ("keep", 0, 0.2, 5, None, 0, None),
        ("change", 1, 0.2, 5, None, 1, "elu"),
    ]
    sql = "SELECT model, data, command, advisor, torch, verdict, trial FROM advisor_studies"
    asked = "advisor.tune(…)"
    study = ("Net with 9 parameters", "90 rows", asked, "0.2.0", "2.0", "change", 1)
    assert rows(older, sql) == [study]
    assert rows(older, "SELECT slot FROM advisor_slots") == [("activation",), ("oven",)]
    sql = "SELECT version, loaded FROM advisor_plugins ORDER BY version"
    assert rows(older, sql) == [("1.0", 0), ("1.1", 0), ("1.2", 1)]
    marked = "SELECT number FROM advisor_trials WHERE recommended = 1"
    assert rows(older, marked) == [(1,)]
    before = older.read_bytes()
    Database(f"sqlite:///{older}", ()).close()
    assert rows(older, marked) == [(1,)]
    assert len(older.read_bytes()) == len(before)


def test_optunas_attributes_say_the_verdict(older):
    Database(f"sqlite:///{older}", ()).close()
    study = optuna.load_study(study_name="digits", storage=f"sqlite:///{older}")
    said = {key: study.user_attrs[key] for key in ("verdict", "recommended_trial", "gain")}
    assert said == {"verdict": "change", "recommended_trial": 1, "gain": 0.2}
    assert "evidence" not in study.user_attrs
    assert [trial.user_attrs.get("recommended") for trial in study.trials] == [None, True, None]
    study._storage.remove_session()
    study._storage._backend.engine.dispose()


def test_a_later_answer_marks_another_trial(older):
    with Database(f"sqlite:///{older}", ()) as database:
        kept = {**ANSWER, "choices": {"activation": "keep"}}
        database.study("digits").save_recommendation("keep", json.dumps(kept), "equivalent")
    sql = "SELECT number FROM advisor_trials WHERE recommended = 1"
    assert rows(older, sql) == [(0,)]
    sql = "SELECT verdict FROM advisor_recommendations WHERE latest AND study = 'digits'"
    assert rows(older, sql) == [("keep",)]


def test_a_query_that_needs_what_is_new_says_how_to_get_it(older, advise):
    storage = ["--storage", older]
    for sql in ("SELECT gain FROM advisor_recommendations", "advisor_plugins"):
        said = advise("query", sql, *storage)
        assert said.code == 2
        assert "advisor studies update" in said.err
    assert advise("studies", "update", *storage).code == 0
    assert advise("query", "advisor_plugins", *storage).code == 0
