"""The model may be a choice: a slot whose first entry is the baseline."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from models.choices import Deep, Small, Straight
from torch import nn

import advisor
from advisor.search.plan import make_plan
from advisor.technique import KEEP
from advisor.training.ended import Ended
from advisor.training.run import apply
from advisor.work.in_order import techniques_in_order
from advisor.work.job import work
from advisor.work.prepare import prepare
from advisor.work.study_ref import StudyRef

MODELS = {"small": Small, "deep": Deep, "straight": Straight}


def rings():
    """Two classes that no straight line tells apart."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(240, 4, generator=generator)
    return x, (x[:, :2].norm(dim=1) > 1.15).long()


def opened(models=MODELS, **given):
    task = advisor.Task(build=models, data=rings, **given)
    return prepare(StudyRef.of(advisor.Study("choice", task, epochs=2)))


def test_the_first_model_is_the_baseline_and_the_others_are_techniques_of_a_slot():
    prepared = opened()
    plan = make_plan(prepared)
    assert next(iter(plan.options)) == "model"
    assert plan.options["model"] == [KEEP, "deep", "straight"]
    assert isinstance(prepared.run(0, 0).model, Small)
    assert "models: small is the baseline, and deep and straight may take its place" in " ".join(
        prepared.notes
    ).replace(", straight", " and straight")
    # Each model has the trials that any technique has by itself.
    arms = plan.each_technique()
    assert [arm["model"] for arm in arms].count("deep") == 1
    assert all(set(plan.parameters_of(arms[0])) <= set(plan.parameters_of(arm)) for arm in arms)


def test_a_task_with_one_model_has_no_such_slot():
    assert "model" not in opened(Small).host.slots
    assert "model" not in make_plan(opened(Small)).options


def test_a_chosen_model_has_the_draws_of_the_seed_whatever_else_is_chosen():
    prepared = opened()

    def made(seed, **choices):
        run = prepared.run(seed, 0)
        said = apply(run, techniques_in_order(prepared.host, choices))
        return run.model, said

    one, said = made(1, model="deep")
    two, _ = made(1, model="deep", activation="elu")
    other, _ = made(2, model="deep")
    assert said["model"] == "Deep with 1,282 parameters in place of Small with 9 parameters"
    assert torch.equal(one.body[0].weight, two.body[0].weight)
    assert not torch.equal(one.body[0].weight, other.body[0].weight)
    alone = opened(Deep).build(1)
    assert torch.equal(one.body[0].weight, alone.body[0].weight)


def choice_job(prepared, **choices):
    from advisor.work.job import Job

    plan = make_plan(prepared)
    params = {**plan.baseline, **plan.defaults_of(plan.baseline), **choices}
    return Job(prepared.ref, "choices", prepared.digest, params, 1, 0, 16, 0, 2)


def test_a_technique_that_does_not_fit_one_model_fails_there_only_and_says_why():
    prepared = opened()
    outcomes = {
        name: work(choice_job(prepared, model=name, activation="elu"))
        for name in (KEEP, "deep", "straight")
    }
    assert outcomes[KEEP].ended is outcomes["deep"].ended is None
    assert outcomes["straight"].ended is Ended.FAILED
    assert outcomes["straight"].why == (
        "activation 'elu' cannot be tried on the model Straight: the model has no hidden "
        "activation to swap"
    )
    assert work(choice_job(prepared, model="straight")).ended is None


def broken():
    raise ValueError("no such weights")


UNFIT = {
    "three outputs": (lambda: nn.Linear(4, 3), "its output has the shape (3,), and that of the"),
    "probabilities": (
        lambda: nn.Sequential(nn.Linear(4, 2), nn.Softmax(dim=1)),
        "its output is of the kind 'probabilities', and that of the first model 'raw'",
    ),
    "other inputs": (lambda: nn.Linear(5, 2), "fails on a batch of the data"),
    "nothing to train": (lambda: nn.Identity(), "has no parameter"),
    "raises": (broken, "no such weights"),
    "no module": (lambda: 3, "returned int"),
}


@pytest.mark.parametrize("how", UNFIT)
def test_a_model_that_cannot_take_the_place_of_the_first_is_not_tried_and_says_why(how):
    make, why = UNFIT[how]
    plan = make_plan(opened({"small": Small, "other": make, "deep": Deep}))
    assert plan.options["model"] == [KEEP, "deep"]
    (skip,) = [skip for skip in plan.skipped if skip.slot == "model"]
    assert skip.technique == "other"
    assert why in skip.why


WRONG = {
    "one": ({"small": Small}, "a choice needs two models at least"),
    "none": ({}, "a choice needs two models at least"),
    "keep": ({"small": Small, "keep": Deep}, "cannot be called 'keep'"),
    "a number": ({"small": Small, 3: Deep}, "cannot be called 3"),
    "a blank": ({"small": Small, "very deep": Deep}, "cannot be called 'very deep'"),
    "a model": ({"small": Small, "deep": "deep.py"}, "'deep' needs a class or a function"),
}


@pytest.mark.parametrize("how", WRONG)
def test_a_choice_that_is_none_is_refused_with_what_to_give(how):
    models, words = WRONG[how]
    with pytest.raises(advisor.InputError, match="Task.build=") as told:
        advisor.Task(build=models, data=rings)
    assert words in str(told.value)


def test_a_task_with_several_models_can_be_changed_like_any_other():
    task = replace(advisor.Task(build=MODELS, data=rings), batch=8)
    assert task.models == MODELS
    assert task.build is Small
    assert list(task.other_models) == ["deep", "straight"]


def test_the_content_of_a_study_covers_all_its_models():
    def of(models):
        return opened(models).content.code

    class Deep2(Deep):
        def forward(self, x):
            return self.body(x) * 2

    same, changed = of({"small": Small, "deep": Deep}), of({"small": Small, "deep": Deep2})
    assert same == of({"small": Small, "deep": Deep})
    assert same != changed


def test_each_model_takes_those_arguments_that_it_knows():
    prepared = opened({"small": Small, "deep": Deep}, arguments={"width": 16})
    run = prepared.run(0, 0)
    apply(run, techniques_in_order(prepared.host, {"model": "deep"}))
    assert run.model.body[0].out_features == 16


def test_a_chosen_model_that_loads_weights_keeps_them(tmp_path):
    torch.manual_seed(3)
    path = tmp_path / "deep.pt"
    torch.save(Deep().state_dict(), path)

    def loaded():
        model = Deep()
        state = torch.load(path)
        model.body[0].load_state_dict(
            {"weight": state["body.0.weight"], "bias": state["body.0.bias"]}
        )
        return model

    prepared = opened({"small": Small, "deep": loaded})
    run = prepared.run(0, 0)
    choices = {"model": "deep", "initializer": "he"}
    said = apply(run, techniques_in_order(prepared.host, choices))
    assert torch.equal(run.model.body[0].weight, torch.load(path)["body.0.weight"])
    assert "body.0 (loaded by the model's constructor)" in said["initializer"]


@pytest.mark.proof
def test_a_study_recommends_the_model_that_is_better_and_says_how_to_have_it(tmp_path):
    only = {"activation": ["elu"], "initializer": [], "pretraining": [], "embedding": []}
    task = advisor.Task(build={"small": Small, "deep": Deep}, data=rings, batch=32)
    study = advisor.Study("rings", task, trials=12, epochs=12, seeds=3, only=only)
    found = advisor.tune(study, storage=str(tmp_path / "a.db"), workers=0)
    plain = json.loads(found.to_json())
    assert plain["verdict"] == "change"
    assert plain["choices"]["model"] == "deep"
    assert any("Deep(" in line for line in found.apply_with), found.apply_with
    assert any("those of small" in line and "deep" in line for line in found.warnings)
    # The user's own model of the chosen class gets the rest of what was chosen.
    given = Deep()
    weight = given.body[0].weight.detach().clone()
    applied = found.apply(given)
    assert isinstance(applied, Deep)
    assert torch.equal(applied.body[0].weight, weight)
    again = advisor.tune(study, storage=str(tmp_path / "a.db"), workers=0)
    assert (again.choices, again.gain) == (found.choices, found.gain)


def test_the_study_of_the_documentation_may_choose_its_model():
    text = (Path(__file__).parents[2] / "docs" / "models.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict = {}
    exec(compile(code, "docs/models.md", "exec"), names)
    plan = advisor.diagnose(names["study"]).plan
    assert plan.techniques == [("model", "deep"), ("activation", "elu")] + [
        pair for pair in plan.techniques if pair[0] not in ("model", "activation")
    ]


def test_a_diagnosis_is_that_of_the_first_model():
    task = advisor.Task(build=MODELS, data=rings)
    found = advisor.diagnose(advisor.Study("choice", task))
    assert isinstance(found.model, Small)
    assert found.fits["model"] == {"deep": None, "straight": None}
