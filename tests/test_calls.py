"""A wrong call of what users call says which arguments there are."""

from __future__ import annotations

import copy
import inspect
import pickle
from dataclasses import fields, replace

import pytest

import advisor


@pytest.mark.parametrize("kind", [advisor.Task, advisor.Study])
def test_an_unknown_argument_is_answered_with_those_that_there_are(kind):
    with pytest.raises(advisor.InputError) as refused:
        kind("x", "y", fits=1)
    said = str(refused.value)
    assert f"advisor.{kind.__name__}(…)" in said
    assert "'fits'" in said
    assert all(f" {field.name}" in said for field in fields(kind) if field.init)
    assert "__main__" not in said


def test_a_misspelt_argument_is_answered_with_the_near_one():
    with pytest.raises(advisor.InputError, match="Did you mean 'metric'"):
        advisor.Task(int, "rows.csv", metrics="auc")


@pytest.mark.parametrize(
    ("values", "named", "word"),
    [
        ((), {}, "build"),
        ((int, "rows.csv"), {"build": int}, "build"),
        ((int, "rows.csv", "more.csv"), {}, "too many"),
    ],
)
def test_a_missing_a_double_and_a_further_argument_are_told(values, named, word):
    with pytest.raises(advisor.InputError, match=word):
        advisor.Task(*values, **named)


def test_the_class_is_what_it_was_otherwise():
    task = advisor.Task(int, "rows.csv", target="y")
    assert replace(task, target="z").target == "z"
    assert copy.deepcopy(task) == task == pickle.loads(pickle.dumps(task))
    assert list(inspect.signature(advisor.Task).parameters)[:2] == ["build", "data"]
