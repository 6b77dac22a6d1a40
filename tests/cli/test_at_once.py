"""Several commands on one database at once, in processes of their own."""

import signal
import subprocess
import sys
import time

import pytest

from advisor.errors import AdvisorError
from advisor.store.query import read

NET = """
from torch import nn
def net():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
"""
DATA = """
from sklearn.datasets import load_iris
def data():
    x, y = load_iris(return_X_y=True)
    return (x - x.mean(0)).astype("float32"), y
"""
SHORT = ("--trials", "3", "--epochs", "1", "--seeds", "3", "--quiet", "--json")
LONG = ("--trials", "100000", "--epochs", "1", "--seeds", "3", "--quiet", "--json")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")

FOUR = """
import os, signal, sys, torch
import advisor.cli
import advisor.api.tuning
gate, key = os.pipe()
children = []
for number in range(4):
    child = os.fork()
    if child == 0:
        os.close(key)
        # Each has a directory of its own, and says what goes wrong into a file in it.
        os.mkdir(str(number))
        os.chdir(str(number))
        os.dup2(os.open("said", os.O_WRONLY | os.O_CREAT), 2)
        sys.argv[1:] = [word.replace("NUMBER", str(number)) for word in sys.argv[1:]]
        os.read(gate, 1)  # comes to an end for all of them when the parent closes it
        try:
            advisor.cli.main()
        except SystemExit as end:
            sys.stderr.flush()
            os._exit(end.code)
        os._exit(99)
    children.append(child)
os.close(key)

# A study that goes on for ever is interrupted when the others have ended.
codes = []
while children:
    if len(children) == 1 and "100000" in sys.argv:
        os.kill(children[0], signal.SIGINT)
    child, status = os.wait()
    children.remove(child)
    codes.append(os.waitstatus_to_exitcode(status))
print(sorted(codes), file=sys.stderr)
"""


@pytest.fixture
def task(write):
    """The words of a task; the paths are absolute."""
    write("data.csv", "a,b\n")
    return (
        *("--model", f"{write('net.py', NET)}:net"),
        *("--data", f"{write('rows.py', DATA)}:data"),
        *("--workers", "0"),
    )


@pytest.fixture(params=["file", pytest.param("server", marks=pytest.mark.proof)])
def storage(request, tmp_path):
    """The URL of a database that is not there yet, or has nothing in it."""
    if request.param == "file":
        return f"sqlite:///{tmp_path}/deep/new.db"
    return request.getfixturevalue("server_url")


def four(tmp_path, *words):
    """What four commands that began at the same moment said, and their exit codes in order."""
    place = tmp_path / "four"
    place.mkdir()
    line = [sys.executable, "-c", FOUR, "tune", *words]
    ended = subprocess.run(line, cwd=place, capture_output=True, text=True, timeout=600)
    assert ended.returncode == 0, ended.stderr
    said = [(place / str(number) / "said").read_text() for number in range(4)]
    return said, ended.stderr.splitlines()[-1]


def test_four_studies_begin_at_once_in_a_new_database(tmp_path, task, storage):
    words = (*task, *SHORT, "--storage", storage, "--name", "study-NUMBER")
    said, codes = four(tmp_path, *words)
    assert codes == "[0, 0, 0, 0]", said
    studies = read(storage, "SELECT study, trials FROM advisor_studies ORDER BY study")[1]
    assert [tuple(row) for row in studies] == [(f"study-{number}", 3) for number in range(4)]
    assert {path.name for path in (tmp_path / "four").glob("*/*")} == {"said"}
    if storage.startswith("sqlite"):
        assert [path.name for path in (tmp_path / "deep").iterdir()] == ["new.db"]


def test_one_of_four_that_ask_for_the_same_study_runs_and_the_others_are_told(
    tmp_path, task, storage
):
    said, codes = four(tmp_path, *task, *LONG, "--storage", storage, "--name", "one")
    assert codes == "[2, 2, 2, 130]", said
    refused = [text for text in said if "Study 'one' is running in another process" in text]
    assert len(refused) == 3
    assert all(len(text.splitlines()) == 1 for text in refused)


TRIALS = "SELECT COUNT(*) FROM advisor_curves WHERE study = 'one'"


def begun(process, url):
    """Wait until a command has trained a trial of the study `one`; fails where it ends before."""
    end = time.monotonic() + 300
    while process.poll() is None and time.monotonic() < end:
        try:
            if read(url, TRIALS)[1][0][0]:
                return
        except AdvisorError:
            pass  # there is no database yet, or no table in it
        time.sleep(0.05)
    raise AssertionError(f"exit code {process.poll()}: {process.communicate()}")


def start(tmp_path, *words):
    line = [sys.executable, "-m", "advisor.cli", *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(line, cwd=tmp_path, text=True, **pipes)


def test_a_study_that_runs_is_not_deleted_and_another_one_is(tmp_path, task, advise):
    url = f"sqlite:///{tmp_path}/studies.db"
    ended = advise("tune", *task, *SHORT, "--storage", url, "--name", "other")
    assert ended.code == 0, ended.err
    process = start(tmp_path, "tune", *task, *LONG, "--storage", url, "--name", "one")
    begun(process, url)
    said = advise("studies", "delete", "one", "--yes", "--storage", url)
    assert said.code == 2
    assert "Study 'one' is running in another process" in said.err
    assert said.out == ""
    assert process.poll() is None
    assert read(url, TRIALS)[1][0][0] > 0

    # Other commands go on meanwhile.
    assert advise("studies", "--storage", url).code == 0
    assert advise("show", "other", "--storage", url).code == 0
    assert advise("studies", "delete", "other", "--yes", "--storage", url).code == 0

    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=300)
    assert process.returncode == 130, said
    left = [path.name for path in tmp_path.iterdir() if path.name.startswith("studies.db")]
    assert set(left) <= {"studies.db", "studies.db.checkpoints"}
    assert not list(tmp_path.rglob("*.lock"))
    assert advise("studies", "delete", "one", "--yes", "--storage", url).code == 0
    assert [path.name for path in tmp_path.iterdir() if "studies" in path.name] == ["studies.db"]


@pytest.mark.proof
def test_a_study_goes_on_after_its_server_was_stopped_and_started(tmp_path, task):
    from postgres import Server

    server = Server()
    try:
        url = server.new_database("studies")
        process = start(tmp_path, "tune", *task, *LONG, "--storage", url, "--name", "one")
        begun(process, url)
        server.stop()
        server.start()
        out, err = process.communicate(timeout=300)
        assert process.returncode == 1, err
        assert "Traceback" not in err
        assert out == ""

        # What it had is kept, and the same command goes on.
        (before,) = read(url, "SELECT COUNT(*) FROM advisor_trials")[1][0]
        words = [str(int(before) + 2) if word == "100000" else word for word in LONG]
        process = start(tmp_path, "tune", *task, *words, "--storage", url, "--name", "one")
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        numbers = read(url, "SELECT number FROM advisor_trials ORDER BY number")[1]
        assert [number for (number,) in numbers] == list(range(before + 2))
        assert not (tmp_path / "studies").exists()
    finally:
        server.remove()
