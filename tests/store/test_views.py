"""The views take time in proportion to the rows that they give, however many trials there are."""

from __future__ import annotations

import sqlite3

import pytest
import sqlalchemy as sa
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState

from advisor.store import tables
from advisor.store.database import Database
from advisor.store.migrations import BY_NUMBER
from advisor.store.rows import now, param_rows
from advisor.store.views import SCHEMA

SLOTS = ("activation", "initializer", "embedding", "pretraining")
SPACE = {
    **{slot: CategoricalDistribution(("keep", "a", "b")) for slot in SLOTS},
    "training.lr": FloatDistribution(1e-5, 1.0, log=True),
}


def fill(path, studies, trials, first=0):
    """Write studies of so many trials each, with all that a search writes about a trial."""
    database = Database(f"sqlite:///{path}", SLOTS)
    params = {**dict.fromkeys(SLOTS, "a"), "training.lr": 0.1}
    numbers = range(trials)
    with database.engine.begin() as connection:
        for study in range(first, first + studies):
            name, begin = f"study {study}", study * 100_000 + 1
            added = tables.STUDIES.insert().returning(tables.STUDIES.c.study_id)
            mine = connection.execute(added, {"study_name": name}).scalar_one()
            plan = {"study": name, "created": now(), "metric": "accuracy", "plan": "{}"}
            connection.execute(tables.plans.insert(), {**plan, "direction": "maximize"})
            trial = {"study_id": mine, "state": TrialState.COMPLETE, "datetime_start": now()}
            rows = [{**trial, "trial_id": begin + number, "number": number} for number in numbers]
            connection.execute(tables.TRIALS.insert(), rows)
            drawn = param_rows(0, params, SPACE)
            rows = [{**row, "trial_id": begin + number} for number in numbers for row in drawn]
            connection.execute(tables.PARAMS.insert(), rows)
            fact = {"key": "stage", "value_json": '"fair"'}
            rows = [{**fact, "trial_id": begin + number} for number in numbers]
            connection.execute(tables.FACTS.insert(), rows)
            value = {"objective": 0, "value": 0.5, "value_type": "FINITE"}
            rows = [{**value, "trial_id": begin + number} for number in numbers]
            connection.execute(tables.VALUES.insert(), rows)
            of_study = [{"study": name, "number": number, "seconds": 1.0} for number in numbers]
            rows = [{**row, "part": "training"} for row in of_study]
            connection.execute(tables.costs.insert(), rows)
            rows = [{**row, "epoch": epoch} for row in of_study for epoch in (1, 2)]
            connection.execute(tables.curves.insert(), rows)
    database.close()


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
    one = steps(databases / "40 studies.db", f"SELECT * FROM {view} WHERE study = 'study 7'")
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
