"""Whole studies and comparisons with a training loop of the user's own."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import advisor
from advisor.errors import InputError
from advisor.search.plan import DECAY, RATE
from advisor.search.pruning import cut_limits
from advisor.search.trial import Round, Stage
from advisor.store.query import read
from advisor.training.criterion import Criterion
from advisor.training.epoch import Epoch
from advisor.training.metrics import METRICS
from advisor.verdict.records import Evidence, Verdict

STUDY = """
import time
import torch
from torch import nn
import advisor

def data():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(150, 4, generator=generator)
    return x, (x[:, 0] * x[:, 1] > 0).long()

def net():
    return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))

def fit(run):
    optimizer = torch.optim.SGD(run.model.parameters(), lr={lr}, momentum=.9)
    for _ in range(run.epochs):
        run.model.train()
        for x, y in run.loader(run.train):
            optimizer.zero_grad()
            nn.functional.cross_entropy(run.model(x), y).backward()
            optimizer.step()
            time.sleep({sleep})
        yield {score}

only = {{"activation": ["tanh", "{other}"], "initializer": {starts}, "embedding": [], "pretraining": []}}
study = advisor.Study("loop", advisor.Task(net, data, fit=fit, lr=.1, batch=8), trials={trials},
                      epochs=5, seeds=3, only=only)
"""


@pytest.fixture
def file(write):
    """A study file with a loop."""

    def file(name="loop.py", **words):
        usual = {
            "lr": "run.lr",
            "score": "",
            "trials": 9,
            "sleep": 0,
            "other": "elu",
            "starts": ["he"],
        }
        return write(name, STUDY.format(**{**usual, **words}))

    return file


def values(database, name):
    """The different values that a parameter had."""
    sql = "SELECT DISTINCT value FROM advisor_params WHERE name = :name"
    return [
        float(value)
        for (value,) in read(f"sqlite:///{database}", sql.replace(":name", f"'{name}'"))[1]
    ]


def without_times(text):
    return re.sub(r'"(seconds|search|confirm)": [\d.]+', "", text)


def test_a_study_with_an_own_loop_is_answered_row_by_row(file, tmp_path):
    url = str(tmp_path / "a.db")
    found = advisor.tune(file(trials=4), storage=url, workers=0)
    assert found.gain.rows > 0
    assert found.trials.failed == 0
    assert found.baseline.given.params[RATE] == 0.1
    assert values(url, DECAY) == [1e-4], "the loop never asks for it"
    assert "# train it as you do" in found.apply_with[-1]
    # It cannot go on from a state, and so is trained in one go.
    plan = json.loads(read(f"sqlite:///{url}", "SELECT plan FROM advisor_plans")[1][0][0])
    assert (plan["rungs"], plan["cut_at"]) == ([5], [2])


def test_a_training_in_one_go_must_reach_what_each_good_earlier_one_had():
    def trial(*scores):
        return SimpleNamespace(
            curve=[Epoch(at + 1, each, 0.5, 1.0) for at, each in enumerate(scores)]
        )

    full = [trial(0.7, 0.9), trial(0.2, 0.8), trial(0.6, 0.8), *[trial(0.1, 0.1)] * 3]
    plan = SimpleNamespace(cut_at=[1], baseline={"activation": "keep"})
    history = SimpleNamespace(
        plan=plan,
        criterion=Criterion(METRICS["accuracy"]),
        full_trials=lambda before: full[:before],
    )
    arm = {"activation": "tanh"}
    assert cut_limits(history, Round(Stage.EXPLORE, 6, 8), arm) == {1: 0.2}
    assert not cut_limits(history, Round(Stage.EXPLORE, 5, 8), arm), "too few to compare with"
    assert not cut_limits(history, Round(Stage.WHOLE, 6, 8), arm)
    assert not cut_limits(history, Round(Stage.TUNE, 6, 8), plan.baseline)


def test_scores_without_a_model_are_never_a_change(file, tmp_path):
    # A technique that is better by far, by what the loop says.
    better = "1.0 if isinstance(run.model[1], nn.Tanh) else .5"
    found = advisor.tune(file(score=better, trials=5), storage=str(tmp_path / "a.db"), workers=0)
    assert (found.verdict, found.evidence) == (Verdict.UNDECIDED, Evidence.OPEN)
    assert found.gain.low > 0.3
    assert found.gain.needed is None
    (said,) = [each for each in found.warnings if "gives scores and no model" in each]
    assert "never recommends a change" in said


@pytest.mark.proof
def test_a_rate_that_is_never_read_is_not_searched(file, tmp_path):
    url = str(tmp_path / "a.db")
    path = file(lr="0.05", trials=30, other="mish", starts=[])
    found = advisor.tune(path, storage=url, workers=0)
    assert values(url, RATE) == [0.1]
    arms = read(f"sqlite:///{url}", "SELECT activation, initializer FROM advisor_trials")[1]
    assert len(set(arms)) == len(arms) == 3, "no arm is trained twice"
    assert advisor.tune(path, storage=url, workers=0).to_json() == found.to_json()


@pytest.mark.proof
def test_another_loop_is_another_study(file, tmp_path):
    url = str(tmp_path / "a.db")
    advisor.tune(file(trials=2), storage=url, workers=0)
    with pytest.raises(InputError, match="fit"):
        advisor.tune(file(trials=2, lr="run.lr / 2"), storage=url, workers=0)


@pytest.mark.proof
def test_two_loops_are_compared(file, tmp_path):
    sides = [file(), file("slow.py", lr="run.lr / 1e4"), file("other.py", sleep="0.0")]
    found = advisor.compare(*sides, storage=str(tmp_path / "a.db"), workers=0, seeds=3)
    slow, same = found.gains
    assert slow.evidence in (Evidence.WORSE, Evidence.OPEN)
    assert slow.mean < 0
    assert same.identical


KILLED_AT = {
    "the search": ("advisor_curves", 10),
    "the choosing seeds": ("advisor_confirmations WHERE phase = 'choose'", 1),
    "the measuring seeds": ("advisor_confirmations WHERE phase = 'measure'", 1),
}
"""Where a study is killed: the rows that are there then."""


@pytest.mark.proof
@pytest.mark.parametrize("moment", KILLED_AT)
def test_a_killed_study_gives_the_same_json(moment, file, tmp_path):
    path, (what, count) = file(sleep=0.002, trials=5), KILLED_AT[moment]
    words = [sys.executable, "-m", "advisor", "tune", path, "--workers", "0", "--quiet"]
    killed = subprocess.Popen([*words, "--storage", str(tmp_path / "killed.db")], cwd=tmp_path)
    until = time.monotonic() + 200
    while rows_of(tmp_path / "killed.db", what) < count and time.monotonic() < until:
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL, "it was not over"
    begun = rows_of(tmp_path / "killed.db", what)
    texts = []
    for name in ("killed.db", "whole.db"):
        found = advisor.tune(path, storage=str(tmp_path / name), workers=0)
        texts.append(without_times(found.to_json()))
    assert begun >= count
    assert texts[0] == texts[1]
    for name in ("advisor_trials", "advisor_curves", "advisor_confirmations"):
        killed_rows, whole_rows = (rows_of(tmp_path / f"{each}.db", name) for each in KEPT)
        assert killed_rows == whole_rows > 0, name


KEPT = ("killed", "whole")
"""The databases of both studies."""


def rows_of(database: Path, what: str) -> int:
    """How many rows a table has, 0 where there is none yet."""
    try:
        ((count,),) = read(f"sqlite:///{database}", f"SELECT COUNT(*) FROM {what}")[1]
    except InputError:
        return 0
    return int(count)


def test_the_blocks_of_the_document_run(tmp_path, monkeypatch):
    text = (Path(__file__).parents[2] / "docs" / "own_loop.md").read_text()
    names: dict = {}
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", text, re.DOTALL)):
        exec(compile(block, f"docs/own_loop.md block {number}", "exec"), names)
    found = advisor.tune(names["study"], storage=str(tmp_path / "a.db"), workers=0)
    assert found.gain.rows > 0
    from dataclasses import replace

    task = replace(names["task"], fit=names["resumable"])
    study = replace(names["study"], task=task, epochs=5, name="resumable", trials=2)
    found = advisor.tune(study, storage=str(tmp_path / "a.db"), workers=0)
    assert torch.tensor(found.baseline.scores).min() > 0.5
