"""The content of an opened study: what is in it, and that every opening finds the same."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from advisor.content.difference import difference
from advisor.work.content import END_BYTES, digest_of_ends
from advisor.work.prepare import prepare
from advisor.work.study_ref import StudyRef

STUDY = """\
import json
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import Dataset

import advisor

HERE = Path(__file__).parent
SETTINGS = json.loads((HERE / "settings.json").read_text())
ROWS = np.loadtxt(HERE / "rows.csv", dtype=np.float32)


def shifted(row, by):
    return row + by


class Shifts(Dataset):
    def __init__(self):
        self.transform = lambda row: shifted(row, SETTINGS["shift"])
        self.reads = []

    def __len__(self):
        return len(ROWS)

    def __getitem__(self, row):
        self.reads.append(row)
        return self.transform(ROWS[row] + 0.1 * torch.randn(1).item()), row % 2


def net(features=3, p=0.1):
    names = {letter for letter in (HERE / "letters.txt").read_text().split()}
    model = nn.Sequential(nn.Linear(features, 4), nn.Dropout(p), nn.Linear(4, 2))
    model.names = names
    return model


study = advisor.Study("content", advisor.Task(net, Shifts(), arguments={"p": 0.2}), epochs=1)
"""
FILES = {
    "study.py": STUDY,
    "settings.json": '{"shift": 1.0}',
    "letters.txt": "a b c d",
    "rows.csv": "\n".join(f"{i} {i % 3} {i % 7}" for i in range(40)),
}


@pytest.fixture
def folder(write, tmp_path):
    for name, text in FILES.items():
        write(name, text)
    return tmp_path


def content(folder):
    return prepare(StudyRef(file=str(folder / "study.py"))).content


def test_a_content_has_code_files_rows_arguments_and_layers(folder):
    found = content(folder)
    for name in ("net", "Shifts.__getitem__", "shifted", "SETTINGS", "ROWS"):
        assert f"{name} in study.py" in found.code
    # What the study file reads besides settings may be the data, whose rows are compared.
    assert set(found.files) == {"settings.json", "letters.txt"}
    assert set(found.rows) > {"the rows", "the targets"}
    assert found.arguments == {"p": "0.2"}
    assert found.model["1"]["p"] == "0.2"


@pytest.mark.parametrize(
    ("name", "old", "new", "sentences"),
    [
        ("study.py", "return row + by", "return row - by", {"shifted in study.py changed"}),
        ("study.py", 'shifted(row, SETTINGS["shift"])', "row", {"shifted in study.py is gone"}),
        ("settings.json", "1.0", "2.0", {"settings.json changed", "SETTINGS in study.py changed"}),
        ("letters.txt", "a b", "a e", {"letters.txt changed"}),
        ("rows.csv", "39 0", "39 1", {"ROWS in study.py changed"}),
        ("study.py", '"p": 0.2', '"p": 0.3', {"the model's argument p was 0.2 and is 0.3"}),
        ("study.py", "    names = {", "    # letters\n    names = {", set()),
    ],
)
def test_each_part_that_changes_is_named(folder, write, name, old, new, sentences):
    begun = content(folder)
    assert old in FILES[name]
    write(name, FILES[name].replace(old, new))
    # Other files than the study itself are read when its module is loaded.
    sys.modules.pop("study", None)
    found = set(difference(begun, content(folder)).sentences)
    assert found >= sentences
    assert bool(found) == bool(sentences)


@pytest.mark.proof
def test_the_same_process_and_others_find_the_same_content(folder):
    begun = content(folder)
    again = content(folder)
    assert difference(begun, again).sentences == ()
    assert begun.digest.differs_in(again.digest) == ""
    program = (
        "import json, sys\n"
        "from advisor.work.prepare import prepare\n"
        "from advisor.work.study_ref import StudyRef\n"
        "print(json.dumps(prepare(StudyRef(file=sys.argv[1])).content.to_json()))"
    )
    said = set()
    for seed in ("1", "2"):
        command = [sys.executable, "-c", program, str(folder / "study.py")]
        surroundings = {**os.environ, "PYTHONHASHSEED": seed}
        said.add(subprocess.check_output(command, env=surroundings, text=True))
    assert len(said) == 1


def test_a_file_of_word_vectors_counts_by_its_size_and_its_ends(tmp_path):
    path = tmp_path / "words.vec"
    digests = set()
    for text in ("a 1 2", "a 1 3", "a 1 2\nb 1 2", "a" * 3 * END_BYTES, "a" * 3 * END_BYTES + "b"):
        path.write_text(text)
        digests.add(digest_of_ends(path))
    assert len(digests) == 5
