"""Questions to a PostgreSQL server: nothing is written through them, and each has an end."""

from __future__ import annotations

import threading
import time

import pytest

from advisor import InputError
from advisor.store.database import Database
from advisor.store.query import Limits, ask, read

SLOTS = ("activation",)
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT {} FROM n"


@pytest.fixture(scope="module")
def url(server):
    """A database with one study, which no test changes."""
    url = server.new_database("questions")
    database = Database(url, SLOTS)
    database.study("digits").begin("accuracy", "maximize", {}, None)
    database.close()
    return url


WRITES = [
    "DELETE FROM advisor_plans",
    "DELETE FROM advisor_plans RETURNING study",
    "WITH gone AS (DELETE FROM advisor_plans RETURNING 1) SELECT * FROM gone",
    "SELECT 1; DELETE FROM advisor_plans",
    # What ends the transaction that only reads, and goes on.
    "COMMIT; DELETE FROM advisor_plans",
    "ROLLBACK; DELETE FROM advisor_plans; COMMIT",
    "SET TRANSACTION READ WRITE; DELETE FROM advisor_plans",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE; COMMIT; DELETE FROM advisor_plans",
    "SELECT set_config('transaction_read_only', 'off', false); DELETE FROM advisor_plans",
    "DO $$ BEGIN DELETE FROM advisor_plans; END $$",
    "COPY advisor_plans TO PROGRAM 'cat > /dev/null'",
    "CREATE TABLE mine (a int)",
    "DROP VIEW advisor_trials",
    "TRUNCATE advisor_plans",
    "LOCK TABLE advisor_plans",
    "VACUUM",
    "",
    ";",
]


@pytest.mark.parametrize("sql", WRITES)
def test_nothing_is_written_through_a_question_to_a_server(url, sql):
    with pytest.raises(InputError, match="advisor query"):
        read(url, sql)
    assert read(url, "SELECT study FROM advisor_plans")[1] == [("digits",)]


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT 1 AS one -- and no more", [(1,)]),
        ("VALUES (1, 2);", [(1, 2)]),
        ("SELECT '100%' AS a, $$b$$ AS b, ':c' AS c", [("100%", "b", ":c")]),
        ("TABLE advisor_deaths", []),
        ("advisor_deaths", []),
        ("SHOW transaction_read_only", [("on",)]),
    ],
)
def test_a_question_to_a_server_is_answered(url, sql, rows):
    assert read(url, sql)[1] == rows


def test_a_wrong_question_to_a_server_names_what_is_wrong(url):
    with pytest.raises(InputError, match='column "scor" does not exist'):
        read(url, "SELECT scor FROM advisor_trials")
    with pytest.raises(InputError, match="Did you mean 'advisor_trials'"):
        read(url, "advisor_trial")


@pytest.mark.parametrize("sql", ["SELECT pg_sleep(600)", ENDLESS.format("COUNT(*)")])
def test_a_question_that_takes_too_long_ends_on_the_server_too(url, sql):
    with pytest.raises(InputError, match=r"no answer within 0\.5 s"):
        ask(url, sql, Limits(seconds=0.5))
    others = (
        "SELECT query FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    for _ in range(100):
        left = read(url, others)[1]
        if not left:
            break
        time.sleep(0.05)
    assert not left
    assert not [each for each in threading.enumerate() if each.name == "advisor query"]


def test_rows_of_a_server_without_an_end_are_read_to_the_limit(url):
    answer = ask(url, ENDLESS.format("i"), Limits(rows=3, seconds=60))
    assert (answer.rows, answer.is_cut) == ([(1,), (2,), (3,)], True)
