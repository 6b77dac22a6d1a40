"""Exports of studies with data of other kinds: several and nested inputs, Datasets, several target
columns, and a technique of a plugin file. Each replays its seed, and predicts as the model does.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from measured_arms import measured
from test_export_scripts import check_same, csv_ref, training_in, written

from advisor.errors import InputError
from advisor.exporting.measured import MeasuredArm, trained
from advisor.exporting.predictions import own_modules_of, predict
from advisor.exporting.scripts import ScriptText
from advisor.training.loop import predict as predicted_by
from advisor.work.study_ref import StudyRef

Write = Callable[[str, str], str]

INPUTS = """\
import advisor
import torch
from torch import nn
from torch.utils.data import Dataset

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(3, 8), nn.Linear(2, 8)
        self.act, self.end = nn.ReLU(), nn.Linear(8, 2)

    def forward(self, {takes}):
        {opens}
        return self.end(self.act(self.a(x) + self.b(y)))

class Rows(Dataset):
    def __init__(self):
        self.x = torch.randn(90, 5, generator=torch.Generator().manual_seed(0))

    def __len__(self):
        return 90

    def __getitem__(self, row):
        x = self.x[row]
        return dict(x=x[:3], y=x[3:]), int(x.prod() > 0)

def rows():
    x = torch.randn(90, 5, generator=torch.Generator().manual_seed(0))
    first, second = x[:, :3], x[:, 3:].double()
    return {gives}, (x.prod(1) > 0).long()

study = advisor.Study("own", advisor.Task(Net, {data}))
"""
NESTED = "x, y = batch['x'], batch['more']['y']"
PLUGIN = """\
import advisor
import torch
from torch import nn

SCALE = 0.5

def bend(x):
    return x + SCALE * torch.sin(x)

class Snaky(nn.Module):
    def __init__(self, rate: float = 1.0):
        super().__init__()
        self.rate = rate

    def forward(self, x):
        return bend(self.rate * x)

@advisor.hookimpl
def techniques():
    space = {"rate": advisor.Float(0.5, 2.0, 1.0)}
    return [advisor.Activation("snaky", Snaky, cite="nobody", space=space)]
"""


def own_ref(write: Write, **parts: str) -> StudyRef:
    """A study of two inputs: what `forward` takes, and what the data give."""
    return StudyRef(file=write("own.py", INPUTS.format(**parts)))


def exported(arm: MeasuredArm, folder: Path) -> ScriptText:
    """A folder with its trained weights, whose script does what the study did."""
    script = written(arm, folder)
    check_same(arm, folder)
    with own_modules_of(folder):
        training = training_in(folder)
        model, _ = training.train(5)
        training.save_model(model, str(folder / "model.safetensors"))
    return script


def answered(arm: MeasuredArm) -> torch.Tensor:
    """What the trained model in memory answers for the test rows."""
    model, _ = trained(arm.prepared, arm.job())
    return predicted_by(model, arm.splits.test, 16)[0]


def test_inputs(arm: MeasuredArm) -> Any:
    part = arm.splits.test
    return part.take(torch.arange(len(part)))[0]


test_inputs.__test__ = False  # it is no test


@pytest.mark.parametrize(
    ("takes", "gives", "opens", "data"),
    [
        ("x, y", "(first, second)", "pass", "rows"),
        ("x, y", "dict(x=first, y=second)", "pass", "rows"),
        ("batch", "dict(x=first, more=dict(y=second))", NESTED, "rows"),
        ("x, y", "first", "pass", "Rows()"),
    ],
    ids=["two", "by name", "nested", "a Dataset"],
)
def test_several_inputs_and_dictionaries(write, tmp_path, takes, gives, opens, data):
    arm = measured(
        own_ref(write, takes=takes, gives=gives, opens=opens, data=data), activation="tanh"
    )
    script = exported(arm, tmp_path / "out")
    assert script.by_advisor.loop == ""
    given = test_inputs(arm)
    found = predict(tmp_path / "out", given if len(given) > 1 else given[0])
    assert found.iloc[:, 1:].to_numpy() == pytest.approx(answered(arm).softmax(1).numpy(), abs=1e-6)

    # Arrays in a file have their names; what does not fit is told.
    if gives.startswith("(") or "y=second" not in gives or "more" in gives:
        return
    np.savez(tmp_path / "new.npz", **{key: each.numpy() for key, each in given[0].items()})
    assert predict(tmp_path / "out", tmp_path / "new.npz").equals(found)
    with pytest.raises(InputError, match="a dictionary of arrays with the keys x, y"):
        predict(tmp_path / "out", given[0]["x"])


@pytest.mark.parametrize("count", [2, 3])
def test_several_numbers_are_predicted_each_in_its_units(write, tmp_path, count):
    names = ["p", "q", "r"][:count]
    lines = [f"size,town,{','.join(names)}"]
    for row in range(60):
        size = row * 7 % 31
        numbers = [100 + size * (5 if row % 2 else -3), row * 3 % 17, size / 1000]
        lines.append(f"{size},{'ab'[row % 2]},{','.join(map(str, numbers[:count]))}")
    flags = {"arguments": {"num_classes": str(count)}}
    arm = measured(csv_ref(write, "\n".join(lines), ",".join(names), **flags), activation="tanh")
    assert not exported(arm, tmp_path / "out").reasons
    table = pd.read_csv(tmp_path / "rows.csv")
    found = predict(tmp_path / "out", table.iloc[arm.splits.test.rows.numpy()])
    assert list(found) == [f"prediction_{name}" for name in names]
    means, deviations = map(np.array, arm.prepared.source.target_scales)
    expected = answered(arm).double().numpy() * deviations + means
    # The folder was trained by autograd, this arm by a step that is written out.
    assert found.to_numpy() == pytest.approx(expected, rel=1e-6, abs=1e-6)
    assert np.ptp(found["prediction_p"]) > 1


def test_rows_with_several_labels_are_predicted_from_a_table(write, tmp_path):
    lines = ["size,town,red,blue"]
    for row in range(60):
        size = row * 7 % 31
        lines.append(f"{size},{'ab'[row % 2]},{int(size > 14)},{int(row % 3 == 1)}")
    ref = csv_ref(write, "\n".join(lines), "red,blue", arguments={"num_classes": "2"})
    arm = measured(ref, activation="tanh")
    exported(arm, tmp_path / "out")
    table = pd.read_csv(tmp_path / "rows.csv")
    found = predict(tmp_path / "out", table.iloc[arm.splits.test.rows.numpy()])
    assert list(found) == ["prediction", "p(red)", "p(blue)"]
    assert found.iloc[:, 1:].to_numpy() == pytest.approx(answered(arm).numpy(), abs=1e-6)


@pytest.mark.parametrize("start", ["keep", "lsuv"])
def test_a_technique_of_a_plugin_file_comes_along(write, tmp_path, start):
    plugin = write("snaky.py", PLUGIN)
    ref = replace(csv_ref(write), plugins=(plugin,))
    chosen = {"activation.snaky.rate": 1.5, "initializer": start}
    arm = measured(ref, activation="snaky", **chosen)
    script = exported(arm, tmp_path / "out")
    Path(plugin).unlink()
    assert (tmp_path / "out" / "own_code" / "snaky.py").exists() == (start == "lsuv")
    assert bool(script.reasons) == (start == "lsuv")
    table = pd.read_csv(tmp_path / "rows.csv").iloc[arm.splits.test.rows.numpy()]
    found = predict(tmp_path / "out", table)
    assert found.iloc[:, 1:].to_numpy() == pytest.approx(answered(arm).softmax(1).numpy(), abs=1e-6)
    assert json.loads((tmp_path / "out" / "preprocessing.json").read_text())["form"] == [None]
