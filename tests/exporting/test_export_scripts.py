"""The scripts of an export do what the study did: read, start, train and score, without advisor."""

from __future__ import annotations

import importlib.util
import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from measured_arms import measured
from safetensors.torch import load_file

from advisor.errors import InputError
from advisor.exporting.folder import digest_of_rows, save_rows, tried
from advisor.exporting.measured import MeasuredArm, exportable
from advisor.exporting.predictions import own_modules_of, predict
from advisor.exporting.scripts import ByAdvisor, ScriptText
from advisor.work.study_ref import StudyRef

Write = Callable[[str, str], str]

NET = """\
from torch import nn
from width import WIDTH

class Net(nn.Module):
    def __init__(self, in_features, num_classes):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(in_features, WIDTH), nn.ReLU(), nn.Dropout(0.2), nn.Linear(WIDTH, num_classes)
        )

    def forward(self, x):
        return self.net(x)
"""
TABLE = "size,town,kind\n" + "".join(
    f"{'' if row % 13 == 0 else row * 7 % 31},{('Rome', 'Oslo', 'Paris')[row % 3]},"
    f"{'yes' if (row * 7 % 31 > 14) != (row % 3 == 1) else 'no'}\n"
    for row in range(60)
)


def written(arm: MeasuredArm, folder: Path) -> ScriptText:
    """The scripts of an arm in a folder, without running them."""
    folder.mkdir()
    save_rows(arm.splits, folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return tried(arm, folder, digest_of_rows(arm.splits), ByAdvisor())


def training_in(folder: Path) -> ModuleType:
    """The module of a folder's `train.py`."""
    spec = importlib.util.spec_from_file_location("exported_train", folder / "train.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def check_same(arm: MeasuredArm, folder: Path) -> None:
    """The script reads the same rows, starts with the same weights and gives the same score."""
    with own_modules_of(folder):
        training = training_in(folder)
        assert training.digest() == training.DATA_DIGEST == digest_of_rows(arm.splits)
        model, _, _ = training.start(5)
        expected = arm.started(5).model.state_dict()
        assert model.state_dict().keys() == expected.keys()
        for name, value in model.state_dict().items():
            assert torch.equal(value, expected[name]), name
        _, score = training.train(5)
        assert score == pytest.approx(arm.score, abs=1e-6)


def csv_ref(write: Write, table: str = TABLE, target: str = "kind", **flags: object) -> StudyRef:
    write("width.py", "WIDTH = 12\n")
    net, data = write("net.py", NET), write("rows.csv", table)
    options = {"name": "s", "model": f"{net}:Net", "data": data, "target": target, **flags}
    return StudyRef(flags=json.dumps(options))


def test_a_table_with_a_new_activation_and_a_formula_for_its_weights_needs_no_advisor(
    write: Write, tmp_path: Path
):
    he = {"initializer": "he", "initializer.he.mode": "fan_out"}
    arm = measured(csv_ref(write), activation="elu", **{"activation.elu.alpha": 0.7}, **he)
    script = written(arm, tmp_path / "out")
    text = script.files["train.py"]
    assert not script.reasons
    assert "import advisor" not in text
    assert "from advisor" not in text
    assert "nn.ELU(alpha=0.7" in text
    assert sorted(script.copied.files) == ["net.py", "width.py"]
    check_same(arm, tmp_path / "out")


@pytest.mark.proof
def test_days_and_written_numbers_are_read_as_the_study_read_them(write: Write, tmp_path: Path):
    lines = ["day,pay,kind"]
    for row in range(60):
        day, pay = f"2024-{row % 12 + 1:02d}-{row % 28 + 1:02d}", f'"$1,{row * 37 % 900 + 100}"'
        lines.append(f"{'' if row == 7 else day},{pay},{'no' if row * 7 % 12 < 6 else 'yes'}")
    arm = measured(csv_ref(write, "\n".join(lines)), activation="elu")
    script = written(arm, tmp_path / "out")
    (reason,) = script.reasons
    assert "'pay' is written as '$1," in reason
    check_same(arm, tmp_path / "out")


def test_numbers_are_predicted_in_their_own_units(write: Write, tmp_path: Path):
    table = "size,town,price\n" + "".join(
        f"{row * 7 % 31},{'ab'[row % 2]},{100 + row * 7 % 31 * (5 if row % 2 else -3)}\n"
        for row in range(60)
    )
    recipe = {"optimizer": "sgd:momentum=.9", "scheduler": "cosine", "clip": 1.0}
    ref = csv_ref(write, table, "price", arguments={"num_classes": "1"}, **recipe)
    arm = measured(ref, activation="swish", initializer="orthogonal")
    assert not written(arm, tmp_path / "out").reasons
    check_same(arm, tmp_path / "out")


CALLS = """\
import torch
from torch import nn
from torch.nn import functional as F

class Net(nn.Module):
    def __init__(self, in_features, num_classes):
        super().__init__()
        self.a, self.b = nn.Linear(in_features, 12), nn.Linear(12, 12)
        self.act, self.end = nn.ReLU(), nn.Linear(12, num_classes)

    def forward(self, x):
        return self.end(self.act(self.b(F.relu(self.a(x)))))
"""


def test_activations_that_are_calls_are_written_into_the_copy_of_the_file(
    write: Write, tmp_path: Path
):
    ref = csv_ref(write)
    write("net.py", CALLS)
    arm = measured(ref, activation="elu", initializer="xavier")
    script = written(arm, tmp_path / "out")
    assert not script.reasons
    copy = (tmp_path / "out" / "own_code" / "net.py").read_text()
    assert "relu" not in copy.lower()
    assert copy.lower().count("elu(") == 2
    check_same(arm, tmp_path / "out")


def test_a_function_that_is_called_as_one_of_the_script_is_imported_under_another_name(
    write: Write, tmp_path: Path
):
    ref = csv_ref(write)
    write(
        "net.py", f"{NET}\n\ndef build(in_features, num_classes):\n    return Net(in_features, 2)\n"
    )
    flags = json.loads(ref.flags or "{}")
    flags["model"] = flags["model"].replace(":Net", ":build")
    arm = measured(StudyRef(flags=json.dumps(flags)), activation="elu")
    script = written(arm, tmp_path / "out")
    assert not script.reasons
    assert "from net import build as own_build" in script.files["train.py"]
    check_same(arm, tmp_path / "out")


def test_a_name_with_quotes_and_braces_stays_a_name(write: Write, tmp_path: Path):
    odd = 'ki"""nd\'{{ 7*7 }}'
    table = TABLE.replace("size,town,kind", f'size,"{odd.replace(chr(34), chr(34) * 2)}",kind')
    arm = measured(
        csv_ref(write, table), activation="gelu", **{"activation.gelu.approximate": "tanh"}
    )
    written(arm, tmp_path / "out")
    check_same(arm, tmp_path / "out")


def test_a_reason_stays_in_its_comment(write: Write, tmp_path: Path):
    ref = csv_ref(write)
    odd = tmp_path / "rows\nimport os; os.x #.txt"
    odd.write_text((tmp_path / "rows.csv").read_text())
    flags = json.loads(ref.flags or "{}") | {"data": str(odd)}
    arm = measured(StudyRef(flags=json.dumps(flags)), activation="elu")
    script = written(arm, tmp_path / "out")
    assert any("reader" in reason for reason in script.reasons)
    assert "\nimport os; os.x" not in script.files["train.py"]
    check_same(arm, tmp_path / "out")


@pytest.mark.proof
def test_what_looks_at_data_is_left_to_advisor_with_the_reason(write: Write, tmp_path: Path):
    arm = measured(csv_ref(write), initializer="lsuv", pretraining="denoising")
    script = written(arm, tmp_path / "out")
    assert any("lsuv" in reason for reason in script.reasons)
    assert any("denoising" in reason for reason in script.reasons)
    for reason in script.reasons:
        assert reason in script.files["train.py"]
    check_same(arm, tmp_path / "out")


STUDY = """\
import advisor
import torch
from torch import nn

def rows():
    x = torch.linspace(-1, 1, 120).view(40, 3)
    return x, (x.prod(1) > 0).long()

def net():
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))

study = advisor.Study("own", advisor.Task(
    lambda: net(), rows, optimizer=torch.optim.SGD,
    scheduler=lambda optimizer, epochs: torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5),
))
"""


def test_a_lambda_and_arrays_of_a_study_file_come_from_a_copy_of_it(write: Write, tmp_path: Path):
    arm = measured(StudyRef(file=write("my-own.py", STUDY)), activation="relu")
    script = written(arm, tmp_path / "out")
    assert script.reasons == ["your study file imports it"]
    (tmp_path / "my-own.py").unlink()
    check_same(arm, tmp_path / "out")


def test_new_rows_get_class_names_and_what_does_not_fit_is_said(write: Write, tmp_path: Path):
    arm = measured(csv_ref(write), activation="elu")
    folder = tmp_path / "out"
    written(arm, folder)
    with own_modules_of(folder):
        training = training_in(folder)
        model, _ = training.train(5)
        training.save_model(model, str(folder / "model.safetensors"))

    # As the model in memory, also for rows that it was trained on.
    said: list[str] = []
    table = predict(folder, str(tmp_path / "rows.csv"), on=said.append)
    inputs = arm.prepared.source.every_row(arm.splits.train.rows.numpy())[0]
    with torch.no_grad():
        expected = model.eval()(*inputs.take(torch.arange(60))[0]).softmax(1)
    assert table[["p(no)", "p(yes)"]].to_numpy() == pytest.approx(expected.numpy(), abs=1e-6)
    assert list(table["prediction"]) == [("no", "yes")[row] for row in expected.argmax(1)]
    assert said == []

    # What is more, new, or missing.
    table = predict(folder, [{"size": None, "town": "Bern", "more": 1}], on=said.append)
    assert len(table) == 1
    assert ["more" in sentence or "Bern" in sentence for sentence in said] == [True, True]
    with pytest.raises(InputError, match=r"lack 'town'; the model reads size, town"):
        predict(folder, [{"size": 1.0}])
    with pytest.raises(InputError, match="no such file"):
        predict(folder, tmp_path / "gone.csv")


def test_a_folder_that_is_none_of_an_export_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"it lacks predict\.py"):
        predict(tmp_path, [])


def test_other_data_and_other_versions_are_differences(write: Write, tmp_path: Path):
    arm = measured(csv_ref(write), activation="elu")
    folder = tmp_path / "out"
    written(arm, folder)
    with own_modules_of(folder):
        training = training_in(folder)
        assert not list(training.differences())
        write("rows.csv", TABLE.replace("Rome", "Roma"))
        training.VERSIONS["torch"] = "0.1"
        version, rows = training.differences()
    assert version.startswith("torch is ")
    assert "other rows" in rows or "cannot be read" in rows


def test_a_script_and_a_study_of_a_notebook_say_what_to_do():
    with pytest.raises(InputError, match="notebook or script"):
        exportable("s", None)
    with pytest.raises(InputError, match=r"train\.py, which alone makes its model"):
        exportable(
            "s", StudyRef(flags=json.dumps({"name": "s", "script": "train.py", "metric": "a"}))
        )


def test_no_file_of_weights_is_a_pickle(write: Write, tmp_path: Path):
    written(measured(csv_ref(write)), tmp_path / "out")
    assert load_file(tmp_path / "out" / "rows.safetensors").keys() == {"train", "held_out", "test"}
    for file in (tmp_path / "out").rglob("*"):
        if file.is_file():
            assert file.suffix in (".py", ".json", ".safetensors"), file
            assert not file.read_bytes().startswith((b"\x80", b"PK")), file
