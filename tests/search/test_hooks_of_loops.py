"""Techniques whose hooks the user's own loop or script does not use are told why not, and others are
tried.
"""

from pathlib import Path

import pytest
import torch
from torch import nn

import advisor

PLUGIN = str(Path(__file__).parents[1] / "testing" / "hooked.py")
ONLY = {
    **{slot: [] for slot in ("activation", "initializer", "pretraining", "embedding")},
    "average": ["ema"],
    "rows": ["mixup"],
    "rate": ["falling"],
    "noise": ["langevin"],
}


def net():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))


def rows():
    x = torch.randn(90, 4, generator=torch.Generator().manual_seed(0))
    return x, (x[:, 0] > 0).long()


def with_loader(run):
    optimizer = torch.optim.SGD(run.model.parameters(), lr=run.lr)
    for _ in range(run.epochs):
        run.model.train()
        for x, y in run.loader(run.train):
            optimizer.zero_grad()
            run.loss(run.model(x), y).backward()
            optimizer.step()
        yield


def by_hand(run):
    pairs = [run.train[at] for at in range(len(run.train))]
    x, y = torch.stack([x for x, _ in pairs]), torch.stack([y for _, y in pairs])
    parameters = list(run.model.parameters())
    for _ in range(run.epochs):
        slopes = torch.autograd.grad(run.loss(run.model(x), y), parameters)
        for parameter, slope in zip(parameters, slopes, strict=True):
            parameter.data.sub_(run.lr * slope)
        yield 0.5


@pytest.mark.parametrize(
    ("fit", "skipped"),
    [
        (with_loader, {}),
        (
            by_hand,
            {
                "ema": "your own training does not use run.each_step and run.scored",
                "mixup": "your own training does not use run.batch",
                "falling": "your own training does not use run.steps and run.each_step",
                "langevin": "your own training does not use run.each_step",
            },
        ),
    ],
)
def test_a_loop_has_the_techniques_whose_hooks_it_uses(fit, skipped, tmp_path):
    task = advisor.Task(net, rows, fit=fit, batch=16)
    study = advisor.Study(fit.__name__, task, trials=8, epochs=2, seeds=3, only=ONLY)
    found = advisor.tune(study, storage=str(tmp_path / "a.db"), plugins=[PLUGIN], workers=0)
    told = {skip.technique: skip.why.replace(", ", " and ") for skip in found.skipped}
    assert {
        name: why for name, why in told.items() if name in ("ema", "mixup", "falling", "langevin")
    } == skipped
    assert found.trials["failed"] == 0
