"""What a few passes show that one batch does not: silent faults are named, healthy models are not
blamed, and looking changes nothing. benchmarks/diagnosis.py has all of the models.
"""

import pytest
import torch
from models.faults import FAULTS, HEALTHY, run_of
from models.mistaken import MISTAKEN
from models.silent import SILENT, colours, of, two_layers, wrong
from models.sound import SOUND
from models.well import WELL
from torch import nn

from advisor.diagnosis.diagnose import diagnose
from advisor.diagnosis.passes import inputs_at, passing
from advisor.diagnosis.probes import probe

SOME_WELL = (
    "batch normalization by hand",
    "CNN with pooling that leaves a border",
    "branch that begins at zero",
    "LSTM over 64 steps that remembers",
    "experts",
    "packed GRU",
    "tables of categories",
    "pixels that are normalized after a layer",
    "label smoothing",
    "penalty on logits",
    "expected accuracy",
    "noise and stochastic depth in training",
    "slopes as features",
)


SOME_MISTAKEN = (
    "logarithm of a rectified number",
    "distances by a root",
    "a column of a mixed table",
    "statistics that are not kept",
    "layer in a closure",
    "rectified labels",
    "cells of a GRU over 64 steps",
)
SOME_SOUND = (
    "supervised contrast",
    "evidence",
    "categories and measures in one table",
    "largest over a long text",
    "codes that follow the features",
    "GRU over 64 steps with attention",
    "LSTM over 64 steps, both ends",
    "prices, absolute error",
)


@pytest.mark.parametrize("name", SILENT)
def test_a_silent_fault_is_named_and_nothing_besides_what_follows_from_it(name):
    patient = SILENT[name]
    found = {finding.kind for finding in diagnose(run_of(patient)).findings}
    assert patient.truth <= found <= patient.truth | patient.also


@pytest.mark.parametrize("name", SOME_MISTAKEN)
def test_a_mistake_in_an_unusual_place_is_named(name):
    patient = MISTAKEN[name]
    found = {finding.kind for finding in diagnose(run_of(patient)).findings}
    assert patient.truth <= found <= patient.truth | patient.also


@pytest.mark.parametrize("name", SOME_SOUND)
def test_what_is_meant_so_is_not_blamed(name):
    assert diagnose(run_of(SOUND[name])).findings == ()


@pytest.mark.parametrize("name", SOME_WELL)
def test_what_looks_like_a_fault_and_is_none_is_not_blamed(name):
    assert diagnose(run_of(WELL[name])).findings == ()


def test_an_exact_finding_comes_before_any_advice():
    model = of(lambda m, x: m.b(m.a(x[:, :8])), a=lambda: deep(8), b=lambda: nn.Linear(64, 10))
    kinds = [finding.kind for finding in diagnose(run_of(wrong(model, "ignores_inputs"))).findings]
    assert kinds[0] == "ignores_inputs"
    assert "default_start" in kinds[1:]


def deep(inputs: int) -> nn.Module:
    layers: list[nn.Module] = [nn.Linear(inputs, 64), nn.ReLU()]
    for _ in range(20):
        layers += [nn.Linear(64, 64), nn.ReLU()]
    return nn.Sequential(*layers)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("LSTM without batch_first", "r"),
        ("attention without batch_first", "r"),
        ("softmax over the batch", "model"),
        ("F.dropout in evaluation", "model"),
        ("layers in a list", "hidden[0].weight"),
        ("layers in a dictionary", "parts['a'].weight"),
        ("a tensor that is no parameter", "scale"),
        ("an input that is not passed on", "args[1]"),
        ("one column in thousands", "a"),
    ],
)
def test_a_finding_of_a_probe_names_the_place(name, place):
    kind = next(iter(SILENT[name].truth))
    places = {finding.place for finding in diagnose(run_of(SILENT[name])).findings}
    assert place in places, (kind, places)


def test_the_columns_that_nothing_reads_are_named():
    finding = diagnose(run_of(SILENT["a wrong slice"])).of("ignores_inputs")
    assert finding.number == pytest.approx(56 / 64, abs=0.05)
    assert " to 63" in finding.sentence or "in all" in finding.sentence


def test_rows_that_meet_in_training_only_are_found_beyond_batch_statistics():
    def run(m, x):
        x = torch.relu(m.n(m.a(x)))
        return m.b(x + x.mean(0) if m.training else x)

    model = of(
        run, a=lambda: nn.Linear(64, 64), n=lambda: nn.BatchNorm1d(64), b=lambda: nn.Linear(64, 10)
    )
    mixing = probe(run_of(wrong(model, "mixes_rows"))).mixing
    assert mixing is not None
    assert mixing.training


def test_a_dead_or_collapsed_model_is_not_said_to_ignore_its_inputs():
    for name in ("ReLU born dead", "30 layers, default start", "zero weights"):
        assert probe(run_of(FAULTS[name])).unread == ()


def test_a_probe_of_a_model_that_fails_on_chosen_rows_says_nothing():
    def run(m, x):
        if torch.equal(x[-1], x[-2]):
            raise ValueError("not these rows")
        return m.b(torch.relu(m.a(x)))

    run_ = run_of(wrong(two_layers(run), "mixes_rows"))
    assert probe(run_).mixing is None


def test_a_tensor_that_is_no_parameter_keeps_its_gradient():
    run = run_of(SILENT["a tensor that is no parameter"])
    diagnose(run)
    assert run.model.scale.grad is None


def test_a_pass_changes_no_parameter_and_no_mode():
    run = run_of(HEALTHY["12 layers with batch normalization"])
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    with passing(run):
        assert not run.model.training
        run.model(*inputs_at(run, torch.arange(4)))
    probe(run)
    assert run.model.training
    assert all(torch.equal(before[name], value) for name, value in run.model.state_dict().items())


def test_one_channel_alone_is_read_whatever_the_border():
    model = of(
        lambda m, x: m.b(torch.relu(m.c(x[:, :2])).mean((2, 3))),
        c=lambda: nn.Conv2d(2, 8, 3, stride=2),
        b=lambda: nn.Linear(8, 2),
    )
    finding = diagnose(run_of(wrong(model, "ignores_inputs", data=colours))).of("ignores_inputs")
    assert "dimension 1 at 2" in finding.sentence
    assert "dimension 2" not in finding.sentence
