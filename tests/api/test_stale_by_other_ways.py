"""Studies that are made in a script, a notebook or by options are compared by their content, too."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from models.small import Net
from torch import nn

import advisor
from advisor.errors import InputError, MachineError

ONLY = {"activation": ["elu"], "initializer": [], "pretraining": [], "embedding": []}


def blobs(flip=False):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(90, 4, generator=generator)
    return x, (x[:, 0] > 0).long() ^ int(flip)


def loss(factor):
    return lambda output, target: factor * nn.functional.cross_entropy(output, target)


def net(act, p):
    return lambda: nn.Sequential(nn.Linear(4, 6), act(), nn.Dropout(p), nn.Linear(6, 2))


def study(build=None, data=None, **options):
    task = advisor.Task(build or net(nn.ReLU, 0.2), data or blobs(), **options)
    return advisor.Study("made", task, trials=2, epochs=1, seeds=3, only=ONLY)


@pytest.fixture
def tune(tmp_path):
    def tune(study, workers=0):
        return advisor.tune(study, storage=str(tmp_path / "a.db"), workers=workers)

    return tune


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (lambda: study(net(nn.Sigmoid, 0.2)), "layer '1' was ReLU and is Sigmoid"),
        (lambda: study(net(nn.ReLU, 0.6)), "layer '2': p was 0.2 and is 0.6"),
        (lambda: study(data=blobs(flip=True)), "the targets were others"),
        (lambda: study(loss=loss(2.0)), "the loss is new"),
        (lambda: study(Net), "the model changed"),
        (lambda: study(metric=lambda output, target: 0.5), "the metric is new"),
    ],
    ids=["activation", "dropout", "labels", "loss", "model", "metric"],
)
def test_a_study_object_with_lambdas_is_compared(tune, other, words):
    answer = tune(study())
    assert tune(study()).to_json() == answer.to_json()
    with pytest.raises(InputError, match="begun differently") as refused:
        tune(other())
    assert words in str(refused.value)


def test_a_value_that_a_lambda_keeps_is_compared(tune):
    tune(study(loss=loss(1.0)))
    with pytest.raises(InputError, match="the loss changed"):
        tune(study(loss=loss(2.0)))


SCRIPT = """
import torch
from torch import nn

import advisor


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(4, 6), nn.Linear(6, 2)

    def forward(self, x):
        return self.last(torch.relu(self.first(x)))


only = {"activation": ["elu"], "initializer": [], "pretraining": [], "embedding": []}
rows = torch.randn(90, 4, generator=torch.Generator().manual_seed(0))
task = advisor.Task(lambda: Net(), (rows, (rows[:, 0] > 0).long()))
study = advisor.Study("piped", task, trials=2, epochs=1, seeds=3, only=only)
if __name__ == "__main__":
    try:
        print(advisor.tune(study, storage="a.db", workers=1).verdict)
    except advisor.AdvisorError as problem:
        print(problem)
"""


@pytest.mark.proof
@pytest.mark.parametrize("way", ["a script", "standard input"])
def test_a_script_goes_on_and_is_refused_when_it_is_edited(tmp_path, way):
    said = []
    for text in (SCRIPT, SCRIPT, SCRIPT.replace("torch.relu", "torch.tanh")):
        (tmp_path / "script.py").write_text(text)
        words = [sys.executable, "script.py" if way == "a script" else "-"]
        ended = subprocess.run(
            words, input=text, capture_output=True, text=True, cwd=tmp_path, timeout=300, check=True
        )
        said.append(ended.stdout)
    assert said[0] == said[1]
    assert said[0].strip() in ("change", "keep", "undecided")
    assert "Net.forward" in said[2]
    assert "changed" in said[2]


FLAGS = ("--data", "data.csv", "--target", "y", "--trials", "1", "--epochs", "1", "--seeds", "3",
         "--workers", "0", "--storage", "a.db", "--quiet", "--only", "activation=keep",
         "--only", "initializer=keep", "--only", "pretraining=keep")  # fmt: skip
BY_OPTIONS = """
from torch import nn


def net(features, classes, p=0.2):
    return nn.Sequential(nn.Linear(features, 6), nn.ReLU(), nn.Dropout(p), nn.Linear(6, classes))
"""


def test_a_study_by_options_is_refused_with_another_body_argument_or_file_of_data(write, advise):
    rows = [f"{(7 * i) % 11},{(5 * i) % 13},{i % 2}" for i in range(60)]
    write("net.py", BY_OPTIONS)
    write("data.csv", "\n".join(["a,b,y", *rows]))
    tune = ("tune", "--model", "net.py:net", *FLAGS)
    assert advise(*tune).code == 0
    assert advise(*tune).code == 0

    said = advise(*tune, "--model-arg", "p=0.6")
    assert said.code == 2
    assert "the model's layer '2': p was 0.2 and is 0.6" in said.err

    write("net.py", BY_OPTIONS.replace("nn.ReLU", "nn.Sigmoid"))
    said = advise(*tune)
    assert said.code == 2
    assert "net in net.py changed; the model's layer '1' was ReLU and is Sigmoid" in said.err

    write("net.py", BY_OPTIONS)
    write("data.csv", "\n".join(["a,b,y", *reversed(rows)]))
    said = advise(*tune)
    assert said.code == 2
    assert "the rows were others" in said.err
    assert "advisor studies delete net-data-y" in said.err


UNSEEDED = """
import numpy
import torch
from models.small import Net

import advisor


def data():
    rows = torch.from_numpy(numpy.random.default_rng().normal(size=(90, 4))).float()
    return rows, (rows[:, 0] > 0).long()


study = advisor.Study("drawn", advisor.Task(Net, data), trials=2, epochs=1, only={"activation": []})
"""


def test_workers_that_draw_other_rows_end_the_command_and_are_no_score(write, tune):
    with pytest.raises(MachineError, match="draws at random and needs a seed"):
        tune(write("study.py", UNSEEDED), workers=2)


def test_what_has_changed_since_the_answer_is_told_where_it_is_applied(write, tmp_path):
    code = UNSEEDED.replace("default_rng()", "default_rng(0)")
    file = write("study.py", code)
    answer = advisor.tune(file, storage=str(tmp_path / "a.db"), workers=0)
    answer.choices = {**answer.choices, "activation": "elu"}
    answer.apply(Net())
    write("study.py", code.replace("rows[:, 0]", "rows[:, 1]"))
    with pytest.warns(UserWarning, match="'drawn' has changed since it was begun: the targets"):
        answer.apply(Net())
