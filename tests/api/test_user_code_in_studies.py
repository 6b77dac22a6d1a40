"""Code of the user's that ends processes, raises anything or never returns, in whole studies."""

import os
import signal
import subprocess
import sys
import time

import pytest

import advisor
from advisor.errors import InputError, MachineError, SearchError
from advisor.store.query import read

STUDY = """
import ctypes, os, pathlib, signal, sys, time
import torch
from torch import nn
import advisor

def data():
    {data}
    x = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    return x, (x[:, 0] > 0).long()

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.act, self.last = nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)

    def forward(self, x):
        {forward}
        trains = self.training and torch.is_grad_enabled()
        if trains and isinstance(self.act, nn.ELU):
            {elu}
        if trains:
            {training}
        return self.last(self.act(self.first(x)))

study = advisor.Study("small", advisor.Task(build=Net, data=data), trials=3, epochs=1, seeds=3,
                      only={{"activation": ["elu", "tanh"], "initializer": [], "embedding": [],
                            "pretraining": []}}, trial_minutes={minutes})
"""


LATER = "setattr(sys, 'calls', getattr(sys, 'calls', 0) + 1) or sys.calls > 1 and {}"
"""A statement that is run by trainings, and not by the opening, which calls the model once."""


@pytest.fixture
def file(write):
    """A study file with a statement in some of its places."""

    def file(minutes=None, **places):
        filled = {name: places.get(name, "pass") for name in ("data", "forward", "elu", "training")}
        return write("small.py", STUDY.format(minutes=minutes, **filled))

    return file


def trials(path):
    columns = "number, state, activation, why"
    return read(f"sqlite:///{path}", f"SELECT {columns} FROM advisor_trials ORDER BY number")[1]


@pytest.mark.parametrize(
    ("statement", "workers", "why"),
    [
        (
            "os._exit(0)",
            1,
            "its worker process ended 3 times: exit code 0: os._exit in Net.forward",
        ),
        (
            "ctypes.string_at(0)",
            2,
            "its worker process ended 3 times: killed by SIGSEGV in forward",
        ),
        ("sys.exit(0)", 1, "it asked Python to exit (SystemExit: 0)"),
        ("raise KeyboardInterrupt", 2, "KeyboardInterrupt"),
        ("raise BaseException('odd')", 0, "BaseException: odd"),
        ("torch.empty(10**15)", 1, "out of memory: RuntimeError"),
    ],
)
def test_a_model_that_ends_its_process_costs_one_trial_also_when_it_is_asked_for_more(
    file, tmp_path, statement, workers, why
):
    study, url = file(elu=statement), str(tmp_path / "a.db")
    found = advisor.tune(study, storage=url, workers=workers)
    assert found.trials.failed == 1
    failed = [row for row in trials(url) if row[1] == "FAIL"]
    assert [row[2] for row in failed] == ["elu"]
    assert failed[0][3].startswith(why)
    again = advisor.tune(study, storage=url, workers=workers)
    assert again.to_json() == found.to_json()


def test_a_training_that_never_ends_is_one_failed_trial(file, tmp_path):
    url = str(tmp_path / "a.db")
    study = file(minutes=0.1, elu="time.sleep(600)")
    found = advisor.tune(study, storage=url, workers=1)
    assert found.trials.failed == 1
    why = [row[3] for row in trials(url) if row[1] == "FAIL"]
    assert why == ["it took longer than 0.1 minutes, in Net.forward, small.py:21 (--trial-minutes)"]


def test_the_limit_of_a_training_is_told(file, tmp_path):
    events = []
    advisor.tune(file(), storage=str(tmp_path / "a.db"), workers=1, on=events.append)
    said = "a training may take at most 10 minutes (--trial-minutes)"
    assert [event.text for event in events if "at most" in event.text] == [said]


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(
    ("place", "line"), [("data", "data, small.py:8"), ("forward", "Net.forward, small.py:18")]
)
def test_a_study_that_wants_to_end_the_program_is_refused_with_the_line(
    file, tmp_path, workers, place, line
):
    study = file(**{place: "sys.exit(0)"})
    with pytest.raises(InputError, match=f"{line}, called sys.exit"):
        advisor.tune(study, storage=str(tmp_path / "a.db"), workers=workers)


@pytest.mark.parametrize(
    ("place", "statement", "said"),
    [
        ("data", "os._exit(0)", "exit code 0: os._exit in data, small.py:8"),
        ("forward", "ctypes.string_at(0)", "killed by SIGSEGV in forward, small.py:18"),
    ],
)
def test_a_study_that_ends_the_process_that_opens_it_is_refused_with_the_line(
    file, tmp_path, place, statement, said
):
    study = file(**{place: statement})
    with pytest.raises(InputError, match=f"Opening the study ended the process.*{said}"):
        advisor.tune(study, storage=str(tmp_path / "a.db"))
    assert not (tmp_path / "a.db").exists()


def test_a_plugin_that_ends_the_process_is_refused_with_the_line(file, write, tmp_path):
    plugin = write(
        "mine.py",
        "import os, advisor\nclass Mine(advisor.Technique):\n    name, slot = 'mine', 'activation'\n"
        "    def unfit(self, run):\n        os._exit(0)\n"
        "@advisor.hookimpl\ndef techniques():\n    return [Mine()]\n",
    )
    study = write(
        "more.py",
        STUDY.format(
            data="pass", forward="pass", elu="pass", training="pass", minutes=None
        ).replace('"elu", "tanh"', '"mine"'),
    )
    with pytest.raises(InputError, match=r"os._exit in Mine.unfit, mine.py:5"):
        advisor.tune(study, storage=str(tmp_path / "a.db"), plugins=[plugin])


def test_a_model_that_ends_every_training_cannot_be_trained(file, tmp_path):
    url = str(tmp_path / "a.db")
    with pytest.raises(SearchError, match="cannot be trained: its worker process ended 3 times"):
        advisor.tune(file(training=LATER.format("os._exit(0)")), storage=url)
    assert read(f"sqlite:///{url}", "SELECT * FROM advisor_deaths")[1] == []


# --- the coordinator ----------------------------------------------------------------------------

COMMAND = [sys.executable, "-m", "advisor.cli", "tune", "small.py", "--storage", "a.db", "--quiet"]

HANG = """(
            pathlib.Path("log").open("a").write(f"{os.getpid()}\\n"),
            len(pathlib.Path("log").read_text().split()) == 3 and ctypes.PyDLL(None).sleep(600),
            os._exit(3))"""


def wait_for(condition, most=120.0):
    end = time.monotonic() + most
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.proof
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_kill_of_the_coordinator_is_no_attempt_and_leaves_no_worker(file, tmp_path):
    """It is killed between the second and the third death, while the worker holds Python's lock."""
    file(elu=HANG)
    log = tmp_path / "log"
    command = subprocess.Popen([*COMMAND, "--workers", "1"], cwd=tmp_path)
    wait_for(lambda: log.exists() and len(log.read_text().split()) == 3)
    command.kill()
    command.wait()
    started = list(map(int, log.read_text().split()))
    wait_for(lambda: not any(map(is_alive, started)))
    deaths = "SELECT job, deaths FROM advisor_deaths"
    assert read(f"sqlite:///{tmp_path}/a.db", deaths)[1] == [("trial 1", 2)]

    subprocess.run([*COMMAND, "--workers", "1"], cwd=tmp_path, check=True, capture_output=True)
    assert len(log.read_text().split()) == 4, "one more attempt, which is the third"
    failed = [row for row in trials(tmp_path / "a.db") if row[1] == "FAIL"]
    assert [row[0] for row in failed] == [1]
    assert "ended 3 times: exit code 3" in failed[0][3]


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("workers", ["0", pytest.param("1", marks=pytest.mark.proof)])
def test_an_interrupt_ends_the_study_and_is_no_failed_trial(file, tmp_path, workers):
    file(elu='(pathlib.Path("log").write_text(str(os.getpid())), time.sleep(600))')
    log = tmp_path / "log"
    command = subprocess.Popen(
        [*COMMAND, "--workers", workers], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    wait_for(lambda: log.exists() and log.read_text())
    command.send_signal(signal.SIGINT)
    said = command.communicate(timeout=60)[1]
    assert command.returncode == 130
    assert "The same command goes on" in said
    assert not is_alive(int(log.read_text()))
    assert [row[1] for row in trials(tmp_path / "a.db")] == ["COMPLETE", "RUNNING", "RUNNING"]


def test_where_every_worker_is_killed_the_command_can_go_on(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    is_worker = 'pathlib.Path("stop").read_text() != str(os.getpid())'
    kill = f'os.path.exists("stop") and {is_worker} and os.kill(os.getpid(), signal.SIGKILL)'
    study = file(training=LATER.format(kill))
    advisor.tune(study, storage="a.db", workers=0)
    (tmp_path / "stop").write_text(str(os.getpid()))
    more = write_more_trials(tmp_path / "small.py")
    with pytest.raises(MachineError, match="Nothing of it counts"):
        advisor.tune(more, storage="a.db", workers=1)
    assert [row[1] for row in trials("a.db")][3:] == ["RUNNING"]
    assert read("sqlite:///a.db", "SELECT * FROM advisor_deaths")[1] == []
    (tmp_path / "stop").unlink()
    found = advisor.tune(more, storage="a.db", workers=1)
    assert (found.trials.total, found.trials.failed) == (4, 0)


def write_more_trials(path):
    """Ask the study for one more trial."""
    path.write_text(path.read_text().replace("trials=3", "trials=4"))
    return str(path)
