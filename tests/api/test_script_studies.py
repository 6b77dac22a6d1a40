"""Studies and comparisons of training scripts, from the first run to the answer."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from advisor.api.compare import compare
from advisor.api.tuning import open_and_tune
from advisor.store.query import read
from advisor.work.study_ref import StudyRef

SCRIPT = """
import torch
from torch import nn
import advisor

arm = advisor.arm()
generator = torch.Generator().manual_seed(0)
x = torch.randn(160, 6, generator=generator)
y = (x[:, 0] * x[:, 1] > 0).long()
torch.manual_seed(arm.seed)
layers = []
for _ in range(6):
    layers += [nn.Linear(6, 6), nn.ReLU()]
model = arm.apply(nn.Sequential(*layers, nn.Linear(6, 2)), x[:32])
optimizer = torch.optim.SGD(model.parameters(), lr=arm.lr(0.2), momentum=0.9)
for epoch in range(1, 4):
    for rows in torch.randperm(64).split(16):
        loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    right = (model(x).argmax(1) == y).float()
    print("epoch", epoch)
    arm.report(right[64:96].mean())
    if epoch > 3 - arm.scored:
        arm.rows(right[96:])
"""
ONLY = {"activation": ["elu"], "initializer": ["orthogonal"], "pretraining": [], "embedding": []}
CHANGES = {"trials": 6, "seeds": 3, "only": ONLY}


def ref_of(folder, text=SCRIPT, name="train.py", **changes):
    file = folder / name
    file.write_text(text)
    flags = {"name": "own", "script": str(file), "metric": "accuracy"}
    return StudyRef(flags=json.dumps(flags), changes=json.dumps(CHANGES | changes))


def tuned(ref, folder, name="own.db"):
    return open_and_tune(ref, str(folder / name), 1, "cpu", lambda event: None)


@pytest.fixture(scope="module")
def answered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("answered")
    ref = ref_of(folder)
    return folder, ref, tuned(ref, folder)


def test_a_script_is_answered_by_rows_and_seeds(answered):
    _, _, answer = answered
    assert answer.gain.rows == 64
    assert answer.metric == "accuracy"
    assert answer.epochs == 3
    assert answer.recommended.test is not None
    assert any("seed" in warning and "training rows" in warning for warning in answer.warnings)


def test_what_each_trial_prints_is_in_a_file_of_its_own(answered):
    folder, _, _ = answered
    printed = sorted((folder / "own.db.logs").glob("own-*/trial-*.txt"))
    assert [file.stem for file in printed] == [f"trial-{number}" for number in range(6)]
    assert printed[0].read_text().splitlines() == ["epoch 1", "epoch 2", "epoch 3"]


def test_the_same_command_again_answers_at_once(answered):
    folder, ref, answer = answered
    assert tuned(ref, folder).to_json() == answer.to_json()


@pytest.mark.proof
def test_an_edited_script_is_another_study(answered):
    folder, _, _ = answered
    edited = ref_of(folder, SCRIPT.replace("momentum=0.9", "momentum=0.5"))
    with pytest.raises(Exception, match="the statements of the script changed"):
        tuned(edited, folder)
    commented = ref_of(folder, "# a comment\n" + SCRIPT)
    tuned(commented, folder)


@pytest.mark.proof
def test_scores_without_rows_never_recommend_a_change(tmp_path):
    answer = tuned(ref_of(tmp_path, SCRIPT.replace("arm.rows(right[96:])", "pass")), tmp_path)
    assert answer.verdict in ("keep", "undecided")
    assert any("arm.rows" in warning for warning in answer.warnings)


@pytest.mark.proof
def test_a_copy_of_a_script_computes_the_same_and_another_is_compared(tmp_path):
    old, copy = ref_of(tmp_path), ref_of(tmp_path, name="copy.py")
    new = ref_of(tmp_path, SCRIPT.replace("nn.ReLU()", "nn.Tanh()"), "new.py")
    storage = str(tmp_path / "own.db")
    same = compare(old, copy, storage=storage)
    assert same.gains[0].identical == "content"
    other = compare(old, new, storage=storage, seeds=3)
    assert other.gains[0].rows == 64
    assert [side.label for side in other.sides] == ["train.py", "new.py"]
    assert other.sides[0].epochs == 3


KILLED_AT = {
    "the search": ("advisor_trials", 3),
    "the choosing seeds": ("advisor_confirmations WHERE phase = 'choose'", 2),
    "the measuring seeds": ("advisor_confirmations WHERE phase = 'measure'", 2),
}
"""Where a command is killed: the rows that are there then."""


@pytest.mark.proof
@pytest.mark.parametrize("moment", KILLED_AT)
def test_a_killed_command_goes_on_and_loses_nothing(moment, answered, tmp_path):
    ref_of(tmp_path)
    command = [
        *(sys.executable, "-m", "advisor", "tune", "--script", "train.py", "--metric", "accuracy"),
        *("--name", "own", "--trials", "6", "--seeds", "3", "--storage", "own.db", "--workers"),
        *("1", "--quiet", "--json", "--only", "activation=elu", "--only", "initializer=orthogonal"),
        *("--only", "pretraining=autoencoder", "--only", "embedding=skipgram"),
    ]
    process = subprocess.Popen(command, cwd=tmp_path, start_new_session=True)
    try:
        until_rows(tmp_path / "own.db", *KILLED_AT[moment])
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    mine, theirs = json.loads(done.stdout), json.loads(answered[2].to_json())
    timed = ("seconds", "costs", "skipped", "warnings")
    for plain in (mine, theirs):
        for key in timed:
            plain.pop(key)
        for arm in ("baseline", "recommended"):
            plain[arm].pop("seconds")
    assert without_seconds(mine) == without_seconds(theirs)
    _, rows = read(f"sqlite:///{tmp_path}/own.db", "SELECT number FROM advisor_trials", ())
    assert sorted(row[0] for row in rows) == list(range(6))


def without_seconds(value):
    if isinstance(value, dict):
        return {key: without_seconds(each) for key, each in value.items() if "seconds" not in key}
    if isinstance(value, list):
        return [without_seconds(each) for each in value]
    return value


def until_rows(file, what, count):
    """Wait until the database has so many rows."""
    for _ in range(4000):
        time.sleep(0.05)
        if file.exists():
            try:
                _, rows = read(f"sqlite:///{file}", f"SELECT 1 FROM {what}", ())
            except Exception:
                continue
            if len(rows) >= count:
                return
    raise AssertionError(f"no {count} rows of {what}")
