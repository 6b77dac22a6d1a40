"""A database with many openers: made, converted and viewed by several processes at once."""

import importlib.util
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing

import optuna
import pytest

from advisor.errors import InputError
from advisor.store.database import Database
from advisor.store.query import read

SLOTS = ("activation", "initializer")
needs_driver = pytest.mark.skipif(
    importlib.util.find_spec("psycopg") is None, reason="psycopg is not installed"
)
needs_fork = pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
OPENERS = """
import os, sys
from advisor.store.database import Database
gate, key = os.pipe()
children = []
for number in range(4):
    child = os.fork()
    if child == 0:
        os.close(key)
        os.read(gate, 1)  # comes to an end for all of them when the parent closes it
        with Database(sys.argv[1], ("activation", "initializer")) as database:
            database.study(f"study {number}").begin("accuracy", "maximize", {}, None)
        os._exit(0)
    children.append(child)
os.close(key)
print([os.waitpid(child, 0)[1] for child in children])
"""


def open_four_times(url):
    """Open a database in four processes at the same moment, and return the studies in it then."""
    said = run_script(OPENERS, url)
    assert said.stdout == "[0, 0, 0, 0]\n", said.stderr
    return sorted(name for (name,) in read(url, "SELECT study FROM advisor_studies")[1])


def run_script(script, *words, **more):
    line = [sys.executable, "-c", script, *words]
    return subprocess.run(line, capture_output=True, text=True, timeout=300, **more)


def schema(path):
    """What is in a file besides rows: tables, indexes and views."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return set(connection.execute("SELECT type, name, sql FROM sqlite_master"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A database that one process has made."""
    path = tmp_path_factory.mktemp("whole") / "whole.db"
    Database(f"sqlite:///{path}", SLOTS).close()
    return path


def rows_of_versions(url):
    versions = read(url, "SELECT COUNT(*), MAX(library_version) FROM version_info")[1]
    return versions, read(url, "SELECT COUNT(*), MAX(version_num) FROM alembic_version")[1]


@needs_fork
def test_four_processes_make_one_new_file_together(tmp_path, whole):
    url = f"sqlite:///{tmp_path}/deep/new.db"
    assert open_four_times(url) == [f"study {number}" for number in range(4)]
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["new.db"]
    assert schema(tmp_path / "deep" / "new.db") == schema(whole)
    assert rows_of_versions(url) == rows_of_versions(f"sqlite:///{whole}")


def test_four_processes_make_the_tables_of_one_new_database_of_a_server_together(server_url):
    assert open_four_times(server_url) == [f"study {number}" for number in range(4)]
    (count, _), *_ = read(server_url, "SELECT COUNT(*), 1 FROM alembic_version")[1]
    assert count == 1


@needs_fork
def test_an_older_file_is_converted_once_by_those_that_open_it_together(tmp_path, whole):
    path = tmp_path / "old.db"
    path.write_bytes(whole.read_bytes())
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            """
            DROP VIEW advisor_studies; DROP VIEW advisor_trials; DROP TABLE advisor_curves;
            DROP INDEX ix_trials_study_id; DELETE FROM alembic_version;
            """
        )
    open_four_times(f"sqlite:///{path}")
    assert schema(path) == schema(whole)
    assert rows_of_versions(f"sqlite:///{path}") == rows_of_versions(f"sqlite:///{whole}")


KILLED = """
import os, signal, sys
import sqlalchemy as sa
from advisor.store.database import Database

def kill_at(statement):
    def count(*_):
        nonlocal statement
        statement -= 1
        if statement < 0:
            os.kill(os.getpid(), signal.SIGKILL)
    return count

killed = 0
for statement in range(0, 500, 14):
    child = os.fork()
    if child == 0:
        sa.event.listen(sa.Engine, "before_cursor_execute", kill_at(statement))
        with Database(f"sqlite:///{statement}.db", ("activation", "initializer")):
            os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
    killed += 1
print(killed)
"""


@needs_fork
def test_a_kill_at_any_statement_of_the_making_leaves_a_file_that_the_next_opening_completes(
    tmp_path, whole
):
    said = run_script(KILLED, cwd=tmp_path)
    assert int(said.stdout) > 4, said.stderr
    left = sorted(tmp_path.glob("*.db"))
    assert len(left) > 4
    for path in left:
        Database(f"sqlite:///{path}", SLOTS).close()
        assert schema(path) == schema(whole)
        assert rows_of_versions(f"sqlite:///{path}") == rows_of_versions(f"sqlite:///{whole}")
    assert sorted(tmp_path.iterdir()) == left, "no log of SQLite is left"


def test_who_reads_a_view_finds_it_also_while_others_renew_it(tmp_path, whole):
    path = tmp_path / "studies.db"
    path.write_bytes(whole.read_bytes())
    renewing = textwrap.dedent(
        f"""
        from advisor.store.database import Database
        print("ready", flush=True)
        for number in range(8):
            slots = ("activation",) if number % 2 else ("activation", "initializer")
            Database("sqlite:///{path}", slots).close()
        """
    )
    process = subprocess.Popen([sys.executable, "-c", renewing], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    while process.poll() is None:
        read(f"sqlite:///{path}", "advisor_studies")
        read(f"sqlite:///{path}", "advisor_trials")
    assert process.communicate() == ("", None)
    assert process.returncode == 0


def test_a_reader_that_stays_does_not_hold_up_the_next_opening_of_a_server(server_url):
    import psycopg

    Database(server_url, SLOTS).close()
    with psycopg.connect(server_url.replace("+psycopg", "")) as reader:
        reader.execute("SELECT * FROM advisor_studies")  # its transaction goes on
        Database(server_url, SLOTS).close()


def test_optuna_alone_made_the_file_before(tmp_path):
    url = f"sqlite:///{tmp_path}/theirs.db"
    theirs = optuna.create_study(storage=url, study_name="theirs")
    theirs._storage.remove_session()
    theirs._storage._backend.engine.dispose()
    with Database(url, SLOTS) as database:
        assert optuna.get_all_study_names(database.storage) == ["theirs"]
    assert read(url, "advisor_studies")[1] == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite://", "must outlast its process"),
        ("sqlite:///", "must outlast its process"),
        ("sqlite:///:memory:", "must outlast its process"),
        ("sqlite+pysqlite:///:memory:", "must outlast its process"),
        ("sqlite:///file::memory:?uri=true", "must outlast its process"),
        ("sqlite:///file:x.db?mode=memory&uri=true", "must outlast its process"),
        ("sqlite://host/x.db", "three slashes"),
        ("sqlite+aiosqlite:///x.db", "by no other driver"),
        ("sqlite:///x.db?timeout=abc", "timeout='abc'"),
        ("sqlite:///x.db?timeout=nan", "timeout='nan'"),
        ("sqlite:///x.db?colour=red", "no option 'colour'"),
        ("sqlite:///file:x.db?uri=true&mode=abc", "no such access mode"),
        ("sqlite:///folder", "folder is a folder"),
        ("sqlite:///notes.txt/x.db", "notes.txt"),
        ("mysql://host/name", "not in 'mysql'"),
        pytest.param("postgresql+psycopg:///name?host=/&colour=red", "colour", marks=needs_driver),
    ],
)
def test_an_url_under_which_no_study_can_be_kept_is_refused_with_one_message(
    url, said, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "notes.txt").write_text("notes")
    with pytest.raises(InputError) as refused:
        Database(url, SLOTS)
    assert said in str(refused.value)
    assert url in str(refused.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "notes.txt"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows gives hard links to few")
def test_a_file_with_two_names_is_refused_because_sqlite_would_lose_what_it_writes(tmp_path, whole):
    path = tmp_path / "one.db"
    path.write_bytes(whole.read_bytes())
    (tmp_path / "two.db").hardlink_to(path)
    with pytest.raises(InputError, match=r"two\.db has a second name"):
        Database(f"sqlite:///{tmp_path}/two.db", SLOTS)
    assert read(f"sqlite:///{tmp_path}/two.db", "advisor_studies")[1] == []


@pytest.mark.parametrize("name", ["{a}.db", "a b.db", "a%20b.db", "a?b.db", "a#b.db", "ä.db"])
def test_a_plain_path_names_the_file_with_exactly_these_letters(name, tmp_path, monkeypatch):
    from advisor.store.location import storage_url

    monkeypatch.chdir(tmp_path)
    with Database(storage_url(name), SLOTS):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert read(storage_url(name), "advisor_studies")[1] == []


def test_a_directory_that_changes_later_does_not_change_the_file(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with Database("sqlite:///here.db", SLOTS) as database:
        monkeypatch.chdir(tmp_path / "elsewhere")
        database.engine.dispose()
        database.study("digits").begin("accuracy", "maximize", {}, None)
    assert len(read(f"sqlite:///{tmp_path}/here.db", "advisor_studies")[1]) == 1
    assert not list((tmp_path / "elsewhere").iterdir())
