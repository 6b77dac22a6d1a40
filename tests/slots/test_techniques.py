"""The built-in techniques, each by exact checks on the user's own kind of model."""

import pytest
import torch
from models.runs import plain, put, run_of
from torch import nn
from torch.nn import functional as F

from advisor.model import trace
from advisor.slots.gain import LINEAR, moments
from advisor.slots.initializer.blocks import blocks

# ---------------------------------------------------------------- gains


@pytest.mark.parametrize(
    ("function", "gain"),
    [
        (nn.ReLU(), 2**0.5),
        (nn.Tanh(), 1.0),
        (nn.Sigmoid(), 4.72),
        (nn.SELU(), 1.0),
        (nn.Identity(), 1.0),
    ],
)
def test_the_gain_to_use_keeps_signal_and_gradient(function, gain):
    assert moments(function).gain == pytest.approx(gain, rel=0.01)


# ---------------------------------------------------------------- activations


@pytest.mark.parametrize("name", ["leaky_relu", "elu", "silu", "gelu", "tanh"])
def test_an_activation_replaces_every_hidden_site_and_nothing_else(host, name):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.gate, self.last = nn.Linear(4, 8), nn.Linear(4, 8), nn.Linear(8, 2)
            self.act = nn.ReLU()

        def forward(self, x):
            hidden = self.act(self.first(x)) * torch.sigmoid(self.gate(x))
            return torch.sigmoid(self.last(F.relu(hidden)))

    run = run_of(Net(), torch.randn(16, 4))
    keys, before = list(run.model.state_dict()), [site.kind for site in run.anatomy.sites]
    said = put(host, run, activation=name)
    assert list(run.model.state_dict()) == keys
    assert sorted(before) == ["relu", "relu", "sigmoid", "sigmoid"]
    assert sorted(site.kind for site in run.anatomy.sites) == sorted(
        [name, name, "sigmoid", "sigmoid"]
    )
    assert "swapped 2 sites" in said["activation"]


def test_an_activation_with_nothing_to_swap_says_so(host):
    run = run_of(nn.Linear(4, 2), torch.randn(8, 4))
    assert host.find("activation", "elu").unfit(run) == "the model has no hidden activation to swap"
    relu = run_of(plain(4, 1), torch.randn(8, 4))
    assert host.find("activation", "relu").unfit(relu) == "the model has it already"
    assert host.find("activation", "leaky_relu").unfit(relu) is None


# ---------------------------------------------------------------- initializers

RULES = ["xavier", "he", "orthogonal", "lsuv"]


@pytest.mark.parametrize("rule", ["he", "orthogonal", "lsuv"])
def test_a_signal_keeps_its_size_through_ten_layers_of_width_1024(host, rule):
    model = plain(1024, 10)
    run = run_of(model, torch.randn(256, 1024))
    put(host, run, initializer=rule)
    stds = []
    handles = [
        layer.register_forward_hook(lambda m, i, o: stds.append(float(o.pow(2).mean().sqrt())))
        for layer in model
        if isinstance(layer, nn.Linear)
    ]
    with torch.no_grad():
        model(torch.randn(256, 1024))
    for handle in handles:
        handle.remove()
    hidden = stds[1:-1]
    assert max(hidden) / min(hidden) < 1.25, stds


@pytest.mark.parametrize("rule", RULES)
def test_an_initializer_is_reproducible_and_leaves_the_global_random_state_alone(host, rule):
    weights = []
    for _ in range(2):
        run = run_of(plain(8, 2), torch.randn(300, 8, generator=torch.Generator().manual_seed(1)))
        before = torch.random.get_rng_state()
        put(host, run, initializer=rule)
        assert torch.equal(torch.random.get_rng_state(), before)
        weights.append(run.model[0].weight.detach().clone())
    assert torch.equal(*weights)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_every_gate_of_a_recurrent_layer_is_orthogonal_and_one_forget_bias_is_one(host, kind):
    class Reader(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.last = (
                kind(6, 16, num_layers=2, bidirectional=True, batch_first=True),
                nn.Linear(32, 2),
            )

        def forward(self, x):
            return self.last(self.rnn(x)[0][:, -1])

    run = run_of(Reader(), torch.randn(12, 5, 6))
    put(host, run, initializer="orthogonal")
    for name, parameter in run.model.rnn.named_parameters():
        if name.startswith("weight_hh"):
            for gate in parameter.detach().split(16):
                torch.testing.assert_close(gate @ gate.T, torch.eye(16), atol=1e-5, rtol=0)
    if kind is nn.LSTM:
        total = run.model.rnn.bias_ih_l0.detach() + run.model.rnn.bias_hh_l0.detach()
        assert total.chunk(4)[1].eq(1).all()
        assert total.sum() == 16


def test_attention_projections_are_initialized_one_by_one(host):
    class Attend(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention, self.last = (
                nn.MultiheadAttention(64, 4, batch_first=True),
                nn.Linear(64, 2),
            )

        def forward(self, x):
            return self.last(self.attention(x, x, x)[0].mean(1))

    run = run_of(Attend(), torch.randn(8, 5, 64))
    put(host, run, initializer="xavier")
    for block in run.model.attention.in_proj_weight.detach().chunk(3):
        assert float(block.std()) == pytest.approx(0.125, rel=0.05)
    put(host, run, initializer="orthogonal")
    for block in run.model.attention.in_proj_weight.detach().chunk(3):
        torch.testing.assert_close(block @ block.T, torch.eye(64), atol=1e-5, rtol=0)


def test_fans_are_true_for_groups_and_transposed_convolutions():
    model = nn.Sequential(
        nn.Conv2d(16, 16, 3, groups=16),
        nn.ReLU(),
        nn.ConvTranspose2d(16, 8, 4, stride=2),
        nn.ReLU(),
        nn.Conv2d(8, 2, 1),
    )
    layers = trace(model, (torch.randn(2, 16, 8, 8),)).layers
    depthwise = list(blocks(layers[0], 1.0))
    assert len(depthwise) == 16
    assert (depthwise[0].fans.fan_in, depthwise[0].fans.fan_out) == (9, 9)
    (turned,) = blocks(layers[1], 1.0)
    assert turned.weight.shape == (8, 16, 4, 4)
    assert turned.fans.fan_in == 16 * 16 / 4


def test_output_gain_is_one_and_what_follows_a_layer_decides_its_gain(host):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 512), nn.Tanh(), nn.Linear(512, 512)
    )
    put(host, run_of(model, torch.randn(32, 512)), initializer="he")
    stds = [float(model[i].weight.detach().std()) * 512**0.5 for i in (0, 2, 4)]
    assert stds == pytest.approx([2**0.5, 1.0, 1.0], rel=0.02)


def test_frozen_zero_tied_and_embedding_weights_and_norms_are_left_exactly_as_they_were(host):
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(20, 8, padding_idx=0)
            self.frozen, self.hidden, self.norm = nn.Linear(8, 8), nn.Linear(8, 8), nn.LayerNorm(8)
            self.frozen.requires_grad_(False)
            self.zero = nn.Linear(8, 8)
            nn.init.zeros_(self.zero.weight)
            self.decoder = nn.Linear(8, 20, bias=False)
            self.decoder.weight = self.embed.weight

        def forward(self, ids):
            x = torch.relu(self.frozen(self.embed(ids).mean(1)))
            return self.decoder(self.norm(torch.relu(self.hidden(x))) + self.zero(x))

    for rule in RULES:
        run = run_of(Tied(), torch.randint(1, 20, (40, 6)), targets=20)
        before = {name: value.clone() for name, value in run.model.state_dict().items()}
        put(host, run, initializer=rule)
        changed = {
            name
            for name, value in run.model.state_dict().items()
            if not torch.equal(value, before[name])
        }
        assert changed == {"hidden.weight", "hidden.bias"}, rule


@pytest.mark.parametrize("act", [nn.ReLU, nn.GELU, nn.SiLU, nn.Tanh])
def test_lsuv_gives_every_layer_unit_deviation_in_one_pass(host, act):
    model = plain(64, 12, act)
    inputs = torch.randn(256, 64)
    run = run_of(model, inputs)
    put(host, run, initializer="lsuv")
    stds = []
    for layer in model:
        if isinstance(layer, nn.Linear):
            layer.register_forward_hook(lambda m, i, o: stds.append(float(o.std())))
    with torch.no_grad():
        model(inputs)
    assert stds == pytest.approx([1.0] * 13, rel=0.05)


def test_lsuv_restores_buffers_modes_and_works_with_inplace_activations_and_dropout(host):
    model = nn.Sequential(
        nn.Linear(8, 8), nn.BatchNorm1d(8), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(8, 2)
    )
    model.eval()
    run = run_of(model, torch.randn(64, 8))
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    put(host, run, initializer="lsuv")
    assert all(torch.equal(buffer, before[name]) for name, buffer in model.named_buffers())
    assert not any(module.training for module in model.modules())


def test_keep_leaves_every_tensor_as_the_factory_left_it(host):
    run = run_of(plain(8, 2), torch.randn(32, 8))
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    put(host, run, **dict.fromkeys(host.slots, "keep"))
    assert all(torch.equal(value, before[name]) for name, value in run.model.state_dict().items())


def test_the_identity_has_the_moments_of_a_line():
    assert moments(nn.Identity()).gain == pytest.approx(LINEAR.gain, rel=1e-6)
