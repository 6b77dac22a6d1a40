"""Norms stand between hidden layers and their activations, or are left out."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from advisor.host.host import load
from advisor.testing.examples import EXAMPLES, run_of
from advisor.training.loop import TrainingSettings, train
from advisor.training.run import apply
from advisor.training.stacks.traced import NotStackable, graph_of

HOST = load()
SLOT = HOST.techniques["normalization"]


def fresh(example=0, model=None):
    run = run_of(EXAMPLES[example], seed=3)
    run.model = model or run.model
    return run


def put(run, name):
    apply(run, [(SLOT[name], {})])
    return run


def heard(run, layer):
    """What a layer gives to the activation behind it."""
    seen = []
    handle = layer.register_forward_hook(lambda module, inputs, output: seen.append(output))
    run.model.train()(run.example(64)[0])
    handle.remove()
    return seen[0].detach()


def convolutional():
    return nn.Sequential(
        nn.Conv2d(2, 6, 3), nn.ReLU(), nn.Conv2d(6, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3)
    )


def test_layer_norm_makes_each_row_standard():
    run = put(fresh(), "layer_norm")
    given = heard(run, run.model.body[0])
    assert torch.allclose(given.mean(1), torch.zeros(64), atol=1e-5)
    assert torch.allclose(given.var(1, correction=0), torch.ones(64), atol=1e-2)


def test_rms_norm_makes_each_row_s_mean_square_1_and_leaves_its_mean():
    run = put(fresh(), "rms_norm")
    given = heard(run, run.model.body[0])
    assert torch.allclose(given.square().mean(1), torch.ones(64), atol=1e-3)
    assert given.mean(1).abs().max() > 0.1


def test_batch_norm_makes_each_unit_standard_over_the_rows():
    run = put(fresh(), "batch_norm")
    given = heard(run, run.model.body[0])
    assert torch.allclose(given.mean(0), torch.zeros(8), atol=1e-5)
    assert torch.allclose(given.var(0, correction=0), torch.ones(8), atol=1e-2)


@pytest.mark.parametrize(
    ("name", "dimensions"),
    [("layer_norm", (1, 2, 3)), ("rms_norm", (1, 2, 3)), ("batch_norm", (0, 2, 3))],
)
def test_maps_are_normalized_over_their_places(name, dimensions):
    run = put(fresh(1, convolutional()), name)
    for layer in (run.model[0], run.model[2]):
        given = heard(run, layer)
        size = given.square().mean(dimensions)
        assert torch.allclose(size, torch.ones_like(size), atol=1e-2)


def test_vectors_of_sequences_are_normalized_in_their_last_dimension():
    class Words(nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden, self.head = nn.Linear(8, 8), nn.Linear(8, 3)

        def forward(self, x):
            return self.head(torch.relu(self.hidden(x)).mean(1))

    run = put(fresh(3, Words()), "batch_norm")
    given = heard(run, run.model.hidden)
    assert given.shape == (64, 5, 8)
    assert torch.allclose(given.mean((0, 1)), torch.zeros(8), atol=1e-5)


@pytest.mark.parametrize("name", ["layer_norm", "rms_norm", "batch_norm"])
def test_a_norm_is_trained_seen_and_kept_and_its_gain_not_decayed(name):
    run = fresh()
    keys = set(run.model.state_dict())
    put(run, name)
    assert keys < set(run.model.state_dict())
    assert [layer.kind for layer in run.anatomy.layers].count("norm") == 2
    assert "normalizes already" in SLOT[name].unfit(run)
    gain = run.model.body[0].normalization.weight
    assert any(gain is each for each in run.undecayed)
    before = gain.detach().clone()
    list(train(run, TrainingSettings(0.05, 0.0, 32, 0, 1), run.data.train))
    assert not torch.equal(gain, before)
    model = run.model.eval()
    x = run.example()[0]
    assert torch.equal(copy.deepcopy(model)(x), model(x))
    with pytest.raises(NotStackable):
        graph_of(model)


def test_the_output_layer_is_not_normalized():
    run = put(fresh(), "layer_norm")
    assert not hasattr(run.model.head, "normalization")


@pytest.mark.parametrize("name", ["layer_norm", "rms_norm", "batch_norm"])
def test_why_not(name):
    assert SLOT[name].unfit(fresh(1)) == "the model normalizes already (norm)"
    assert "no hidden linear layer" in SLOT[name].unfit(fresh(model=nn.Linear(6, 3)))


def test_a_norm_is_left_out():
    run = fresh(1)
    x = run.example()[0]
    wanted = torch.relu(run.model.second(torch.relu(run.model.first(x)))).mean((2, 3))
    put(run, "no_norm")
    assert torch.equal(run.model.eval()(x), run.model.head(wanted))


def test_what_cannot_run_without_its_norms_says_so():
    assert "no norm of torch's" in SLOT["no_norm"].unfit(fresh())
    transformer = fresh(3)
    before = {name: each.clone() for name, each in transformer.model.state_dict().items()}
    assert "does not run without its norms" in SLOT["no_norm"].unfit(transformer)
    assert all(
        torch.equal(each, before[name]) for name, each in transformer.model.state_dict().items()
    )


def test_a_self_normalizing_net_gets_no_norm():
    run = fresh()
    said = apply(run, [(HOST.find("activation", "selu"), {}), (SLOT["batch_norm"], {})])
    assert said["normalization"] == "not applied: activation selu brings its own"
