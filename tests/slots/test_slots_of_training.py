"""Optimizers, schedules and clipping do what their papers write, in the place of the recipe's own."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from advisor_plugins.optimizer.muon import orthogonalized
from torch import nn
from torch.optim import lr_scheduler

from advisor.host.host import load
from advisor.testing.examples import EXAMPLES, run_of
from advisor.training.loop import TrainingSettings, train
from advisor.training.run import apply
from advisor.training.stacks.fits import why_alone
from advisor.training.stepping import Stepping

HOST = load()
STEPS, RATE = 40, 0.01


def run_with(example=0, **choices):
    """A run of an example with techniques by slot, at their first parameters."""
    run = run_of(EXAMPLES[example], seed=3)
    run.steps = STEPS
    chosen = []
    for slot in HOST.slots:
        if slot in choices:
            name, params = (
                choices[slot] if isinstance(choices[slot], tuple) else (choices[slot], {})
            )
            technique = HOST.find(slot, name)
            chosen.append((technique, {**technique.defaults(), **params}))
    apply(run, chosen)
    return run


def rates_of(run, steps=STEPS, epochs=4):
    """The learning rate of each step of a training in which all gradients are 1."""
    stepping = Stepping(run, RATE, 0.0, steps, epochs)
    rates = []
    stepping.optimizer.register_step_pre_hook(
        lambda optimizer, *_: rates.append(optimizer.param_groups[0]["lr"])
    )
    for _ in range(steps):
        for parameter in run.model.parameters():
            parameter.grad = torch.ones_like(parameter)
        stepping.step(0)
    return rates


# --- schedules ------------------------------------------------------------------------------------


def test_one_cycle_is_torch_s():
    run = run_with(schedule=("one_cycle", {"warmup": 0.4}))
    optimizer = torch.optim.AdamW(nn.Linear(2, 2).parameters(), lr=RATE)
    wanted, scheduler = [], lr_scheduler.OneCycleLR(optimizer, RATE, STEPS, pct_start=0.4)
    for _ in range(STEPS):
        wanted.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates_of(run) == pytest.approx(wanted)


SHAPES = {
    "constant_rate": lambda step, warm: 1.0,
    "linear_decay": lambda step, warm: (STEPS - step) / (STEPS - warm),
    "cosine_decay": lambda step, warm: (
        (1 + torch.cos(torch.tensor(torch.pi * (step - warm) / (STEPS - warm))).item()) / 2
    ),
}


@pytest.mark.parametrize("warmup", [0.0, 0.25])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_schedule_comes_up_in_a_line_and_has_its_shape_then(shape, warmup):
    run, warm = run_with(schedule=(shape, {"warmup": warmup})), round(warmup * STEPS)
    wanted = [
        RATE * ((step + 1) / (warm + 1) if step < warm else SHAPES[shape](step, warm))
        for step in range(STEPS)
    ]
    assert rates_of(run) == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("name", ["constant_rate", "linear_decay", "cosine_decay", "one_cycle"])
@pytest.mark.parametrize("steps", [1, 2, 3, 4, 7])
def test_the_shortest_trainings_have_a_schedule(name, steps):
    for warmup in (0.0, 0.3, 0.5):
        rates = rates_of(run_with(schedule=(name, {"warmup": warmup})), steps, 1)
        assert all(0 <= rate <= RATE * 1.0001 for rate in rates)
        assert max(rates) > 0


def test_a_schedule_takes_the_place_of_the_recipe_s_own():
    run = run_of(EXAMPLES[0], seed=3)
    run.recipe = run.recipe.scheduled("onecycle")
    apply(run, [(HOST.find("schedule", "linear_decay"), {"warmup": 0.0})])
    rates = rates_of(run)
    assert rates[0] == pytest.approx(RATE)
    assert rates[-1] == pytest.approx(RATE / STEPS)


# --- clipping -------------------------------------------------------------------------------------


def clipped(size, **choices):
    """The gradient of a step, whose numbers were all `size`, when the optimizer takes it."""
    run, seen = run_with(**choices), []
    stepping = Stepping(run, RATE, 0.0, STEPS, 4)
    for parameter in run.model.parameters():
        parameter.grad = torch.full_like(parameter, size)
    stepping.optimizer.register_step_pre_hook(
        lambda *_: seen.extend(each.grad.flatten().clone() for each in run.model.parameters())
    )
    stepping.step(0)
    return torch.cat(seen)


def test_clipping_by_norm_shortens_a_long_gradient_and_leaves_a_short_one():
    assert clipped(5.0, clipping=("clip_by_norm", {"norm": 0.5})).norm() == pytest.approx(
        0.5, rel=1e-4
    )
    short = clipped(1e-4, clipping=("clip_by_norm", {"norm": 0.5}))
    assert torch.equal(short, torch.full_like(short, 1e-4))


def test_clipping_by_value_bounds_each_number():
    assert clipped(-5.0, clipping=("clip_by_value", {"value": 0.25})).unique().tolist() == [-0.25]
    small = clipped(0.125, clipping=("clip_by_value", {"value": 0.25}))
    assert small.unique().tolist() == [0.125]


def test_clipping_takes_the_place_of_the_recipe_s_own():
    run = run_of(EXAMPLES[0], seed=3)
    run.recipe = replace(run.recipe, clip=0.1)
    apply(run, [(HOST.find("clipping", "clip_by_value"), {"value": 0.25})])
    assert (run.recipe.clip, run.recipe.clip_value) == (None, 0.25)


# --- optimizers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(8, 8), (16, 4), (4, 16), (1, 5)])
def test_a_matrix_made_orthogonal_keeps_its_directions_and_has_singular_values_near_1(shape):
    torch.manual_seed(0)
    u, _, v = torch.linalg.svd(torch.randn(shape), full_matrices=False)
    sizes = torch.linspace(0.3, 1.0, min(shape))
    found = orthogonalized(u * sizes @ v)
    inside = u.mT @ found @ v.mT
    assert ((inside.diagonal() > 0.65) & (inside.diagonal() < 1.25)).all()
    assert (inside - inside.diagonal().diag()).abs().max() < 1e-4
    assert torch.linalg.svdvals(found).max() < 1.25


def gradients(model, seed):
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator)


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch has it from version 2.9 on")
def test_muon_moves_hidden_matrices_as_torch_s_and_the_rest_as_adamw():
    run = run_with(optimizer=("muon", {"lr": 0.02, "momentum": 0.9}))
    other = copy.deepcopy(run.model)
    ours = Stepping(run, RATE, 0.1, STEPS, 4)
    hidden = [other.body[0].weight, other.body[3].weight]
    vectors = [each for each in other.parameters() if each.ndim < 2]
    theirs = [
        torch.optim.Muon(
            hidden, lr=0.02, weight_decay=0.1, momentum=0.9, adjust_lr_fn="match_rms_adamw"
        ),
        torch.optim.AdamW([other.head.weight], lr=0.02, weight_decay=0.1),
        torch.optim.AdamW(vectors, lr=0.02, weight_decay=0.0),
    ]
    for step in range(5):
        gradients(run.model, step)
        gradients(other, step)
        ours.step(0)
        for optimizer in theirs:
            optimizer.step()
    # Torch's computes in bfloat16, which has three digits.
    for one, two in zip(run.model.parameters(), other.parameters(), strict=True):
        is_hidden = any(two is each for each in hidden)
        assert torch.allclose(one, two, atol=3e-3 if is_hidden else 1e-6)


def test_tables_and_output_layers_are_no_hidden_matrices():
    run = run_with(4, optimizer="muon")  # the classifier of texts
    stepping = Stepping(run, RATE, 0.0, STEPS, 4)
    inside = [g["params"] for g in stepping.optimizer.param_groups if g["orthogonal"]]
    assert [each.shape for group in inside for each in group] == [run.model.hidden.weight.shape]
    assert "no hidden matrix" in HOST.find("optimizer", "muon").unfit(run_of_linear())


def run_of_linear():
    run = run_of(EXAMPLES[0], seed=3)
    run.model = nn.Linear(6, 3)
    return run


@pytest.mark.parametrize(("name", "kind"), [("sgd", torch.optim.SGD), ("nadam", torch.optim.NAdam)])
def test_an_optimizer_is_torch_s_at_its_own_rate(name, kind):
    run = run_with(optimizer=(name, {"lr": 0.25}))
    stepping = Stepping(run, RATE, 0.1, STEPS, 4)
    assert type(stepping.optimizer) is kind
    groups = stepping.optimizer.param_groups
    assert [group["lr"] for group in groups] == [0.25, 0.25]
    assert [group["weight_decay"] for group in groups] == [0.1, 0.0]


def test_an_own_rate_is_scheduled_as_the_trial_s_is():
    run = run_with(optimizer=("sgd", {"lr": 0.25}), schedule=("linear_decay", {"warmup": 0.0}))
    stepping = Stepping(run, RATE, 0.0, STEPS, 4)
    assert stepping.factor * stepping.optimizer.param_groups[0]["lr"] == pytest.approx(0.25)


def test_a_recipe_of_adamw_needs_no_adamw():
    run = run_of(EXAMPLES[0], seed=3)
    assert HOST.find("optimizer", "adamw").unfit(run) == "the model is trained by AdamW already"
    run.optimizer = lambda groups, lr, weight_decay: torch.optim.SGD(groups, lr)
    assert HOST.find("optimizer", "adamw").unfit(run) is None


# --- all of them ----------------------------------------------------------------------------------

CHOICES = [
    (slot, name)
    for slot in ("optimizer", "schedule", "clipping")
    for name in HOST.techniques[slot]
    if name != "keep"
]


@pytest.mark.parametrize(("slot", "name"), CHOICES)
def test_a_loop_of_the_user_s_own_is_told_why_not(slot, name):
    run = run_of(EXAMPLES[0], seed=3)
    run.honours = frozenset(("each_step", "keep"))
    assert HOST.find(slot, name).unfit(run).startswith("your own training does not use run.")


@pytest.mark.parametrize(("slot", "name"), CHOICES)
def test_a_run_is_trained_by_itself_and_says_how_to_train_by_hand(slot, name):
    run = run_with(**{slot: name})
    assert why_alone(run).startswith("a technique has set run.")
    technique = HOST.find(slot, name)
    own = {key: value for key, value in technique.defaults().items() if key != technique.rate}
    assert "torch." in technique.by_hand(0.01, 1e-4, **own)
    settings = TrainingSettings(RATE, 1e-4, 32, 0, 2)
    *_, last = train(run, settings, run.data.train)
    assert last.loss > 0
