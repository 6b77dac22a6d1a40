"""A study is its content: edited between two runs it is refused, and the message says what changed."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

import advisor
from advisor.errors import InputError
from advisor.store.query import read

NET = """\
import json
import os
from pathlib import Path

from torch import nn

from layers import Block, scaled

WIDTH = 8
ACT = os.environ.get("ACT", "ReLU")
CONFIG = Path(__file__).parent / "config.json"


def dropout(p):
    def make():
        return nn.Dropout(p)
    return make


make_dropout = dropout(0.2)


def unused(x):
    return x + 1


class Net(Block):
    def __init__(self, slope=0.1):
        super().__init__()
        width = WIDTH
        depth = json.loads(CONFIG.read_text())["depth"]
        act = getattr(nn, ACT)
        self.first = nn.Linear(4, width)
        self.inner = nn.Sequential(*(nn.Linear(width, width) for _ in range(depth)))
        self.act, self.dropout = act(), make_dropout()
        self.leak = nn.LeakyReLU(slope)
        self.last = nn.Linear(width, 2)

    def forward(self, x):
        # the hidden layers
        x = self.dropout(self.act(self.first(x)))
        return self.last(scaled(self.residual(x)))
"""
LAYERS = """\
from torch import nn


class Block(nn.Module):
    def residual(self, x):
        return x + self.leak(self.inner(x))


def scaled(x, factor=1.0):
    return factor * x
"""
STUDY = """\
import os

import torch

import advisor
from net import Net


def data():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(90, 4, generator=generator)
    y = (x[:, 0] > 0).long()
    if os.environ.get("FLIP"):
        y = 1 - y
    return x, y


def loss(output, target):
    return torch.nn.functional.cross_entropy(output, target)


def metric(output, target):
    return float((output.argmax(1) == target).float().mean())


task = advisor.Task(Net, data, loss=loss, metric=metric)
only = {slot: [] for slot in ("initializer", "pretraining", "embedding")}
only["activation"] = ["elu"]
study = advisor.Study("stale", task, trials=2, epochs=2, seeds=3, only=only)
"""
FILES = {"net.py": NET, "layers.py": LAYERS, "study.py": STUDY, "config.json": '{"depth": 1}'}


class Stop(BaseException):
    """Ends a study in the middle of its search."""


def forget_modules() -> None:
    """Let the modules of these files be imported again, from another folder."""
    for name in FILES:
        sys.modules.pop(name.removesuffix(".py"), None)


def tuned(folder: Path, on=lambda event: None, workers=0):
    storage = str(folder / "a.db")
    return advisor.tune(folder / "study.py", storage=storage, on=on, workers=workers)


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """Two folders with a study: one that is answered, and one that was stopped."""
    folders = {}
    for state in ("finished", "stopped"):
        folder = tmp_path_factory.mktemp(state)
        for name, text in FILES.items():
            (folder / name).write_text(text)
        forget_modules()

        def stop(event):
            if event.stage not in ("opened", "pilot"):
                raise Stop

        if state == "stopped":
            with pytest.raises(Stop):
                tuned(folder, stop)
        else:
            tuned(folder)
        folders[state] = folder
    return folders


@pytest.fixture
def copied(begun, tmp_path):
    """A copy of such a folder; nothing of it is loaded yet, as in another process."""

    def copied(state: str) -> Path:
        folder = tmp_path / "study"
        shutil.copytree(begun[state], folder)
        return folder

    forget_modules()
    return copied


def edit(folder: Path, name: str, old: str, new: str) -> None:
    path = folder / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


EDITS = {
    "an activation in the constructor": (
        "net.py", "getattr(nn, ACT)", "nn.Sigmoid", ["Net.__init__ in net.py changed"]),
    "the forward method": (
        "net.py", "scaled(self.residual(x))", "self.residual(x)", ["Net.forward in net.py changed"]),
    "a constant": ("net.py", "WIDTH = 8", "WIDTH = 6", ["WIDTH in net.py changed"]),
    "a default": ("net.py", "slope=0.1", "slope=0.3", ["Net.__init__ in net.py changed"]),
    "a closure": ("net.py", "dropout(0.2)", "dropout(0.6)", ["make_dropout in net.py changed"]),
    "a base class": (
        "layers.py", "x + self.leak", "x - self.leak", ["Block.residual in layers.py changed"]),
    "a function of another file": (
        "layers.py", "factor * x", "factor + x", ["scaled in layers.py changed"]),
    "a default of such a function": (
        "layers.py", "factor=1.0", "factor=2.0", ["scaled in layers.py changed"]),
    "a configuration file": ("config.json", "1", "2", ["config.json changed"]),
    "the metric's body": (
        "study.py", ".float().mean()", ".double().median()", ["metric in study.py changed"]),
    "the loss's body": (
        "study.py", "cross_entropy(output, target)", "cross_entropy(output * 2, target)",
        ["loss in study.py changed"]),
    "other rows": ("study.py", "manual_seed(0)", "manual_seed(1)", ["the rows were others"]),
    "permuted labels": (
        "study.py", "return x, y", "return x, y.flip(0)", ["the targets were others"]),
    "the order of the rows": (
        "study.py", "return x, y", "return x.flip(0), y.flip(0)", ["the rows were others"]),
    "the order of the labels": (
        "study.py", "return x, y", "return x, [('b', 'a')[i] for i in y]",
        ["the targets were others", "the class names were others"]),
}  # fmt: skip


@pytest.mark.parametrize("state", ["finished", "stopped"])
@pytest.mark.parametrize("what", EDITS)
def test_an_edited_study_is_refused_and_told_what_changed(copied, what, state):
    folder = copied(state)
    name, old, new, words = EDITS[what]
    edit(folder, name, old, new)
    with pytest.raises(InputError) as refused:
        tuned(folder)
    message = str(refused.value)
    assert message.startswith("Study 'stale' was begun differently: ")
    for part in words:
        assert part in message
    assert "--name" in message
    assert "advisor studies delete stale" in message


@pytest.mark.parametrize("state", ["finished", "stopped"])
@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("FLIP", "1", "the targets were others"),
        ("ACT", "Tanh", "the model's layer 'act' was ReLU and is Tanh"),
    ],
)
def test_what_comes_from_the_surroundings_shows_too(
    copied, monkeypatch, variable, value, words, state
):
    folder = copied(state)
    monkeypatch.setenv(variable, value)
    with pytest.raises(InputError, match=words):
        tuned(folder)


UNCHANGED = {
    "nothing": ("net.py", "", ""),
    "a comment": ("net.py", "# the hidden layers", "# what is hidden, in other words"),
    "formatting": (
        "net.py", "self.dropout(self.act(self.first(x)))",
        "self.dropout(\n            self.act(self.first(x)),\n        )"),
    "an unused function": ("net.py", "return x + 1", "return x + 2"),
    "lines that move": ("net.py", "import json\n", "import json\n\n\n"),
    "a docstring": ("study.py", "def loss(output, target):\n", 'def loss(output, target):\n    "A loss."\n'),
}  # fmt: skip


@pytest.mark.parametrize("what", UNCHANGED)
def test_a_study_that_means_the_same_is_answered_as_before(copied, begun, what):
    folder = copied("finished")
    edit(folder, *UNCHANGED[what])
    answer = tuned(folder)
    url = f"sqlite:///{folder}/a.db"
    (stored,) = read(url, "SELECT json FROM advisor_recommendations")[1]
    assert answer.to_json() == stored[0]


@pytest.mark.parametrize("what", ["nothing", "formatting"])
def test_a_stopped_study_that_means_the_same_goes_on(copied, what):
    folder = copied("stopped")
    edit(folder, *UNCHANGED[what])
    assert tuned(folder, workers=2).trials.total == 2


def rewrite_plan(folder: Path, rewrite) -> None:
    """Change the plan in the database, as another version would have written it."""
    with closing(sqlite3.connect(folder / "a.db")) as connection, connection:
        (text,) = connection.execute("SELECT plan FROM advisor_plans").fetchone()
        plan = json.loads(text)
        rewrite(plan)
        connection.execute("UPDATE advisor_plans SET plan = ?", (json.dumps(plan),))


def test_a_study_that_was_begun_before_contents_were_kept_goes_on_and_says_so(copied):
    def as_before(plan):
        del plan["content"]
        for key in ("target", "reach", "noise"):
            del plan["identity"][key]

    folder = copied("finished")
    rewrite_plan(folder, as_before)
    answer = tuned(folder)
    assert any("did not keep its content" in warning for warning in answer.warnings)
    edit(folder, "study.py", "epochs=2", "epochs=3")
    with pytest.raises(InputError, match="epochs was 2 and is 3"):
        tuned(folder)


def test_code_that_another_python_compiled_is_not_compared_and_this_is_said(copied):
    def as_another_python(plan):
        plan["content"]["code"]["metric in study.py"] = "py3.5:0123"

    folder = copied("finished")
    rewrite_plan(folder, as_another_python)
    answer = tuned(folder)
    assert any("metric in study.py cannot be compared" in each for each in answer.warnings)
    edit(folder, "study.py", "cross_entropy(output, target)", "cross_entropy(output * 2, target)")
    with pytest.raises(InputError, match=r"loss in study\.py changed"):
        tuned(folder)


def test_a_data_function_that_draws_without_a_seed_is_told_to_take_one(copied):
    folder = copied("finished")
    edit(folder, "study.py", "manual_seed(0)", "seed() and torch.default_generator")
    edit(folder, "study.py", "generator=generator", "")
    with pytest.raises(InputError, match="draws at random needs a seed"):
        tuned(folder)
