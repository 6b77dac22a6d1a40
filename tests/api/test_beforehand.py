"""The server of workers begins to import before the call that needs it does."""

import subprocess
import sys

import pytest

import advisor
from advisor.api import beforehand
from advisor.work.study_ref import StudyRef

PROGRAM = """
import sys
from advisor.api import beforehand
seen = []
beforehand.warm_up = lambda libraries: seen.append("torch" in sys.modules)
import advisor
tune = advisor.tune
try:
    tune("nowhere.py", workers=1)
except advisor.InputError:
    print(seen, "torch" in sys.modules)
"""


@pytest.fixture
def warmed(monkeypatch):
    """The libraries that the server is told."""
    told = []
    monkeypatch.setattr(beforehand, "warm_up", told.append)
    return told


def test_it_begins_before_this_process_imports_torch():
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert ended.stdout == "[False] True\n"


def test_it_is_told_what_the_file_of_a_study_imports(warmed, write, monkeypatch):
    path = write("study.py", "import pandas\n")
    beforehand.begin_server(None, None, path, f"{path}:study", StudyRef(file=path), None, 5)
    assert warmed == [["pandas"]]
    # A study that was made in a program needs what that imports.
    main = write("main.py", "import scipy\n")
    monkeypatch.setattr(sys.modules["__main__"], "__file__", main, raising=False)
    beforehand.begin_server(2, None, advisor.Study("a", advisor.Task(len, [])))
    assert warmed[1:] == [["scipy"]]


def test_nothing_begins_where_no_worker_is_ours(warmed):
    beforehand.begin_server(0, None, "study.py")
    beforehand.begin_server(None, "dask://here:1", "study.py")
    assert not warmed
