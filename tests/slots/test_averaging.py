"""Averages of weights are the means that their papers write, and the model is scored with them."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from advisor.host.host import load
from advisor.testing.examples import EXAMPLES, run_of
from advisor.training.hooks import after_step, scoring
from advisor.training.loop import TrainingSettings, train
from advisor.training.run import apply
from advisor.work.replay import scored_model

SLOT = load().techniques["averaging"]
STEPS = 20


def moved(technique, **params):
    """A run whose weights are other ones after each of 20 steps, and the weights of each step."""
    run = run_of(EXAMPLES[1], seed=3)
    run.steps = STEPS
    apply(run, [(SLOT[technique], params)])
    seen = []
    for step in range(1, STEPS + 1):
        with torch.no_grad():
            for number, parameter in enumerate(run.model.parameters()):
                parameter.add_(torch.sin(torch.tensor(float(step + number))))
            run.model.norm.running_mean += 0.1
        after_step(run, step, 0, None)
        seen.append(copy.deepcopy(run.model.state_dict()))
    return run, seen


def test_a_running_mean_forgets_old_steps_as_its_formula_says():
    run, seen = moved("ema", span=0.5)
    wanted = seen[0]["head.weight"]
    for step, state in enumerate(seen[1:], 2):
        decay = min(1 - 1 / 10, (1 + step) / (10 + step))
        wanted = decay * wanted + (1 - decay) * state["head.weight"]
    with scoring(run):
        assert torch.allclose(run.model.head.weight, wanted, atol=1e-6)
    assert torch.equal(run.model.head.weight, seen[-1]["head.weight"])


def test_the_plain_mean_is_that_of_the_last_steps():
    run, seen = moved("swa", start=0.7)
    wanted = torch.stack([state["head.weight"] for state in seen[13:]]).mean(0)
    with scoring(run):
        assert torch.allclose(run.model.head.weight, wanted, atol=1e-6)


def test_statistics_of_batch_norms_are_taken_anew_from_training_rows():
    run, _ = moved("swa", start=0.7)
    inputs = run.data.train.take(torch.arange(len(run.data.train)))[0][0]
    before = run.model.norm.running_mean.clone()
    with scoring(run):
        reached = run.model.first(inputs)
        mean, variance = reached.mean((0, 2, 3)), reached.var((0, 2, 3))
        assert torch.allclose(run.model.norm.running_mean, mean, atol=1e-5)
        assert torch.allclose(run.model.norm.running_var, variance, rtol=1e-4)
    assert torch.equal(run.model.norm.running_mean, before)
    assert run.model.norm.momentum == 0.1


@pytest.mark.parametrize("technique", ["ema", "swa"])
def test_the_model_that_is_handed_out_is_the_one_that_was_scored(technique):
    run = run_of(EXAMPLES[0], seed=3)
    run.steps = 8
    apply(run, [(SLOT[technique], SLOT[technique].defaults())])
    settings = TrainingSettings(0.05, 0.0, 32, 0, 4)
    *_, last = train(run, settings, run.data.train)
    model = scored_model(run)
    inputs, target = run.data.train.take(torch.arange(64))
    assert (model(*inputs).argmax(1) == target).float().mean() == pytest.approx(last.score)


def test_nothing_is_averaged_where_the_mean_begins_at_the_last_step():
    run, seen = moved("swa", start=0.95)
    wanted = torch.stack([state["head.weight"] for state in seen[18:]]).mean(0)
    with scoring(run):
        assert torch.allclose(run.model.head.weight, wanted, atol=1e-6)


def test_a_loop_that_scores_itself_is_told_why_not():
    run = run_of(EXAMPLES[0], seed=0)
    run.honours = frozenset({"each_step", "keep"})
    for name in ("ema", "swa"):
        why = SLOT[name].unfit(run)
        assert "your own training does not use run.steps" in why
        assert "run.scored" in why


def test_models_of_any_class_can_be_averaged():
    class Odd(nn.Module):
        parameters = 3  # an attribute of the user's

        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(6, 3)

        def forward(self, x):
            return self.layer(x)

    run = run_of(EXAMPLES[0], seed=0)
    run.model = Odd()
    apply(run, [(SLOT["ema"], {"span": 0.1})])
    after_step(run, 1, 0, None)
    with scoring(run):
        assert run.model.layer.weight.shape == (3, 6)
