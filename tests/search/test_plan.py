"""The plan: what fits, what does not and why, and the order of a search."""

import json

import pytest

from advisor.errors import InputError
from advisor.search.plan import Plan, make_plan
from advisor.search.ranges import rungs_of
from advisor.work.prepare import prepare
from advisor.work.study_ref import StudyRef


def test_the_plan_has_keep_first_in_every_slot_and_says_why_the_rest_does_not_fit(plan):
    assert all(names[0] == "keep" for names in plan.options.values())
    why = {(skip.slot, skip.technique): skip.why for skip in plan.skipped}
    assert why["activation", "relu"] == "the model has it already"
    assert "no embedding table" in why["embedding", "cbow"]


def test_a_plan_survives_json(plan):
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_rungs_are_of_at_least_twenty_steps():
    assert rungs_of(24, steps=30) == [1, 3, 9, 24]
    assert rungs_of(100, steps=4) == [5, 15, 45, 100]
    assert rungs_of(2, steps=100) == [2]


def test_only_narrows_a_slot(study):
    ref = StudyRef.of(study(only={"activation": ["elu"], "initializer": []}))
    plan = make_plan(prepare(ref))
    assert plan.options["activation"] == ["keep", "elu"]
    assert plan.options["initializer"] == ["keep"]


@pytest.mark.parametrize(
    ("only", "words"),
    [
        ({"activations": []}, "Did you mean 'activation'"),
        ({"activation": ["eluu"]}, "Did you mean 'elu'"),
    ],
)
def test_only_refuses_names_that_do_not_exist(study, only, words):
    prepared = prepare(StudyRef.of(study(only=only)))
    with pytest.raises(InputError, match=words):
        make_plan(prepared)
