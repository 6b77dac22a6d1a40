"""`advisor query` as a person types it: its limits, its JSON, its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from advisor.cli.query import MOST_ROWS, MOST_SECONDS
from advisor.store.database import Database

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT {} FROM n"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A database without studies."""
    path = tmp_path_factory.mktemp("query") / "a.db"
    Database(f"sqlite:///{path}", ()).close()
    return path


@pytest.fixture(autouse=True)
def _storage(path, monkeypatch):
    monkeypatch.setenv("ADVISOR_STORAGE", str(path))


def test_rows_that_are_left_out_are_told_beside_those_that_are_shown(advise):
    said = advise("query", ENDLESS.format("i"), "--limit", 2, "--json")
    assert (said.code, json.loads(said.out)) == (0, [{"i": 1}, {"i": 2}])
    assert said.err == "advisor query: only the first 2 rows are shown; --limit 0 shows all.\n"


def test_without_a_limit_a_table_has_its_own_and_says_so(advise):
    said = advise("query", ENDLESS.format("i"))
    assert said.out.rstrip().endswith(str(MOST_ROWS))
    assert f"the first {MOST_ROWS} rows" in said.err


@pytest.mark.parametrize("more", [["--limit", "0"], ["--csv"], ["--json"]])
def test_more_rows_are_there_for_who_asks_for_them(advise, more):
    sql = f"{ENDLESS.format('i')} LIMIT {MOST_ROWS + 1}"
    said = advise("query", sql, *more)
    assert f"{MOST_ROWS + 1}" in said.out
    assert said.err == ""


def test_the_limits_are_told_in_the_help(advise):
    said = " ".join(advise("query", "--help").out.split())
    assert f"({MOST_ROWS}," in said
    assert f"({MOST_SECONDS:g})" in said


@pytest.mark.parametrize("form", [[], ["--json"], ["--csv"]])
def test_a_question_without_an_end_ends_with_its_seconds(advise, form):
    said = advise("query", ENDLESS.format("COUNT(*)"), "--seconds", "0.2", *form)
    assert (said.code, said.out) == (2, "")
    assert "within 0.2 s" in said.err
    assert "--seconds" in said.err


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="looks into /proc")
def test_ctrl_c_ends_a_question_without_an_end(path):
    words = [sys.executable, "-m", "advisor.cli", "query", ENDLESS.format("COUNT(*)")]
    process = subprocess.Popen(
        [*words, "--seconds", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    # The question is asked once the database is open.
    database, open_files = str(path), Path(f"/proc/{process.pid}/fd")
    while not any(os.path.realpath(each) == database for each in open_files.iterdir()):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err.strip()) == (130, "", "Interrupted.")


def test_what_json_cannot_say_is_told(advise):
    said = advise("query", "SELECT 9e999 AS a, 1 AS a", "--json")
    assert json.loads(said.out) == [{"a": None, "a_2": 1}]
    assert "two columns are called 'a'; the later one is 'a_2' here" in said.err
    assert "1 value is null" in said.err


@pytest.mark.parametrize(
    "words",
    [
        *(["--seconds", text] for text in ("nan", "inf", "-1", "1e400", "soon", "")),
        *(["--limit", text] for text in ("-1", "1.5", "nan", "99999999999999999999", "")),
    ],
)
def test_a_limit_that_is_no_number_of_its_kind_is_refused(advise, words):
    said = advise("query", "SELECT 1", *words)
    assert (said.code, said.out) == (2, "")
    assert words[0] in said.err
