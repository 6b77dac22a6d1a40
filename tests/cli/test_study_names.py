"""The name of a study that is described by options: it has the target, and older names go on."""

import sqlite3
from contextlib import closing
from dataclasses import fields

import pytest

from advisor.cli.task_options import TaskOptions, study_name

NET = """\
from torch import nn


def net(features, classes):
    return nn.Sequential(nn.Linear(features, 4), nn.ReLU(), nn.Linear(4, classes))
"""
ROWS = "".join(f"{(7 * i) % 11},{(5 * i) % 13},{i % 2},{(i // 2) % 2}\n" for i in range(60))
TUNE = ("tune", "--model", "net.py:net", "--data", "table.csv", "--trials", "1", "--epochs", "1",
        "--seeds", "3", "--workers", "0", "--storage", "a.db", "--quiet",
        "--only", "activation=keep", "--only", "initializer=keep", "--only", "pretraining=keep")  # fmt: skip


@pytest.fixture
def tune(write, advise):
    """Run a small study of one table with two columns that may be the target."""
    write("net.py", NET)
    write("table.csv", f"a,b,First,second\n{ROWS}")
    return lambda *words: advise(*TUNE, *words)


def names(path):
    with closing(sqlite3.connect(path)) as connection:
        return [name for (name,) in connection.execute("SELECT study FROM advisor_plans")]


def test_two_targets_of_one_table_are_two_studies(tune):
    for target in ("First", "second", "First"):
        assert tune("--target", target).code == 0
    assert names("a.db") == ["net-table-first", "net-table-second"]


def test_a_study_that_was_begun_under_the_name_without_the_target_goes_on(tune):
    assert tune("--target", "First", "--name", "net-table").code == 0
    assert tune("--target", "First").code == 0
    assert names("a.db") == ["net-table"]
    assert tune("--target", "second").code == 0
    assert names("a.db") == ["net-table", "net-table-second"]


def test_a_name_needs_no_quotes_in_a_shell():
    task = task_of(target="Alcohol (% by volume)")
    assert study_name(task, None) == "net-wine-alcohol-by-volume"


def task_of(**options):
    """Options of a command with a model and data, and those that are given."""
    empty = dict.fromkeys((each.name for each in fields(TaskOptions)), None)
    return TaskOptions(**{**empty, "model": "net.py:Net", "data": "wine.csv", **options})


def test_the_name_with_the_target_goes_before_the_older_one(tune):
    assert tune("--target", "First").code == 0
    assert tune("--target", "First", "--name", "net-table").code == 0
    said = tune("--target", "First", "--json")
    assert '"study": "net-table-first"' in said.out


def test_another_target_under_one_name_is_refused(tune):
    assert tune("--target", "First", "--name", "mine").code == 0
    said = tune("--target", "second", "--name", "mine")
    assert said.code == 2
    assert "target was 'First' and is 'second'" in said.err
    assert "--name" in said.err
    assert "advisor studies delete mine" in said.err
