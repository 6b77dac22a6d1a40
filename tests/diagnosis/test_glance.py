"""The look before a training, beside one that records every layer: the same verdict, cheaper."""

import math
from itertools import product

import pytest
import torch
from models.faults import FAULTS, HEALTHY, IMAGE, LeNet, Patient, plain, run_of
from torch import nn

from advisor.diagnosis import diagnose
from advisor.diagnosis.diagnose import glance
from advisor.training.pooled import pooled_first

ACTS = (nn.ReLU, nn.Tanh, nn.Sigmoid)
STARTS = {
    "default": lambda weight: None,
    "xavier": nn.init.xavier_uniform_,
    "he": nn.init.kaiming_normal_,
    "orthogonal": nn.init.orthogonal_,
    "tiny": lambda weight: nn.init.normal_(weight, std=1e-3),
    "huge": lambda weight: nn.init.normal_(weight, std=1e6),
    "zero": nn.init.zeros_,
    "nan": lambda weight: nn.init.constant_(weight, math.nan),
}
DEPTHS = (2, 30)


def convolutions(depth, act):
    """So many convolutions, each with an activation, and maximum pooling behind the first."""
    layers = [nn.Conv2d(1, 8, 3, padding=1), act(), nn.MaxPool2d(2)]
    for _ in range(depth - 1):
        layers += [nn.Conv2d(8, 8, 3, padding=1), act()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(8 * 16, 10))


def started(model, start):
    for layer in model:
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            STARTS[start](layer.weight)
    return model


def whole(run, monkeypatch):
    """What is seen where every layer is recorded."""
    with monkeypatch.context() as patch:
        patch.setattr(diagnose, "ends_of", lambda run: None)
        return glance(run)


def assert_the_same(run, monkeypatch):
    seen, expected = glance(run), whole(run, monkeypatch)
    assert seen.untrainable == expected.untrainable
    for name in ("features", "cosine", "gradient"):
        ours, usual = getattr(seen, name), getattr(expected, name)
        assert (ours is None) is (usual is None)
        assert usual is None or ours == pytest.approx(usual, rel=1e-5, abs=1e-7, nan_ok=True)
    return seen


@pytest.mark.parametrize(("depth", "start"), list(product(DEPTHS, STARTS)))
def test_starts_are_judged_as_with_every_layer_recorded(depth, start, monkeypatch):
    verdicts = set()
    for act, build, shape in product(ACTS, (plain, convolutions), ((64,), IMAGE)):
        if (build is plain) is (shape == (64,)):
            patient = Patient(lambda b=build, a=act: started(b(depth, a), start), shape=shape)
            run = run_of(patient)
            run.channels_last = build is convolutions
            verdicts.add(assert_the_same(run, monkeypatch).untrainable is None)
    # What is hopeless for every activation, what for none, and what for some.
    if start == "nan":
        assert verdicts == {False}
    if depth == 2 and start in ("default", "xavier", "he", "orthogonal"):
        assert verdicts == {True}
    if depth == 30 and start in ("default", "tiny"):
        assert False in verdicts


@pytest.mark.parametrize("name", [*FAULTS, *HEALTHY])
def test_known_models_are_judged_as_with_every_layer_recorded(name, monkeypatch):
    assert_the_same(run_of((FAULTS | HEALTHY)[name]), monkeypatch)


def test_a_healthy_model_is_called_as_in_its_training_and_its_layers_are_not_recorded(monkeypatch):
    run, recorded = run_of(Patient(lambda: convolutions(2, nn.ReLU), shape=IMAGE)), []
    run.channels_last = True
    before = run.model[3].weight.data
    monkeypatch.setattr(
        "advisor.diagnosis.signal_recorder.spread", lambda values: recorded.append(values) or 1.0
    )
    glance(run)
    assert [tuple(values.shape) for values in recorded] == [(256, 128)]
    assert run.called[1] is not run.model
    assert pooled_first(run) is run.called[1]
    assert run.model[3].weight.data_ptr() == before.data_ptr()
    whole(run, monkeypatch)
    assert len(recorded) > 2


class OwnDropout(nn.Module):
    def forward(self, x):
        return nn.functional.dropout(x, 0.5, self.training)


def test_dropout_of_the_users_own_is_off(monkeypatch):
    run = run_of(
        Patient(
            lambda: nn.Sequential(
                nn.Conv2d(1, 4, 3),
                OwnDropout(),
                nn.ReLU(),
                nn.MaxPool2d(2),
                *(nn.Flatten(), nn.Linear(36, 10), nn.ReLU(), nn.Linear(10, 10)),
            ),
            shape=IMAGE,
        )
    )
    assert pooled_first(run) is not run.model
    assert_the_same(run, monkeypatch)


def test_what_cannot_be_computed_with_channels_last_is_computed_as_it_is(monkeypatch):
    class ByView(LeNet):
        def forward(self, x):
            return self.fc2(self.act(self.fc1(self.conv2(self.conv1(x)).view(len(x), -1))))

    def build():
        model = ByView(torch.relu)
        model.fc1 = nn.Linear(16 * 64, 32)
        return model

    run = run_of(Patient(build, shape=IMAGE))
    run.channels_last = True
    assert glance(run) == whole(run, monkeypatch)


def test_what_is_heard_of_a_model_is_not_missed_by_what_was_found_before():
    run = run_of(Patient(lambda: convolutions(2, nn.ReLU), shape=IMAGE))
    assert pooled_first(run) is not run.model
    run.model.register_forward_pre_hook(lambda *_: None)
    assert pooled_first(run) is run.model
