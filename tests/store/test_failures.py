from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState

from advisor import InputError, MachineError
from advisor.store.database import Database
from advisor.store.failures import as_error
from advisor.store.location import shown, without_password
from advisor.store.query import read
from advisor.training.epoch import Epoch

PLAN = {"rungs": [1]}
RATE = {"training.lr": 0.1}
SPACE = {"training.lr": FloatDistribution(0.01, 1.0)}
AS_NOBODY = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everything"
)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A database with a study of forty trials; making one takes Optuna half a second."""
    path = tmp_path_factory.mktemp("failures") / "written.db"
    with Database(f"sqlite:///{path}", ()) as database:
        records = database.study("digits")
        records.begin("accuracy", "maximize", PLAN, None)
        for number in range(40):
            trial = records.add_trial(number, RATE, SPACE, {"stage": "open", "why": "x" * 1000})
            records.save_progress(trial, number, [epoch(1)], {"training": 1.0}, {})
    return path


@pytest.fixture
def path(written, tmp_path):
    return Path(shutil.copy(written, tmp_path / "studies.db"))


@pytest.fixture
def url(path):
    return f"sqlite:///{path}"


@pytest.fixture
def database(url):
    with Database(url, None) as database:
        yield database


def epoch(number):
    return Epoch(number, 0.5, 1.0, 0.1, None)


def uses(database):
    """Every use that a study makes of its database once it is open, by name."""
    records = database.study("digits")
    return {
        "plan": records.plan,
        "spent": records.spent,
        "trials": records.trials,
        "curves": records.curves,
        "costs": records.costs,
        "confirmations": records.confirmations,
        "recommendation": records.recommendation,
        "begin": lambda: database.study("new").begin("accuracy", "maximize", PLAN, None),
        "spend": lambda: records.spend(1.0),
        "add_trial": lambda: records.add_trial(40, RATE, SPACE, {"stage": "open"}),
        "save_progress": lambda: records.save_progress(1, 0, [epoch(2)], {}, {}),
        "save_recommendation": lambda: records.save_recommendation("keep", "{}" * 50_000),
        "delete": lambda: database.delete("digits"),
    }


def use_all(url):
    """Open a database and use it in every way."""
    with Database(url, ()) as database:
        for use in uses(database).values():
            use()


def pragma(database, text):
    """Set something of every connection before it is used."""

    def set_it(connection, *_):
        connection.execute(f"PRAGMA {text}")

    sa.event.listen(database.engine, "checkout", set_it)


def count(path, table="advisor_recommendations"):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]


# --- while a study runs -------------------------------------------------------------------------


def test_a_disk_that_fills_is_told_once_and_what_could_not_be_written_is_written_later(
    database, path
):
    pragma(database, "max_page_count = 1")
    write = uses(database)["save_recommendation"]
    with pytest.raises(MachineError, match=r"studies\.db cannot be written.*disk is full") as told:
        write()
    assert "Make room" in str(told.value)
    assert count(path) == 0
    pragma(database, "max_page_count = 1000000")
    write()
    assert count(path) == 1


@pytest.mark.skipif(os.name == "nt", reason="there are no limits of file sizes on Windows")
def test_a_write_that_the_disk_refuses_is_told_and_nothing_of_it_stays(database, path):
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, before[1]))
    try:
        with pytest.raises(MachineError, match=r"studies\.db cannot be .* (full|Error)"):
            uses(database)["save_recommendation"]()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert count(path) == 0
    uses(database)["save_recommendation"]()
    assert count(path) == 1


def test_a_database_that_another_program_holds_too_long_is_told(database, path):
    pragma(database, "busy_timeout = 10")
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(MachineError, match="held by another program.*locked"):
            uses(database)["spend"]()
    uses(database)["spend"]()
    assert database.study("digits").spent() == 1.0


USES = [
    "plan",
    "spent",
    "trials",
    "curves",
    "costs",
    "confirmations",
    "recommendation",
    "begin",
    "spend",
    "add_trial",
    "save_progress",
    "save_recommendation",
    "delete",
]


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("fate", ["deleted", "moved", "replaced", "folder"])
def test_nothing_is_written_into_a_file_that_is_not_in_its_place_any_more(
    database, path, written, fate, use
):
    moved = path.with_name("moved.db")
    path.rename(moved)
    if fate == "deleted":
        moved.unlink()
    elif fate == "replaced":
        shutil.copy(written, path)
    elif fate == "folder":
        path.mkdir()
    with pytest.raises(MachineError, match=r"studies\.db was deleted, moved or replaced"):
        uses(database)[use]()


def test_every_use_of_the_database_is_among_those_that_are_tested(database):
    assert list(uses(database)) == USES


@pytest.mark.parametrize("use", USES)
def test_a_table_that_is_gone_is_told_as_somebody_elses_database(database, path, use):
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA legacy_alter_table = ON")
        names = [
            "studies",
            "trials",
            "advisor_plans",
            "advisor_curves",
            "advisor_costs",
            "advisor_confirmations",
            "advisor_recommendations",
        ]
        for name in names:
            other.execute(f"ALTER TABLE {name} RENAME TO gone_{name}")
        other.commit()
    with pytest.raises(InputError, match=r"studies\.db is not as advisor makes it.*no such table"):
        uses(database)[use]()


def test_rows_that_another_program_deleted_are_told(database, path):
    records = database.study("digits")
    assert len(records.trials()) == 40
    with closing(sqlite3.connect(path)) as other:
        other.execute("DELETE FROM trials")
        other.execute("DELETE FROM studies")
        other.commit()
    with pytest.raises(MachineError, match="another program has changed its rows"):
        records.close_trial(1, TrialState.COMPLETE, 0.5, 1, {"why": "x"})


# --- damaged files ------------------------------------------------------------------------------


def damage(path, how):
    """Spoil a database file in place."""
    content = bytearray(path.read_bytes())
    page = 4096
    if how == "overwritten":
        content[2 * page :] = os.urandom(len(content) - 2 * page)
    elif how == "zeroed":
        content[page:] = bytes(len(content) - page)
    elif how == "truncated":
        del content[5 * page + 100 :]
    elif how == "headless":
        content[:100] = bytes(100)
    path.write_bytes(content)


@pytest.mark.parametrize("how", ["overwritten", "zeroed", "truncated", "headless"])
def test_a_damaged_file_is_one_message_with_what_saves_the_rest(path, url, how):
    damage(path, how)
    with pytest.raises(InputError, match=r"studies\.db (is|holds|does|cannot)") as told:
        use_all(url)
    assert "--storage" in str(told.value)


@pytest.mark.parametrize("how", ["overwritten", "zeroed", "truncated", "headless"])
@pytest.mark.parametrize("view", ["advisor_trials", "advisor_studies", "advisor_curves"])
def test_a_question_to_a_damaged_file_says_that_it_is_damaged(path, url, how, view):
    damage(path, how)
    with pytest.raises(InputError, match=r"studies\.db") as told:
        print(read(url, view))
    assert "--storage" in str(told.value)


@AS_NOBODY
@pytest.mark.parametrize("use", [use for use in USES if use in ("spend", "add_trial", "begin")])
def test_a_file_that_may_not_be_written_any_more_is_told(path, url, use):
    path.chmod(0o444)
    path.parent.chmod(0o555)
    try:
        with pytest.raises(InputError, match=r"studies\.db does not allow this"):
            Database(url, ())
    finally:
        path.parent.chmod(0o755)


# --- servers ------------------------------------------------------------------------------------


class ServerError(Exception):
    """As drivers of servers raise it."""

    def __init__(self, text, sqlstate=None):
        super().__init__(text)
        self.sqlstate = sqlstate


SERVER = "postgresql://ann:open%40sesame@host/studies"


@pytest.mark.parametrize(
    ("state", "text", "error", "words"),
    [
        (None, "connection failed: Connection refused", MachineError, "does not answer"),
        (None, "server closed the connection unexpectedly", MachineError, "does not answer"),
        ("57P01", "terminating connection", MachineError, "does not answer"),
        ("57P03", "the database system is starting up", MachineError, "does not answer"),
        ("08006", "connection failure", MachineError, "does not answer"),
        ("53100", "could not extend file", MachineError, "disk is full"),
        ("55P03", "could not obtain lock", MachineError, "held by another program"),
        ("25006", "read-only transaction", MachineError, "does not allow this"),
        ("42501", "permission denied", MachineError, "does not allow this"),
        ("42P01", "relation does not exist", InputError, "is not as advisor makes it"),
        ("XX001", "invalid page in block 7", InputError, "is damaged"),
        ("23503", "violates foreign key constraint", MachineError, "changed its rows"),
        ("ZZ999", "something else", MachineError, "cannot be used"),
    ],
)
def test_what_a_server_says_is_an_error_of_ours_without_its_password(state, text, error, words):
    told = as_error(ServerError(f"{text} (as open@sesame)", state), SERVER)
    assert type(told) is error
    assert str(told).startswith("The study database postgresql://ann:***@host/studies ")
    assert words in str(told)
    assert text in str(told)
    assert "sesame" not in str(told)


# --- passwords ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("postgresql://ann:secret@host:5432/name", "postgresql://ann:***@host:5432/name"),
        ("postgresql+psycopg://ann:se@c/ret@host/name", "postgresql+psycopg://ann:***@host/name"),
        ("postgresql://host/name?user=ann&password=secret", None),
        ("POSTGRESQL://ann:secret@host/name", "POSTGRESQL://ann:***@host/name"),
        ("postgresql://ann:se cret@host/name", "postgresql://ann:***@host/name"),
        ("postgres/ann:secret@host/name", "postgres/ann:***@host/name"),
        ("mysql://host/name?passwd=secret", "mysql://host/name?passwd=***"),
        ("postgresql://ann@host/name", "postgresql://ann@host/name"),
        ("sqlite:///C:/my@folder/a:b.db", "sqlite:///C:/my@folder/a:b.db"),
        ("postgresql://postgres:postgres@host/postgres", "postgresql://postgres:***@host/postgres"),
    ],
)
def test_an_url_is_shown_without_its_password(url, text):
    assert shown(url) == (text or "postgresql://host/name?user=ann&password=***")
    assert shown(f"--storage={url} --quiet") == f"--storage={shown(url)} --quiet"


def test_no_part_of_a_password_is_told_in_the_words_of_a_driver():
    url = "postgresql://ann:se@c/ret@host/name"
    said = "failed to resolve host 'c' (port 'ret@host'); secretly"
    assert without_password(said, url) == "failed to resolve host '***' (port '***@host'); secretly"
