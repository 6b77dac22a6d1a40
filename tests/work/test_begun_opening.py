"""A worker opens a study while the command itself still begins."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import advisor
from advisor.imports import uncollected
from advisor.work.named_libraries import COMPILER, import_all, libraries_of
from advisor.work.opening import begun_opening, open_study
from advisor.work.study_ref import StudyRef

STUDY = """
from torch import nn
import pathlib, advisor, torch
HERE = pathlib.Path(__file__).parent
def data():
    with open(HERE / "reads.txt", "a") as file:
        file.write("read\\n")
    return torch.linspace(-1, 1, 60)[:, None] * torch.ones(3), torch.arange(60) // 30
def net():
    return nn.Linear(3, 2)
study = advisor.Study("small", advisor.Task(net, data), trials=1, epochs=1)
"""


@pytest.fixture
def ref(write):
    return StudyRef(file=write("study.py", STUDY))


def test_a_study_that_a_worker_opens_already_is_opened_once_in_each_process(ref, tmp_path):
    with begun_opening(ref, "cpu", 1) as begun:
        prepared = open_study(ref, "cpu", begun.crew, begun)
        assert prepared.opening_id == begun.opening_id
        asked = "[each.prepared.opening_id for each in __import__('advisor.work.opened').work.opened._openings]"
        assert begun.crew.call(eval, asked, what="asking") == [begun.opening_id]
    assert (tmp_path / "reads.txt").read_text() == "read\n" * 2


def test_whatever_ends_the_command_meanwhile_ends_the_worker(ref):
    pids = []

    def interrupted():
        with begun_opening(ref, "cpu", 1) as begun:
            pids.append(begun.crew.call(eval, "__import__('os').getpid()", what="asking"))
            assert Path(f"/proc/{pids[0]}").exists() or sys.platform != "linux"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        interrupted()
    assert not Path(f"/proc/{pids[0]}").exists()


def test_a_study_that_cannot_be_opened_says_so_as_ever(write):
    ref = StudyRef(file=write("study.py", STUDY.replace("nn.Linear(3, 2)", "nn.Linear(4, 2)")))
    with begun_opening(ref, "cpu", 1) as begun, pytest.raises(advisor.InputError):
        open_study(ref, "cpu", begun.crew, begun)


def test_nothing_is_begun_where_this_process_trains_or_a_script_does(ref):
    script = StudyRef(flags='{"name": "a", "script": "a.py", "words": [], "minimize": false}')
    for given, workers in ((ref, 0), (script, 2)):
        with begun_opening(given, "cpu", workers) as begun:
            assert begun is None


def test_workers_have_no_compiler_and_do_not_look_at_what_the_server_imported():
    program = """
from advisor.work.crews import crew
asked = "[n in __import__('sys').modules for n in ('torch._dynamo', 'torch')]"
with crew(1) as workers:
    print(workers.call(eval, asked, what="asking"))
    print(workers.call(eval, "__import__('gc').isenabled()", what="asking"))
    print(workers.call(eval, "__import__('gc').get_freeze_count() > 10000", what="asking"))
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    server_imported = sys.platform == "linux"
    assert ended.stdout.split("\n")[1] == "True"
    assert ended.stdout.startswith("[False, True]")
    assert not server_imported or ended.stdout.split("\n")[2] == "True"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("import torch\nfrom torch import nn\n", []),
        (
            "from sklearn.datasets import load_digits\nimport pandas as pd",
            ["sklearn.datasets", "pandas"],
        ),
        ("def data():\n    import scipy.io\n", ["scipy.io"]),
        ("# import sklearn\nimport sklearn_extra, pandasql\n", []),
        ("torch.optim.SGD", [COMPILER]),
        ("Task(optimizer='sgd')", [COMPILER]),
    ],
)
def test_what_a_file_imports_is_known_from_its_text(write, text, wanted):
    path = write("study.py", text)
    assert libraries_of(path, None) == wanted
    assert libraries_of(f"{path}:study") == wanted


def test_what_the_modules_beside_a_file_import_is_known_too(write):
    write("rows.py", "from sklearn.datasets import load_iris\nimport study\n")
    write("unasked.py", "import scipy.io\n")
    path = write("study.py", "import torch\nfrom rows import irises\nimport pandas\n")
    assert libraries_of(path, None) == ["pandas", "sklearn.datasets"]


def test_what_is_no_python_file_names_nothing(tmp_path, write):
    (tmp_path / "odd.py").write_bytes(b"import pandas\n\xff")
    names = ["nowhere.py", str(tmp_path), str(tmp_path / "odd.py"), write("a.csv", "import pandas")]
    assert libraries_of(*names, None) == []
    assert libraries_of(None, optimizer="sgd") == [COMPILER]
    import_all(["no_such_module", "json"])


def test_garbage_is_collected_again_however_imports_end():
    import gc

    assert gc.isenabled()
    with uncollected():
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(KeyError), uncollected():
        raise KeyError
    assert gc.isenabled()
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
