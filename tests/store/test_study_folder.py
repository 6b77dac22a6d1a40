"""One coordinator per study and database, however the database is named; and what is left."""

import contextlib
import errno
import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from advisor import file_lock
from advisor.errors import InputError, MachineError
from advisor.file_lock import FileLock
from advisor.store import server_lock
from advisor.store.database import Database
from advisor.store.folder import study_folder
from advisor.store.query import read

RUNNING = "Study 'digits' is running in another process"


@contextmanager
def held(url, name="digits"):
    """A study that runs: its folder."""
    with Database(url, None) as database, study_folder(database, name) as folder:
        yield folder


def write_states(folder, states):
    (folder / "cache").mkdir()
    for name in states:
        (folder / name).write_text("state")


def stop(url, problem, states):
    """Stop a study by an exception when it has written these files; returns its folder."""
    try:
        with held(url) as folder:
            write_states(folder, states)
            raise problem
    except (KeyboardInterrupt, MachineError, SystemExit):
        return folder


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a database, links to it and to its folder, as the current directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "real").mkdir()
    Database("sqlite:///real/a b.db", None).close()
    (tmp_path / "link.db").symlink_to(tmp_path / "real" / "a b.db")
    (tmp_path / "folder").symlink_to(tmp_path / "real")
    return tmp_path


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///real/a b.db",
        "sqlite:///real/a%20b.db",
        "sqlite:///real/a%20b%2Edb",
        "sqlite:///real/a%20b%2edb",
        "sqlite:///./real/../real/a b.db",
        "sqlite:///{here}/real/a b.db",
        "sqlite+pysqlite:///real/a b.db",
        "sqlite:///real/a b.db?timeout=5",
        "sqlite:///file:real/a%20b.db?uri=true",
        "sqlite:///file:{here}/real/a b.db?uri=true&mode=rw",
        "sqlite:///file://{here}/real/a b.db?mode=rwc&uri=True",
        "sqlite:///link.db",
        "sqlite:///folder/a b.db",
    ],
)
def test_a_study_that_runs_is_refused_by_whatever_name_its_file_is_given(url, here):
    given = url.replace("{here}", str(here))
    with held("sqlite:///real/a b.db"), pytest.raises(InputError, match=RUNNING), held(given):
        pass
    with held(given), pytest.raises(InputError, match=RUNNING), held("sqlite:///real/a b.db"):
        pass
    assert names(here / "real") == ["a b.db"]


def test_other_studies_and_other_databases_do_not_keep_a_study_waiting(tmp_path):
    urls = [f"sqlite:///{tmp_path}/{name}" for name in ("run.2024", "run.2025", "run", "run.db")]
    with contextlib.ExitStack() as stack:
        folders = [stack.enter_context(held(url, "digits")) for url in urls]
        folders += [stack.enter_context(held(urls[0], name)) for name in ("Digits", "digits!")]
        assert len(set(folders)) == 6
    assert names(tmp_path) == ["run", "run.2024", "run.2025", "run.db"]


def test_a_good_end_leaves_the_database_alone(tmp_path):
    with held(f"sqlite:///{tmp_path}/a.db") as folder:
        write_states(folder, ("3-2.pt", "pilot-3.pt", "cache/x.pt", "3-4.1f.part"))
    assert names(tmp_path) == ["a.db"]


@pytest.mark.parametrize("problem", [KeyboardInterrupt, MachineError("disk"), SystemExit])
def test_a_study_that_is_stopped_leaves_what_it_needs_to_go_on_and_nothing_else(tmp_path, problem):
    url = f"sqlite:///{tmp_path}/a.db"
    states = ("3-2.pt", "pilot-3.pt", "cache/x.pt", "cache/x.1f.part", "3-4.1f.part")
    folder = stop(url, problem, states)
    assert names(folder) == ["3-2.pt", "cache", "cache/x.pt"]
    assert names(tmp_path / "a.db.checkpoints")[0] == folder.name
    assert sum("." in name for name in names(tmp_path)) == 6, "the file, and these with its folders"
    with held(url) as again:
        assert again == folder
        assert (folder / "3-2.pt").read_text() == "state"
    assert names(tmp_path) == ["a.db"]


def test_a_study_that_is_stopped_before_it_has_a_state_leaves_no_folder(tmp_path):
    stop(f"sqlite:///{tmp_path}/a.db", KeyboardInterrupt, ["pilot-3.pt"])
    assert names(tmp_path) == ["a.db"]


def test_who_is_refused_leaves_the_folder_of_the_one_that_runs(tmp_path):
    url = f"sqlite:///{tmp_path}/a.db"
    with held(url) as folder:
        with pytest.raises(InputError, match=RUNNING), held(url):
            pass
        assert folder.is_dir()


@pytest.mark.parametrize("end", ["well", "badly"])
def test_a_study_that_ends_leaves_the_states_of_another_in_the_same_database(tmp_path, end):
    url = f"sqlite:///{tmp_path}/a.db"
    with held(url, "other") as other:
        (other / "1-2.pt").write_text("state")
        with contextlib.suppress(KeyboardInterrupt), held(url):
            if end == "badly":
                raise KeyboardInterrupt
        assert (other / "1-2.pt").is_file()
        with pytest.raises(InputError, match="'other' is running"), held(url, "other"):
            pass


# --- states of older versions -------------------------------------------------------------------


@pytest.fixture
def older(tmp_path):
    """A database, its URL, and the folder of a study's states as older versions named it."""
    url = f"sqlite:///{tmp_path}/run.2024"
    with held(url) as folder:
        leaf = folder.name
    states = tmp_path / "run.checkpoints" / leaf
    states.mkdir(parents=True)
    (states / "3-2.pt").write_text("state")
    states.with_suffix(".lock").write_text("")
    return url, states


def test_the_states_that_an_older_version_left_are_found_again(older, tmp_path):
    (tmp_path / "run.py").write_text("no database")
    (tmp_path / "run.db-wal").write_text("")
    with held(older[0]) as folder:
        assert (folder / "3-2.pt").read_text() == "state"
        assert not older[1].parent.exists()


def test_states_that_two_databases_may_have_left_are_left_alone(older, tmp_path):
    Database(f"sqlite:///{tmp_path}/run.2025", None).close()
    with held(older[0]) as folder:
        assert not names(folder)
    assert (older[1] / "3-2.pt").is_file()


def test_a_study_that_an_older_version_runs_is_refused(older):
    lock = FileLock(older[1].with_suffix(".lock"))
    assert lock.take()
    with pytest.raises(InputError, match=RUNNING), held(older[0]):
        pass
    lock.give_back()
    assert (older[1] / "3-2.pt").is_file()


# --- the lock on a file -------------------------------------------------------------------------


def test_a_file_is_held_once_and_gone_when_it_is_given_back(tmp_path):
    one, two = FileLock(tmp_path / "deep" / "a.lock"), FileLock(tmp_path / "deep" / "a.lock")
    assert one.take()
    assert not two.take()
    one.give_back()
    assert not list((tmp_path / "deep").iterdir())
    assert two.take()
    one.give_back()  # which it does not hold any more
    assert two.path.exists()
    two.give_back()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows removes no file that is open")
def test_who_opened_a_file_that_its_holder_then_removed_does_not_hold_the_new_one(
    tmp_path, monkeypatch
):
    first, late, new = (FileLock(tmp_path / "a.lock") for _ in range(3))
    assert first.take()
    locking = file_lock.lock_descriptor

    def lock_descriptor(descriptor):
        # `late` has opened the file of `first`, and locks it after `new` has made another.
        monkeypatch.setattr(file_lock, "lock_descriptor", locking)
        first.give_back()
        assert new.take()
        return locking(descriptor)

    monkeypatch.setattr(file_lock, "lock_descriptor", lock_descriptor)
    assert not late.take()
    new.give_back()
    assert late.take()
    late.give_back()


def test_a_folder_that_another_study_removes_while_it_is_empty_is_made_again(tmp_path, monkeypatch):
    path = tmp_path / "states" / "a.lock"
    opening = os.open

    def open_once(*words):
        monkeypatch.setattr(os, "open", opening)
        path.parent.rmdir()
        return opening(*words)

    monkeypatch.setattr(os, "open", open_once)
    lock = FileLock(path)
    assert lock.take()
    lock.give_back()


FORKING = """
import os, sys, time
from pathlib import Path
from advisor.file_lock import FileLock
assert FileLock(Path(sys.argv[1])).take()
if os.fork() == 0:
    print("held", flush=True)  # only by the parent: the child has let go of it
    sys.stdin.read()  # until the test is over
    os._exit(0)
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
def test_a_lock_goes_with_its_process_though_a_child_of_it_lives_on(tmp_path):
    words = [sys.executable, "-c", FORKING, str(tmp_path / "a.lock")]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    lock = FileLock(tmp_path / "a.lock")
    assert not lock.take()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert lock.take()
    lock.give_back()
    process.stdin.close()
    process.stdout.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has locks of another kind")
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_said_to_be_one(tmp_path, monkeypatch, number):
    def flock(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(file_lock.fcntl, "flock", flock)
    with pytest.raises(MachineError, match="has no locks"), held(f"sqlite:///{tmp_path}/a.db"):
        pass


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "a.db.checkpoints").write_text("notes")
    with (
        pytest.raises(InputError, match=r"a\.db\.checkpoints.* must be a folder"),
        held(f"sqlite:///{tmp_path}/a.db"),
    ):
        pass
    assert (tmp_path / "a.db.checkpoints").read_text() == "notes"


def test_a_full_disk_is_the_machines_fault(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(file_lock, "open_file", full)
    with pytest.raises(MachineError, match="No space left"), held(f"sqlite:///{tmp_path}/a.db"):
        pass


# --- the lock of a server -----------------------------------------------------------------------


def test_two_directories_are_kept_apart_by_the_server(server_url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with held(server_url) as folder:
        assert folder.is_relative_to(tmp_path / "studies")
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        with pytest.raises(InputError, match=RUNNING), held(server_url):
            pass
        with held(server_url, "other"):
            pass
    assert names(tmp_path) == ["elsewhere"]


def test_two_databases_and_two_schemas_of_a_server_have_studies_of_their_own(
    server, server_url, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    other = server.new_database("other database")
    server.run_sql("other database", "CREATE SCHEMA mine")
    mine = f"{other}&options=-csearch_path%3Dmine"
    with held(server_url) as one, held(other) as two, held(mine) as three:
        assert len({one, two, three}) == 3
    assert names(tmp_path) == []


def end_session(server):
    """End the sessions that hold locks, as a firewall or a server that is stopped does."""
    server.run_sql(
        "postgres",
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'",
    )


def test_no_transaction_begins_when_the_lock_is_lost(server, server_url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Database(server_url, None) as database:
        records = database.study("digits")
        with contextlib.ExitStack() as stack:
            stack.enter_context(study_folder(database, "digits"))
            records.begin("accuracy", "maximize", {}, None)
            end_session(server)
            with pytest.raises(MachineError, match="terminating connection"):
                records.spend(1.0)
            with pytest.raises(MachineError, match="no lock in the database any more"):
                records.spend(1.0)
        # Given back, it does not concern the next one.
        with study_folder(database, "digits"):
            records.spend(2.0)
    assert read(server_url, "SELECT seconds FROM advisor_plans")[1] == [(2.0,)]


def test_a_session_that_was_exchanged_behind_the_connection_holds_no_lock(server_url):
    with Database(server_url, None) as database:
        lock = server_lock.ServerLock(database.engine, "digits")
        assert lock.take()
        lock.check()
        lock._connection.execute(sa.text("SELECT pg_advisory_unlock_all()"))
        with pytest.raises(MachineError, match="may run it"):
            lock.check()
        lock.give_back()


def test_a_lock_is_used_again_and_again_so_that_nothing_forgets_it(server_url, monkeypatch):
    monkeypatch.setattr(server_lock, "KEEP_ALIVE_SECONDS", 0.01)
    with Database(server_url, None) as database:
        lock = server_lock.ServerLock(database.engine, "digits")
        assert lock.take()
        seen = []
        sa.event.listen(
            lock._connection, "before_cursor_execute", lambda *words: seen.append(words[2])
        )
        while len(seen) < 3:
            pass
        assert all("pg_locks" in statement for statement in seen)
        lock.give_back()
