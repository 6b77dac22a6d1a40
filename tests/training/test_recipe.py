"""The user's recipe: their optimizer, schedule, clipping and augmentation in every arm."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import nn
from torch.optim import SGD, lr_scheduler

import advisor
from advisor.errors import InputError
from advisor.randomness import mix, start_from
from advisor.search.plan import DECAY, RATE
from advisor.search.ranges import nuisance_of
from advisor.training.ended import StoppedEarly
from advisor.training.groups import parameter_groups
from advisor.training.kept_file import KeptFile
from advisor.training.loop import TrainingSettings, train
from advisor.work.prepare import Prepared, prepare
from advisor.work.study_ref import StudyRef

ROWS, BATCH, EPOCHS = 90, 16, 4


def rows():
    """Ninety rows of three classes."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(ROWS, 6, generator=generator)
    return x, (x[:, 0] + x[:, 1] > 0).long() + (x[:, 2] > 0).long()


def net():
    """A small net with dropout."""
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 3))


def opened(epochs=EPOCHS, **recipe) -> Prepared:
    """A study with this recipe, opened."""
    task = advisor.Task(net, rows, batch=BATCH, loss=nn.functional.cross_entropy, **recipe)
    return prepare(StudyRef.of(advisor.Study("recipe", task, epochs=epochs)))


def trained(prepared, start=0, end=EPOCHS, lr=None, **places):
    """The run of a part of a training, and its curve."""
    run = prepared.run(0, 0)
    recipe = run.recipe
    fit = TrainingSettings(
        lr or recipe.lr, recipe.weight_decay, BATCH, start, end, epochs=EPOCHS, **places
    )
    curve = list(train(run, fit, prepared.splits(0).valid))
    return run, curve


def weights(run):
    return [parameter.detach().clone() for parameter in run.model.parameters()]


SGD_NESTEROV = partial(SGD, lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-3)
SCHEDULES = {
    "one cycle": partial(lr_scheduler.OneCycleLR, max_lr=0.2),
    "cosine": lr_scheduler.CosineAnnealingLR,
    "steps in epochs": lambda optimizer, epochs: lr_scheduler.MultiStepLR(
        optimizer, [epochs // 2, epochs - 1]
    ),
    "warm-up, then linear": lambda optimizer, steps: lr_scheduler.SequentialLR(
        optimizer,
        [
            lr_scheduler.LinearLR(optimizer, 0.1, 1.0, total_iters=steps // 5),
            lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=steps - steps // 5),
        ],
        [steps // 5],
    ),
    "plateau": partial(lr_scheduler.ReduceLROnPlateau, patience=0, factor=0.5),
}


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_a_training_cut_at_a_rung_goes_on_bit_for_bit(schedule, tmp_path):
    prepared = opened(optimizer=SGD_NESTEROV, scheduler=schedule, clip=1.0)
    whole, curve = trained(prepared, lr=0.03)

    file = KeptFile(tmp_path / "state.pt")
    _, first = trained(prepared, 0, 2, lr=0.03, save=file)
    second, rest = trained(prepared, 2, EPOCHS, lr=0.03, state=file.read())
    assert [(each.score, each.loss) for each in [*first, *rest]] == [
        (each.score, each.loss) for each in curve
    ]
    for one, other in zip(weights(whole), weights(second), strict=True):
        assert torch.equal(one, other)


def test_the_first_trial_is_the_users_own_loop():
    prepared = opened(
        optimizer=SGD_NESTEROV, scheduler=partial(lr_scheduler.OneCycleLR, max_lr=0.2), clip=0.5
    )
    run, _ = trained(prepared)

    # The same loop as a script of theirs would have it, with the draws of advisor.
    other = prepared.run(0, 0)
    model, part = other.model, other.data.train
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-3)
    steps = math.ceil(len(part) / BATCH) * EPOCHS
    schedule = lr_scheduler.OneCycleLR(optimizer, max_lr=0.2, total_steps=steps)
    for epoch in range(EPOCHS):
        start_from(mix(0, "dropout", epoch))
        order = torch.randperm(
            len(part), generator=torch.Generator().manual_seed(mix(0, "order", epoch))
        )
        model.train()
        for index in order.split(BATCH):
            (x,), y = part.take(index)
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()
            schedule.step()
    for one, own in zip(weights(run), weights(other), strict=True):
        assert torch.allclose(one, own, atol=1e-6)


def layerwise(model):
    """A tenth of the rate below the last layer."""
    return SGD(
        [{"params": model[0].parameters(), "lr": 0.01}, {"params": model[3].parameters()}], lr=0.1
    )


def test_all_rates_keep_their_proportion_and_what_has_no_decay_gets_none():
    prepared = opened(optimizer=layerwise)
    run = prepared.run(0, 0)
    assert (run.recipe.lr, run.recipe.weight_decay) == (0.1, 0.0)
    optimizer = run.optimizer(parameter_groups(run), 0.3, 0.0)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.03, 0.3])
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0, 0]

    ranges = nuisance_of(run.recipe)
    assert (ranges[RATE].low, ranges[RATE].first, ranges[RATE].high) == (0.01, 0.1, 10)
    assert (ranges[DECAY].low, ranges[DECAY].high) == (0, 0)


def test_a_trials_rate_multiplies_a_schedule_that_sets_its_own():
    prepared = opened(
        optimizer=partial(SGD, lr=0.1), scheduler=partial(lr_scheduler.OneCycleLR, max_lr=0.2)
    )
    seen = {}
    for lr in (0.1, 0.05):
        run = prepared.run(0, 0)
        before = weights(run)
        fit = TrainingSettings(lr, 0.0, BATCH, 0, 1, epochs=EPOCHS)
        run.each_step.append(
            lambda step, _epoch, _optimizer, lr=lr, run=run, before=before: seen.setdefault(
                (lr, step), (before[0] - run.model[0].weight.detach()).norm()
            )
        )
        list(train(run, fit, prepared.splits(0).valid))
    assert float(seen[0.05, 1] / seen[0.1, 1]) == pytest.approx(0.5, rel=1e-4)


def test_gradients_of_small_batches_make_the_step_of_a_large_one():
    small = opened(optimizer=partial(SGD, lr=0.1), accumulate=2)
    run = small.run(0, 0)
    run.model[2].p = 0.0
    other = small.run(0, 0)
    other.model[2].p = 0.0
    list(train(run, TrainingSettings(0.1, 0.0, 18, 0, 1), small.splits(0).valid))
    single = opened(optimizer=partial(SGD, lr=0.1)).recipe
    other.recipe = single
    list(train(other, TrainingSettings(0.1, 0.0, 36, 0, 1), small.splits(0).valid))
    assert len(run.data.train) % 36 in (0, 18)
    for one, both in zip(weights(run), weights(other), strict=True):
        assert torch.allclose(one, both, atol=1e-6)


CHANGED: list[int] = []


def shifted(x):
    """Rows with a little noise, whose number is noted."""
    CHANGED.append(len(x))
    return x + 0.1 * torch.randn_like(x)


def test_augmentation_sees_training_rows_alone_and_draws_the_same_for_all_arms():
    prepared = opened(augment=shifted)
    CHANGED.clear()
    run, _ = trained(prepared, end=2)
    assert sum(CHANGED) == 2 * len(run.data.train)
    # An arm that draws more in its layers has the same changes.
    changed = prepared.run(0, 0)
    augment = changed.recipe.augment
    start_from(1)
    first = augment((torch.zeros(2, 6),), torch.zeros(2), 5)[0][0]
    start_from(2)
    second = augment((torch.zeros(2, 6),), torch.zeros(2), 5)[0][0]
    assert torch.equal(first, second)


def test_mixed_precision_trains_in_bfloat16():
    kinds = []
    prepared = opened(precision="bf16", augment=lambda x: x)
    run = prepared.run(0, 0)
    run.model[0].register_forward_hook(lambda _module, _in, out: kinds.append(out.dtype))
    list(train(run, TrainingSettings(1e-3, 0.0, BATCH, 0, 1), prepared.splits(0).valid))
    assert torch.bfloat16 in kinds
    assert kinds[-1] == torch.float32, "scores are of the model's own precision"


class Other(nn.Module):
    """Some other model."""


BAD = {
    "an optimizer of another model": (
        {"optimizer": lambda parameters: SGD(nn.Linear(2, 2).parameters(), lr=0.1)},
        "trains no parameter of the model",
    ),
    "no optimizer": ({"optimizer": lambda _parameters: 3}, "returned 3"),
    "a class that is none": ({"optimizer": Other}, "is no optimizer"),
    "an optimizer that raises": (
        {"optimizer": lambda parameters: SGD(parameters, lr=-1)},
        "raised ValueError",
    ),
    "a rate of zero": ({"optimizer": partial(SGD, lr=0.0)}, "learning rate 0"),
    "a closure": ({"optimizer": torch.optim.LBFGS}, "needs a closure"),
    "too many arguments": ({"optimizer": lambda a, b: SGD(a, lr=b)}, "asks for a, b"),
    "an unknown name": ({"optimizer": "sdg:lr=.1"}, "Did you mean"),
    "settings that cannot be read": ({"optimizer": "sgd:lr"}, "cannot be read"),
    "an unknown schedule": ({"scheduler": "cosinus"}, "Did you mean"),
    "a schedule of epochs or steps": (
        {"scheduler": partial(lr_scheduler.StepLR, step_size=30)},
        "what does StepLR count",
    ),
    "a schedule of other steps": (
        {"scheduler": partial(lr_scheduler.OneCycleLR, max_lr=0.1, total_steps=7)},
        "is made for total_steps=7",
    ),
    "a schedule that ends too soon": (
        {"scheduler": lambda o, steps: lr_scheduler.OneCycleLR(o, 0.1, total_steps=steps // 2)},
        "made for another number",
    ),
    "no schedule": ({"scheduler": lambda _optimizer, steps: steps}, "no scheduler"),
    "a schedule that asks for nothing": ({"scheduler": lambda _optimizer: None}, "count"),
    "a plateau of scores": (
        {"scheduler": partial(lr_scheduler.ReduceLROnPlateau, mode="max")},
        'mode="min"',
    ),
}


@pytest.mark.parametrize(("recipe", "message"), BAD.values(), ids=BAD)
def test_a_recipe_that_cannot_train_says_who_and_what_to_do(recipe, message):
    with pytest.raises(InputError, match="(?s)") as raised:
        opened(**recipe)
    assert message in str(raised.value)


WRONG_FIELDS = {
    "an optimizer that is built already": {"optimizer": SGD(net().parameters(), lr=0.1)},
    "a norm of zero": {"clip": 0},
    "no step": {"accumulate": 0},
    "another precision": {"precision": "fp8"},
    "no function": {"augment": 3},
}


@pytest.mark.parametrize("field", WRONG_FIELDS.values(), ids=WRONG_FIELDS)
def test_a_field_of_the_recipe_says_what_it_wants(field):
    with pytest.raises(InputError, match="give "):
        advisor.Task(net, rows, **field)


def test_an_optimizer_that_drops_what_a_technique_added_fails_that_arm_alone():
    def first_layers(model):
        return SGD([*model[0].parameters(), *model[3].parameters()], lr=0.1)

    prepared = opened(optimizer=first_layers)
    run = prepared.run(0, 0)
    run.model[1] = nn.PReLU()
    with pytest.raises(StoppedEarly, match=r"does not train 1\.weight"):
        list(train(run, TrainingSettings(0.1, 0.0, BATCH, 0, 1), prepared.splits(0).valid))


def test_a_schedule_whose_rate_is_gone_before_the_end_is_told():
    prepared = opened(
        optimizer=partial(SGD, lr=0.1),
        scheduler=lambda optimizer, steps: lr_scheduler.StepLR(optimizer, 1, 0.1),
    )
    assert "does it count steps?" in prepared.recipe.warnings[0]
