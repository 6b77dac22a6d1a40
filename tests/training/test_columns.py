"""Targets reach a loss of the user's own in the form in which it reads them."""

import pytest
import torch
import torch.nn.functional as F
from models.faults import Patient, study_of
from models.silent import columns, linear, of
from models.well import yes_or_no
from torch import nn

from advisor.work.prepare import prepare
from advisor.work.study_ref import StudyRef

ROWS = torch.arange(8)


def prepared(loss, number=False, data=columns):
    def forward(m, x):
        out = m.b(F.relu(m.a(x)))
        return out[:, 0] if number else out

    build = of(forward, a=linear(6, 8), b=linear(8, 1))
    return prepare(StudyRef.of(study_of(Patient(build, data=data, loss=loss))))


def squared(output, target):
    return (output - target).square().mean()


def absolute(output, target):
    return (output - target).abs().mean()


def of_numbers(output, target):
    return (output[:, 0] - target).square().mean()


def correlation(output, target):
    pair = torch.stack([output.reshape(-1), target.reshape(-1)])
    return 1 - torch.corrcoef(pair)[0, 1]


def lost(study):
    """The loss on a few rows, and the one that compares each row with itself only."""
    run = study.run(0, 0)
    inputs, target = run.data.train.take(ROWS)
    output = run.model(*inputs)
    return run.loss(output, target).detach(), (output.reshape(-1) - target).detach()


@pytest.mark.parametrize("loss", [squared, absolute, nn.MSELoss(), nn.L1Loss(), F.smooth_l1_loss])
@pytest.mark.parametrize("number", [False, True])
def test_no_loss_compares_a_row_with_the_others_by_the_form_of_the_target(loss, number):
    study = prepared(loss, number)
    found, error = lost(study)
    assert float(found) == pytest.approx(float(loss(error, torch.zeros(8))), rel=1e-5)
    told = [line for line in study.warnings if "as a column" in line]
    assert bool(told) == (loss in (squared, absolute) and not number)


@pytest.mark.parametrize("loss", [of_numbers, correlation])
def test_a_loss_that_reads_numbers_or_means_to_compare_rows_gets_them_as_they_are(loss):
    study = prepared(loss)
    assert not [line for line in study.warnings if "as a column" in line]
    if loss is of_numbers:
        found, error = lost(study)
        assert float(found) == pytest.approx(float(error.square().mean()), rel=1e-5)


def test_a_loss_of_classes_that_wants_a_column_gets_one():
    def loss(output, target):
        return F.binary_cross_entropy_with_logits(output, target.float())

    study = prepared(loss, data=yes_or_no)
    assert [line for line in study.warnings if "as a column" in line]
    run = study.run(0, 0)
    inputs, target = run.data.train.take(ROWS)
    output = run.model(*inputs)
    want = F.binary_cross_entropy_with_logits(output[:, 0], target.float())
    assert float(run.loss(output, target).detach()) == pytest.approx(float(want.detach()))
