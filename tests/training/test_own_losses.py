"""How the output of a model is read that is trained by a loss of the user's own."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import advisor
from advisor.work.prepare import prepare
from advisor.work.study_ref import StudyRef

X = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 0).long()


class Focal(nn.Module):
    def forward(self, output, target):
        chance = F.binary_cross_entropy_with_logits(
            output.squeeze(-1), target.float(), reduction="none"
        )
        return ((1 - (-chance).exp()) ** 2 * chance).mean()


LOGITS = {
    "of torch": nn.BCEWithLogitsLoss(),
    "a function of torch": F.binary_cross_entropy_with_logits,
    "weighted": nn.BCEWithLogitsLoss(pos_weight=torch.tensor([3.0])),
    "reshaped": lambda output, target: F.binary_cross_entropy_with_logits(
        output.reshape(-1), target.float()
    ),
    "a margin": lambda output, target: F.soft_margin_loss(output[:, 0], 2.0 * target - 1),
    "a module": Focal(),
}
NUMBERS = {
    "of torch": nn.MSELoss(),
    "a function of torch": F.l1_loss,
    "a function": lambda output, target: ((output[:, 0] - target) ** 2).mean(),
}


def objective_of(loss, *end):
    task = advisor.Task(lambda: nn.Sequential(nn.Linear(4, 1), *end), (X, Y), loss=loss)
    return prepare(StudyRef.of(advisor.Study("own", task))).objective


def accuracy(objective, values):
    output = torch.tensor(values).reshape(-1, 1)
    target = torch.tensor([0, 1])
    return objective.metric.score(objective.answer(output, target), target)


@pytest.mark.parametrize("loss", LOGITS)
def test_logits_are_right_on_both_sides_of_zero(loss):
    objective = objective_of(LOGITS[loss])
    assert objective.kind == "binary"
    assert accuracy(objective, [-0.2, 0.2]) == 1.0
    assert accuracy(objective, [0.2, 0.4]) == 0.5


@pytest.mark.parametrize("loss", NUMBERS)
def test_numbers_are_right_on_both_sides_of_a_half(loss):
    objective = objective_of(NUMBERS[loss])
    assert accuracy(objective, [0.2, 0.7]) == 1.0
    assert accuracy(objective, [0.6, 0.7]) == 0.5


def test_probabilities_are_right_on_both_sides_of_a_half():
    objective = objective_of(nn.BCELoss(), nn.Sigmoid())
    assert accuracy(objective, [0.2, 0.7]) == 1.0
    assert accuracy(objective, [0.6, 0.7]) == 0.5


def test_a_loss_of_torch_compares_each_row_with_its_own_target():
    objective = objective_of(nn.MSELoss())
    output, target = torch.tensor([[0.0], [1.0], [1.0]]), torch.tensor([0, 1, 0])
    assert objective.loss(output, target).item() == pytest.approx(1 / 3)
