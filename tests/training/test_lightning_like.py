"""A model that brings its own training, as Lightning's modules do, and no Lightning."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.optim import SGD, Adam, lr_scheduler

import advisor
from advisor.randomness import mix, start_from
from advisor.training.lightning_like import configured
from advisor.work.job import Job, work
from advisor.work.opened import in_this_process
from advisor.work.prepare import prepare
from advisor.work.study_ref import StudyRef

BATCH, EPOCHS = 16, 4


def rows():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(120, 6, generator=generator)
    return x, (x[:, 0] + x[:, 1] > 0).long() + (x[:, 2] > 0).long()


class LitNet(nn.Module):
    """As in a script for Lightning."""

    optimizers: ClassVar = staticmethod(lambda parameters: SGD(parameters, lr=0.1, momentum=0.9))

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))
        self.seen = []

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, batch_idx):
        x, y = batch
        return functional.cross_entropy(self(x), y) + 1e-3 * self(x).square().mean()

    def configure_optimizers(self):
        return type(self).optimizers(self.parameters())


def opened(optimizers=None, kind=LitNet, **task):
    if optimizers is not None:
        kind = type("Made", (kind,), {"optimizers": staticmethod(optimizers)})
    task = advisor.Task(kind, rows, batch=BATCH, **task)
    return prepare(StudyRef.of(advisor.Study("lit", task, epochs=EPOCHS)))


def trained(prepared, lr=None, **changes):
    params = {"training.lr": lr or prepared.recipe.lr, "training.weight_decay": 0.0}
    job = Job(prepared.ref, prepared.opening_id, prepared.digest, params, 3, 0, BATCH, 0, EPOCHS)
    with in_this_process(prepared):
        outcome = work(replace(job, **changes))
    assert not outcome.why, outcome.why
    return [(epoch.score, epoch.loss) for epoch in outcome.curve]


def one_cycle(parameters, **more):
    optimizer = SGD(parameters, lr=0.1, momentum=0.9)
    schedule = lr_scheduler.OneCycleLR(optimizer, max_lr=0.2, total_steps=24)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, **more}}


def in_lists(parameters):
    optimizer = SGD(parameters, lr=0.1)
    return [optimizer], [lr_scheduler.ExponentialLR(optimizer, 0.5)]


def warm_up(parameters):
    optimizer = SGD(parameters, lr=0.1)
    schedule = lr_scheduler.LambdaLR(optimizer, lambda epoch: epoch / 4)
    return {"optimizer": optimizer, "lr_scheduler": schedule}


def test_a_schedule_that_begins_at_zero_has_the_rate_that_it_goes_up_to():
    prepared = opened(warm_up)
    assert (prepared.loop is None, prepared.recipe.lr) == (False, 0.1)
    assert len(trained(prepared)) == EPOCHS


FORMS = {
    "an optimizer": (lambda parameters: SGD(parameters, lr=0.1), 0.1, []),
    "a list": (lambda parameters: [Adam(parameters, lr=0.02)], 0.02, []),
    "lists": (in_lists, 0.1, [("ExponentialLR", "epoch", 1)]),
    "a dictionary": (lambda parameters: {"optimizer": SGD(parameters, lr=0.1)}, 0.1, []),
    "steps": (
        lambda parameters: one_cycle(parameters, interval="step", frequency=2),
        0.2 / 25,  # where one cycle begins
        [("OneCycleLR", "step", 2)],
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_configure_optimizers_is_understood(form):
    optimizers, lr, schedules = FORMS[form]
    model = LitNet()
    model.configure_optimizers = lambda: optimizers(model.parameters())
    found = configured(model)
    assert found.optimizer.param_groups[0]["lr"] == pytest.approx(lr)
    said = [
        (type(each.scheduler).__name__, each.interval, each.frequency) for each in found.schedules
    ]
    assert said == schedules


def test_a_model_is_trained_by_its_own_step_and_optimizer():
    prepared = opened(lambda parameters: one_cycle(parameters, interval="step"))
    assert (
        "Made's own training_step; its optimizer: SGD at lr 0.2, weight decay 0, OneCycleLR"
        in prepared.notes[-1]
    )
    curve = trained(prepared)

    # As Lightning goes through it.
    run, valid = prepared.run(3, 0), prepared.splits(0).valid
    model, train = run.model, run.data.train
    generator = torch.Generator().manual_seed(mix(3, "fit", "order"))
    start_from(mix(3, "fit"))
    given = model.configure_optimizers()
    x, y = valid.take(torch.arange(len(valid)))
    for epoch in range(EPOCHS):
        model.train()
        for place, index in enumerate(torch.randperm(len(train), generator=generator).split(BATCH)):
            inputs, target = train.take(index)
            given["optimizer"].zero_grad()
            model.training_step((inputs[0], target), place).backward()
            given["optimizer"].step()
            given["lr_scheduler"]["scheduler"].step()
        model.eval()
        right = (model(x[0]).argmax(1) == y).double().mean()
        assert curve[epoch][0] == pytest.approx(float(right), abs=1e-6)


@pytest.mark.parametrize("optimizers", [one_cycle, in_lists], ids=["a dictionary", "lists"])
def test_it_goes_on_from_a_rung_bit_for_bit_at_another_rate(optimizers, tmp_path):
    prepared = opened(optimizers)
    whole = trained(prepared, lr=0.03)
    assert whole != trained(prepared)
    kept = str(tmp_path / "state.pt")
    first = trained(prepared, lr=0.03, to_epoch=2, epochs=EPOCHS, save=kept)
    rest = trained(prepared, lr=0.03, from_epoch=2, epochs=EPOCHS, load=kept)
    assert first + rest == whole


def test_a_recipe_that_the_task_says_goes_before_the_models_own():
    assert opened(optimizer=SGD).loop is None
    assert opened().loop is not None


class Manual(LitNet):
    automatic_optimization = False


class Steps(LitNet):
    def optimizer_step(self, *_):
        """Only Lightning calls this."""


def plateau(parameters):
    optimizer = SGD(parameters, lr=0.1)
    schedule = lr_scheduler.ReduceLROnPlateau(optimizer)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "monitor": "val_loss"}}


def with_trainer(parameters):
    raise RuntimeError("LitNet is not attached to a `Trainer`")


REFUSED = {
    "manual": ({"kind": Manual}, "it optimizes by itself (automatic_optimization = False)"),
    "its own step": ({"kind": Steps}, "it has its own optimizer_step, which only Lightning's"),
    "two": (
        {"optimizers": lambda parameters: [SGD(parameters, lr=0.1)] * 2},
        "it has 2 optimizers",
    ),
    "none": ({"optimizers": lambda parameters: None}, "gave NoneType, no optimizer"),
    "monitored": ({"optimizers": plateau}, "its ReduceLROnPlateau follows a value that only"),
    "a trainer": ({"optimizers": with_trainer}, "raised RuntimeError: LitNet is not attached"),
    "a closure": (
        {"optimizers": lambda parameters: torch.optim.LBFGS(parameters)},
        "LBFGS needs a closure for each step",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_only_lightnings_trainer_does_is_said_and_our_recipe_trains(case):
    words, told = REFUSED[case]
    prepared = opened(**words)
    assert prepared.loop is None
    (warning,) = [each for each in prepared.warnings if "training_step" in each]
    assert told in warning
    assert "to have your own trainer, give Task(fit=…)" in warning
    assert len(trained(prepared)) == EPOCHS
