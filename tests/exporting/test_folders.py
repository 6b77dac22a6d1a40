"""Whole folders: written, run in processes of their own, replayed, refused, predicted with."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from measured_arms import measured

import advisor
from advisor.errors import InputError, SearchError
from advisor.exporting.folder import export
from advisor.exporting.folder import write as write_folder
from advisor.exporting.measured import MeasuredArm, trained
from advisor.training.loop import predict as predicted_by
from advisor.work.study_ref import StudyRef

pytestmark = pytest.mark.proof

Write = Callable[[str, str], str]

NET = """\
from torch import nn
from torch.nn import functional as F

class Net(nn.Module):
    def __init__(self, in_features, num_classes):
        super().__init__()
        self.a, self.b = nn.Linear(in_features, 12), nn.Linear(12, num_classes)
        self.drop = nn.Dropout(0.2)

    def forward(self, x):
        return self.b(self.drop(F.relu(self.a(x))))
"""
TEXT = """\
from torch import nn

class Net(nn.Module):
    def __init__(self, vocab_size, num_classes):
        super().__init__()
        self.table, self.act = nn.Embedding(vocab_size, 8, padding_idx=0), nn.ReLU()
        self.end = nn.Linear(8, num_classes)

    def forward(self, x):
        return self.end(self.act(self.table(x).mean(1)))
"""
OWN = """\
import advisor
import torch
from torch import nn
from torch.nn import functional as F

def rows():
    x = torch.randn(90, 3, generator=torch.Generator().manual_seed(0))
    return x, (x.prod(1) > 0).long()

def fit(run):
    optimizer = torch.optim.SGD(run.model.parameters(), lr=run.lr)
    for _ in range(run.epochs):
        run.model.train()
        for batch in run.loader(run.train):
            optimizer.zero_grad()
            F.cross_entropy(run.model(batch[0]), batch[-1]).backward()
            optimizer.step()
        yield

build = lambda: nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
study = advisor.Study("own", advisor.Task(build, rows, fit=fit))
"""


def table() -> str:
    lines = ["size,town,when,pay,kind"]
    for row in range(90):
        size = row * 7 % 31
        kind = "yes" if (size > 14) != (row % 3 == 1) else "no"
        town = ("Rome", "Oslo", "Paris")[row % 3]
        pay = f'"$1,{row * 37 % 900 + 100}"'
        lines.append(f"{size},{town},{row % 28 + 1} May 2024,{pay},{kind}")
    return "\n".join(lines) + "\n"


def texts() -> str:
    good, bad, other = "fine great warm", "poor sad cold", "the film was a plot of music"
    draw = np.random.default_rng(0)
    lines = ["text,mood"]
    for row in range(90):
        words = [
            *draw.choice((good if row % 2 else bad).split(), 3),
            *draw.choice(other.split(), 4),
        ]
        lines.append(f"{' '.join(words)},{'good' if row % 2 else 'bad'}")
    return "\n".join(lines) + "\n"


def by_flags(write_file: Write, net: str, rows: str, target: str, **flags: object) -> StudyRef:
    model, data = write_file("net.py", net), write_file("rows.csv", rows)
    options = {"name": "s", "model": f"{model}:Net", "data": data, "target": target, **flags}
    return StudyRef(flags=json.dumps(options))


def kinds(write_file: Write) -> dict[str, Callable[[], MeasuredArm]]:
    """The studies that must be exported, by what is special of them."""
    recipe = {"optimizer": "sgd:momentum=.9,lr=.1", "scheduler": "onecycle", "clip": 1.0}
    return {
        "calls in the model's own code, and a formula": lambda: measured(
            by_flags(write_file, NET, table(), "kind"), activation="elu", initializer="he"
        ),
        "measured start and denoising": lambda: measured(
            by_flags(write_file, NET, table(), "kind"), initializer="lsuv", pretraining="denoising"
        ),
        "word vectors": lambda: measured(
            by_flags(write_file, TEXT, texts(), "mood"), embedding="skipgram"
        ),
        "a schedule": lambda: measured(
            by_flags(write_file, NET, table(), "kind", **recipe), activation="prelu"
        ),
        "a loop of one's own": lambda: measured(
            StudyRef(file=write_file("own.py", OWN)), activation="tanh"
        ),
    }


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a script of a folder as a person does, from elsewhere."""
    return subprocess.run(
        [sys.executable, *words], cwd=folder.parent, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "kind",
    [
        "calls in the model's own code, and a formula",
        "measured start and denoising",
        "word vectors",
        "a schedule",
        "a loop of one's own",
    ],
)
def test_a_folder_replays_its_seed_and_predicts_as_the_model_in_memory(kind, write, tmp_path):
    arm = kinds(write)[kind]()
    folder = tmp_path / "out"
    folder.mkdir()
    said: list[str] = []
    write_folder(arm, folder, False, said.append)

    # The seed gives its score again, and the script says so.
    checked = run(folder, "out/train.py", "--check")
    assert checked.returncode == 0, checked.stderr
    assert f"and gave {arm.score:.8g}" in checked.stdout
    needs = "advisor.exporting" in (folder / "train.py").read_text()
    assert needs == any(sentence.startswith("train.py imports advisor") for sentence in said)

    # What is predicted is what the trained model in memory answers.
    expected, _ = trained(arm.prepared, arm.job())
    outputs, _ = predicted_by(expected, arm.splits.test, 16)
    places = arm.splits.test.rows
    if arm.prepared.ref.file is None:
        rows = pd.read_csv(tmp_path / "rows.csv").iloc[places.numpy()]
    else:
        rows = arm.splits.test.take(torch.arange(len(places)))[0][0].numpy()
    found = advisor.predict(folder, rows)
    assert found.iloc[:, 1:].to_numpy() == pytest.approx(outputs.softmax(1).numpy(), abs=1e-6)

    # Nothing in it is a pickle, and the card says what it is.
    for file in folder.rglob("*"):
        assert file.is_dir() or not file.read_bytes().startswith((b"\x80", b"PK")), file
    assert "not the luckiest" in (folder / "MODEL_CARD.md").read_text()
    pinned = (folder / "requirements.txt").read_text()
    assert re.search(r"^torch==[\d.]+$", pinned, re.MULTILINE)


def test_other_data_versions_and_scores_fail_with_what_to_do(write, tmp_path):
    arm = measured(by_flags(write, NET, table(), "kind"), activation="elu")
    folder = tmp_path / "out"
    folder.mkdir()
    write_folder(arm, folder, False, lambda sentence: None)
    script = folder / "train.py"
    text = script.read_text()

    for old, new, wanted in (
        ("'torch': '", "'torch': '0", "torch is .* and was 0.*pip install -r requirements.txt"),
        (f"SCORE = {arm.score!r}", f"SCORE = {arm.score + 2e-6!r}", "gives the score .* and gave"),
    ):
        assert old in text
        script.write_text(text.replace(old, new))
        ended = run(folder, "out/train.py", "--check")
        assert ended.returncode == 1
        assert re.search(wanted, ended.stderr), ended.stderr
    script.write_text(text)
    write("rows.csv", table().replace("Rome", "Oslo", 1))
    ended = run(folder, "out/train.py", "--check")
    assert ended.returncode == 1
    assert re.search(r"--check: s in .*the data .*rows\.csv", ended.stderr), ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_score_that_is_not_met_again_is_no_folder(write, tmp_path):
    arm = measured(by_flags(write, NET, table(), "kind"))
    folder = tmp_path / "out"
    folder.mkdir()
    with pytest.raises(SearchError, match=r"measuring seed 1 gave .* and gives"):
        write_folder(replace(arm, score=arm.score + 0.1), folder, False, lambda said: None)


def test_the_commands_of_the_page_work_from_the_database_to_predictions(write, advise, tmp_path):
    write("net.py", NET)
    write("rows.csv", table())
    budget = ["--trials", "2", "--epochs", "2", "--seeds", "3", "--workers", "0", "--quiet"]
    slots = [f"--only={slot}=keep" for slot in ("initializer", "pretraining")]
    task = ["--model", "net.py:Net", "--data", "rows.csv", "--target", "kind", "--name", "pay"]
    assert advise("tune", *task, "--only=activation=elu", *slots, *budget).code == 0
    assert advise("export", "pay", "-o", "made").code == 0
    files = {path.name for path in (tmp_path / "made").iterdir()}
    assert {"train.py", "predict.py", "preprocessing.json", "start.safetensors"} <= files
    assert {"model.safetensors", "recommendation.json", "MODEL_CARD.md"} <= files
    assert "expected.safetensors" not in files

    said = advise("predict", "made", "rows.csv")
    assert said.code == 0
    assert len(said.out.splitlines()) == 91
    assert said.out.startswith("prediction,p(no),p(yes)\n")
    alone = run(tmp_path / "made", "made/predict.py", "rows.csv")
    assert alone.stdout == said.out

    # It is not written over, and a study that has changed is not exported.
    again = advise("export", "pay", "-o", "made")
    assert again.code == 2
    assert "is there already" in again.err
    write("net.py", NET.replace("Dropout(0.2)", "Dropout(0.5)"))
    changed = advise("export", "pay", "-o", "other")
    assert changed.code == 2
    assert "has changed since it was begun" in changed.err
    assert not (tmp_path / "other").exists()

    # The weights of all rows are others.
    write("net.py", NET)
    assert advise("export", "pay", "-o", "whole", "--final").code == 0
    weights = [(tmp_path / each / "model.safetensors").read_bytes() for each in ("made", "whole")]
    assert weights[0] != weights[1]
    with pytest.raises(InputError, match="is a device, and no file"):
        export("none", tmp_path / "none", storage=os.devnull)
