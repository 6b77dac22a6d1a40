"""The views take time in proportion to the rows that they give, however many trials there are."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa

from advisor.loading.files import load_file
from advisor.store.database import Database
from advisor.store.migrations import BY_NUMBER
from advisor.store.schema import SCHEMA

benchmark = load_file(Path(__file__).parents[2] / "benchmarks" / "views.py")
SLOTS = benchmark.SLOTS


def fill(path, studies, trials):
    benchmark.fill(f"sqlite:///{path}", studies, trials, epochs=2)


def steps(path, sql):
    """How many steps of its machine SQLite takes for a query, in hundreds: no clock is asked."""
    count = 0

    def step():
        nonlocal count
        count += 1

    with sqlite3.connect(path) as connection:
        connection.set_progress_handler(step, 100)
        rows = connection.execute(sql).fetchall()
    connection.close()
    return len(rows), count


@pytest.fixture(scope="module")
def databases(tmp_path_factory):
    """One study of 200 and of 800 trials, and 10 and 40 studies of 20."""
    folder = tmp_path_factory.mktemp("views")
    sizes = {"few": (1, 200), "many": (1, 800), "10 studies": (10, 20), "40 studies": (40, 20)}
    for name, (studies, trials) in sizes.items():
        fill(folder / f"{name}.db", studies, trials)
    return folder


QUESTIONS = [
    *(f"SELECT * FROM {view}" for view in SCHEMA),
    *(
        f"SELECT t.number, x.* FROM advisor_trials t JOIN {view} x USING (study, number)"
        for view in ("advisor_choices", "advisor_params", "advisor_curves", "advisor_costs")
    ),
    "SELECT a.number FROM advisor_trials a JOIN advisor_trials b USING (study, number)",
    "SELECT activation, initializer, MAX(score) FROM advisor_trials GROUP BY 1, 2",
]


@pytest.mark.parametrize("sql", QUESTIONS)
@pytest.mark.parametrize(("few", "many"), [("few", "many"), ("10 studies", "40 studies")])
def test_four_times_the_trials_take_at_most_five_times_the_steps(databases, sql, few, many):
    _, before = steps(databases / f"{few}.db", sql)
    _, after = steps(databases / f"{many}.db", sql)
    assert after <= 5 * max(before, 20)


@pytest.mark.parametrize("view", ["advisor_trials", "advisor_studies", "advisor_choices"])
def test_one_study_among_forty_takes_the_steps_of_its_own_rows(databases, view):
    whole = steps(databases / "40 studies.db", f"SELECT * FROM {view}")
    one = steps(databases / "40 studies.db", f"SELECT * FROM {view} WHERE study = 'study 40x20 7'")
    assert one[0] == whole[0] / 40
    assert one[1] <= max(whole[1] / 20, 20)


def test_the_question_that_was_quadratic_is_seen_by_the_count_of_steps(databases):
    # The technique of each slot by the trial's number, without an index for that.
    sql = (
        "SELECT (SELECT p.param_value FROM trials u JOIN trial_params p USING (trial_id) "
        "WHERE +u.number = t.number LIMIT 1) FROM trials t"
    )
    assert steps(databases / "many.db", sql)[1] > 10 * steps(databases / "few.db", sql)[1]


def test_a_database_of_an_older_version_gets_the_index_and_the_views(tmp_path):
    fill(tmp_path / "old.db", 1, 3)
    with sqlite3.connect(tmp_path / "old.db") as connection:
        connection.execute(f"DROP INDEX {BY_NUMBER}")
        connection.execute("DROP VIEW advisor_trials")
        connection.execute("CREATE VIEW advisor_trials AS SELECT 1 AS study")
    connection.close()
    database = Database(f"sqlite:///{tmp_path}/old.db", SLOTS)
    indexes = {each["name"] for each in sa.inspect(database.engine).get_indexes("trials")}
    database.close()
    assert BY_NUMBER in indexes
    assert steps(tmp_path / "old.db", "SELECT activation FROM advisor_trials")[0] == 3
