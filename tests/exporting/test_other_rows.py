"""`--data` of an exported script: the same rows at another place, other rows, and files that fit
not.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from measured_arms import measured
from test_export_scripts import TABLE, csv_ref, training_in, written

from advisor.exporting.predictions import load, own_modules_of
from advisor.work.study_ref import StudyRef

Write = Callable[[str, str], str]


@pytest.fixture
def exported(write: Write, tmp_path: Path) -> Path:
    """A folder of plain scripts for a table."""
    written(measured(csv_ref(write), activation="elu"), tmp_path / "out")
    return tmp_path / "out"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run the command of a folder's script; returns what it said, and fails with that."""

    def run(folder: Path, *words: object) -> str:
        monkeypatch.setattr(sys, "argv", ["train.py", *map(str, words)])
        with own_modules_of(folder):
            code = training_in(folder).main()
        said = capsys.readouterr()
        assert code == 0, said.err
        return said.out

    return run


def test_the_same_rows_at_another_place_give_the_same_score(exported, run, tmp_path):
    moved = shutil.move(tmp_path / "rows.csv", tmp_path / "moved.csv")
    assert "gives" in run(exported, "--check", "--data", moved)


def test_other_rows_are_split_in_the_same_shares_and_fitted_anew(exported, run, tmp_path):
    head, *lines = TABLE.splitlines()
    more = [f"{float(line.split(',')[0] or 0) + 100},{line.split(',', 1)[1]}" for line in lines]
    other = tmp_path / "other.csv"
    other.write_text("\n".join([head, *more, *more]) + "\n")
    weights = tmp_path / "other.safetensors"
    assert 0 <= json.loads(run(exported, "--data", other, "-o", weights))["score"] <= 1

    with own_modules_of(exported):
        training = training_in(exported)
        before = {name: len(rows) for name, rows in training.ROWS.items()}
        assert training.take_data([str(other)]) == ""
        rows = training.ROWS
        assert {name: len(each) for name, each in rows.items()} == {
            name: 2 * count for name, count in before.items()
        }
        assert len(torch.cat(list(rows.values())).unique()) == 120

        # New rows are scaled as those that the weights were trained on.
        model, predicting = load(exported).load(weights)
        assert predicting.FITTED["columns"][0]["mean"] > 100
        table = load(exported).predict(str(other), weights=weights)
        inputs = training.inputs_of(training.read_table(other), predicting.FITTED)
        with torch.no_grad():
            expected = model(*inputs).softmax(1).numpy()
    assert table.iloc[:, 1:].to_numpy() == pytest.approx(expected, abs=1e-6)
    assert np.isfinite(expected).all()


def test_weights_of_all_rows_have_the_numbers_of_all_rows(exported, run, tmp_path):
    weights = tmp_path / "final.safetensors"
    run(exported, "--final", "-o", weights)
    with own_modules_of(exported):
        _, training = load(exported).load(weights)
    size = training.FITTED["columns"][0]
    every = pd.read_csv(tmp_path / "rows.csv")["size"]
    known = every.iloc[torch.cat(list(training.MEASURED.values())).numpy()]
    assert size["mean"] == pytest.approx(known.fillna(known.median()).mean())


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        (TABLE.replace("size", "length"), "there is no column 'size'"),
        (TABLE.replace("yes", "perhaps"), r"holds perhaps, and the model knows .*no, yes"),
        (None, "No such file"),
    ],
)
def test_files_that_do_not_fit_are_refused_in_one_sentence(
    exported, run, tmp_path, capsys, table, fault
):
    other = tmp_path / "other.csv"
    if table is not None:
        other.write_text(table)
    with pytest.raises(SystemExit) as end:
        run(exported, "--data", other)
    assert end.value.code == 2
    (said,) = [line for line in capsys.readouterr().err.splitlines() if "error: --data:" in line]
    assert re.search(fault, said), said


def test_what_advisor_fits_is_not_fitted_to_other_rows(write, run, tmp_path, capsys):
    written(measured(csv_ref(write), initializer="lsuv"), tmp_path / "out")
    moved = shutil.move(tmp_path / "rows.csv", tmp_path / "moved.csv")
    assert "gives" in run(tmp_path / "out", "--check", "--data", moved)
    other = tmp_path / "other.csv"
    other.write_text(TABLE.replace("Rome", "Oslo"))
    with pytest.raises(SystemExit):
        run(tmp_path / "out", "--data", other)
    assert "ask advisor tune with them, and export that" in capsys.readouterr().err


STUDY = """\
import advisor
from net import Net

study = advisor.Study("own", advisor.Task(Net, "rows.csv", target="kind"))
"""


def test_the_data_of_a_study_file_may_be_elsewhere_too(write, run, tmp_path, monkeypatch):
    csv_ref(write)
    monkeypatch.syspath_prepend(str(tmp_path))
    ref = StudyRef(file=write("own.py", STUDY))
    written(measured(ref, initializer="lsuv"), tmp_path / "out")
    moved = shutil.move(tmp_path / "rows.csv", tmp_path / "moved.csv")
    assert "gives" in run(tmp_path / "out", "--check", "--data", moved)
