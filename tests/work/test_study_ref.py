"""A study by reference: what is in its files now, and what it reads there."""

import json

import pytest
from torch import nn

import advisor
from advisor.errors import InputError
from advisor.work.study_ref import StudyRef

STUDY = """
import advisor
study = advisor.Study("wine", advisor.Task(build=lambda: None, data="d.csv"), trials={trials})
"""


def test_a_study_file_that_was_edited_is_read_again(tmp_path):
    file = tmp_path / "edited.py"
    for trials in (8, 16, 8):
        file.write_text(STUDY.format(trials=trials))
        assert StudyRef.of(file).load().trials == trials


def test_changes_of_the_command_line_overrule_the_study(tmp_path):
    file = tmp_path / "study.py"
    file.write_text(STUDY.format(trials=8))
    study = StudyRef(file=str(file), changes='{"trials": 3, "name": "mine"}').load()
    assert (study.trials, study.name) == (3, "mine")


def test_a_reference_survives_json_and_one_that_is_pickled_has_none():
    ref = StudyRef(file="study.py:one", changes='{"trials": 3}', plugins=("a.py",), without=("b",))
    assert StudyRef.from_json(ref.to_json()) == ref
    task = advisor.Task(build=nn.Identity, data="d.csv")
    assert StudyRef.of(advisor.Study("x", task)).to_json() is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n", "must hold one advisor.Study, and holds 0. Write: study = advisor.Study"),
        (
            STUDY.format(trials=1) + STUDY.format(trials=2).replace("study =", "other ="),
            "say which",
        ),
    ],
)
def test_a_file_without_a_study_or_with_two_is_refused_with_what_to_do(tmp_path, text, message):
    file = tmp_path / "some.py"
    file.write_text(text)
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        StudyRef.of(file).load()


def test_two_names_of_one_study_are_one_study(tmp_path):
    file = tmp_path / "same.py"
    file.write_text(STUDY.format(trials=4) + "again = study\n")
    assert StudyRef.of(file).load().trials == 4


def test_a_study_that_cannot_be_sent_to_workers_is_refused(tmp_path):
    handle = (tmp_path / "open").open("w")
    with handle, pytest.raises(InputError, match="cannot be sent to workers"):
        StudyRef.of(advisor.Study("x", advisor.Task(build=lambda: handle, data="d.csv")))


def test_arguments_of_the_model_may_be_literals_words_or_dotted_names(tmp_path):
    (tmp_path / "parts.py").write_text(
        "from torch import nn\n\n\n"
        "def net(width, act, name):\n"
        "    return nn.Sequential(nn.Linear(4, width), act(), nn.Linear(width, 2))\n"
    )
    arguments = {"width": 8, "act": "torch.nn.Tanh", "name": "plain.word"}
    flags = {
        "model": f"{tmp_path}/parts.py:net",
        "data": "x.csv",
        "name": "parts",
        "arguments": arguments,
    }
    task = StudyRef(flags=json.dumps(flags)).load().task
    assert task.arguments == {"width": 8, "act": nn.Tanh, "name": "plain.word"}
    assert isinstance(task.build(**task.arguments)[1], nn.Tanh)
