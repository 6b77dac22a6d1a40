"""What initializers touch in a model and what they leave, and that they say both."""

import math

import pytest
import torch
from models.runs import plain, put, run_of
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import prune

from advisor.model import trace
from advisor.slots.initializer.initial_weights import own_start

RULES = ["xavier", "he", "orthogonal", "lsuv"]


class Stored(nn.Module):
    """A linear layer whose weight lies as (in, out)."""

    def __init__(self, inside, outside):
        super().__init__()
        self.weight, self.bias = (
            nn.Parameter(torch.randn(inside, outside) * 0.02),
            nn.Parameter(torch.zeros(outside)),
        )

    def forward(self, x):
        return torch.addmm(self.bias, x.reshape(-1, x.shape[-1]), self.weight).view(
            *x.shape[:-1], -1
        )


class Graph(nn.Module):
    """A layer with a raw parameter: it wants more than rows of numbers."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(8, 8))

    def forward(self, x, edges):
        return edges @ (x @ self.weight)


class Mixed(nn.Module):
    """One layer for every reason to leave it alone, and some to fill."""

    def __init__(self):
        super().__init__()
        self.embed, self.norm, self.graph = (
            nn.Embedding(30, 8, padding_idx=0),
            nn.LayerNorm(8),
            Graph(),
        )
        self.frozen, self.stuck = nn.Linear(8, 8).requires_grad_(False), nn.Linear(8, 8)
        self.stuck.weight.requires_grad_(False)
        self.spectral = nn.utils.parametrizations.spectral_norm(nn.Linear(8, 8))
        self.masked = prune.l1_unstructured(nn.Linear(8, 8), "weight", 0.5)
        self.twin, self.other, self.zero = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)
        self.other.weight = self.twin.weight
        nn.init.zeros_(self.zero.weight)
        self.scale, self.spare = nn.Parameter(torch.full((8,), 1e-6)), nn.Linear(3, 3)
        self.stored, self.decoder = Stored(8, 8), nn.Linear(8, 30, bias=False)
        self.decoder.weight = self.embed.weight

    def forward(self, ids):
        x = self.graph(self.norm(self.embed(ids)), torch.eye(ids.shape[1]))
        x = (
            torch.relu(self.frozen(x))
            + torch.relu(self.stuck(x))
            + torch.relu(self.spectral(x))
            + torch.relu(self.masked(x))
        )
        x = (
            torch.relu(self.twin(x))
            + torch.relu(self.other(x))
            + self.zero(x)
            + self.scale * self.stored(x)
        )
        return self.decoder(x.mean(1))


@pytest.mark.parametrize("rule", RULES)
def test_everything_that_is_left_alone_has_its_reason_and_keeps_its_bits(host, rule):
    torch.manual_seed(0)
    run = run_of(Mixed(), torch.randint(1, 30, (40, 5)), targets=30)
    assert dict(host.find("initializer", rule).skips(run)) == {
        "embed": "an embedding",
        "norm": "a normalization",
        "frozen": "frozen",
        "stuck": "frozen",
        "spectral": "its weight is computed (SpectralNorm)",
        "masked": "its weight is computed (spectral norm or pruning)",
        "other": "its weight is that of twin",
        "zero": "set to zero by the model",
        "decoder": "tied to embed",
        "scale": "a parameter of no layer",
        "spare": "it never runs",
    }
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    said = put(host, run, initializer=rule)["initializer"]
    changed = {
        name
        for name, value in run.model.state_dict().items()
        if not torch.equal(value, before[name])
    }
    assert changed == {
        "twin.weight",
        "twin.bias",
        "other.weight",
        "stored.weight",
        "graph.weight",
    }
    assert "initialized 3 layers; replaced the model's own start in 2 layers: graph.weight" in said
    assert "frozen, stuck (frozen)" in said


STARTS = [
    (lambda: nn.Linear(64, 64), None),
    (lambda: nn.Conv2d(8, 8, 3), None),
    (lambda: nn.LSTM(16, 16, 2, bidirectional=True), None),
    (lambda: nn.GRUCell(16, 16), None),
    (lambda: nn.ConvTranspose1d(8, 16, 4), None),
    (lambda: nn.Linear(32, 32).bfloat16(), None),
    (lambda: filled(nn.Linear(64, 64), lambda w: nn.init.normal_(w, std=0.02)), "std 0.02"),
    (lambda: filled(nn.Linear(64, 64), lambda w: nn.init.trunc_normal_(w, std=0.02)), "std 0.02"),
    (lambda: filled(nn.Linear(64, 64), nn.init.xavier_uniform_), "std 0.1"),
    (lambda: filled(nn.Conv2d(8, 8, 3), nn.init.kaiming_normal_), "std 0."),
    (
        lambda: filled(nn.Linear(16, 64), lambda w: nn.init.orthogonal_(w, 0.01)),
        "an isometry times 0.01",
    ),
    (lambda: filled(nn.Linear(16, 16), lambda w: nn.init.constant_(w, 0.1)), "all 0.1"),
]


def filled(module, rule):
    rule(module.weight)
    return module


class Around(nn.Module):
    """A layer in a model that calls it."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        out = self.layer(x)
        return out[0] if isinstance(out, tuple) else out


SHAPES = {
    "Linear": (4, 0),
    "Conv2d": (4, 8, 5, 5),
    "LSTM": (4, 3, 16),
    "GRUCell": (4, 16),
    "ConvTranspose1d": (4, 8, 6),
}


@pytest.mark.parametrize(("make", "start"), STARTS)
@pytest.mark.parametrize("seed", range(3))
def test_an_own_start_is_told_from_torchs_draw(make, start, seed):
    torch.manual_seed(seed)
    module = make()
    shape = (
        (4, module.in_features) if isinstance(module, nn.Linear) else SHAPES[type(module).__name__]
    )
    inputs = torch.randn(shape).to(next(module.parameters()).dtype)
    (layer,) = trace(Around(module), (inputs,)).layers
    found = own_start(layer)
    assert found is None if start is None else found.startswith(start)


def test_biases_become_zero_unless_they_are_frozen_or_set_on_purpose(host):
    model = plain(8, 4)
    nn.init.constant_(model[2].bias, -2.0)
    nn.init.normal_(model[4].bias, std=0.01)
    model[6].bias.requires_grad_(False)
    model[8].bias.data = torch.tensor([4.0, -4.0])
    kept = model[6].bias.clone()
    said = put(host, run_of(model, torch.randn(32, 8)), initializer="he")["initializer"]
    assert "kept biases that the model sets: 2.bias, 8.bias" in said
    assert [float(model[i].bias.detach().abs().sum()) for i in (0, 2, 4, 8)] == [0, 16, 0, 8]
    assert torch.equal(model[6].bias, kept)


@pytest.mark.parametrize(
    ("act", "bias", "stays"),
    [(nn.ReLU, -8.0, False), (nn.ReLU, -2.0, True), (nn.ReLU, 8.0, True), (nn.ReLU6, 12.0, False)],
)
def test_a_bias_that_no_signal_gets_past_is_not_kept(host, act, bias, stays):
    model = nn.Sequential(nn.Linear(8, 8), act(), nn.Linear(8, 2))
    nn.init.constant_(model[0].bias, bias)
    put(host, run_of(model, torch.randn(32, 8)), initializer="he")
    assert bool(model[0].bias.any()) == stays


def test_tokens_that_attention_adds_are_not_biases(host):
    class Attend(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention, self.last = (
                nn.MultiheadAttention(8, 2, add_bias_kv=True, batch_first=True),
                nn.Linear(8, 2),
            )

        def forward(self, x):
            return self.last(self.attention(x, x, x)[0].mean(1))

    run = run_of(Attend(), torch.randn(8, 5, 8))
    before = run.model.attention.bias_k.detach().clone()
    put(host, run, initializer="he")
    assert torch.equal(run.model.attention.bias_k, before)


@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated")
@pytest.mark.parametrize("norm", [nn.utils.weight_norm, nn.utils.parametrizations.weight_norm])
def test_a_layer_under_weight_norm_is_filled_and_scaled_through_what_its_weight_is_computed_from(
    host, norm
):
    torch.manual_seed(0)
    model = nn.Sequential(
        norm(nn.Linear(64, 64)), nn.ReLU(), norm(nn.Linear(64, 64)), nn.ReLU(), nn.Linear(64, 2)
    )
    inputs = torch.randn(256, 64)
    put(host, run_of(model, inputs), initializer="he")
    model(inputs)
    assert float(model[0].weight.detach().std()) * 8 == pytest.approx(2**0.5, rel=0.05)
    put(host, run_of(model, inputs), initializer="lsuv")
    stds = [float(model[:i].forward(inputs).detach().std()) for i in (1, 3, 5)]
    assert stds == pytest.approx([1.0] * 3, rel=0.05)
    direction, size = (p for name, p in model[0].named_parameters() if not name.endswith("bias"))
    assert all(p.requires_grad for p in (direction, size))


class Standardized(nn.Conv2d):
    def forward(self, x):
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return F.conv2d(x, weight / weight.std((1, 2, 3), keepdim=True), self.bias)


def test_lsuv_says_why_it_does_not_scale_a_layer(host):
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.rnn = Standardized(1, 4, 3), nn.GRU(4, 4, batch_first=True)
            self.attention, self.blind = (
                nn.MultiheadAttention(4, 2, batch_first=True),
                nn.Linear(4, 4),
            )
            self.train_only, self.last = nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, x):
            x = self.rnn(torch.relu(self.conv(x)).flatten(2).transpose(1, 2))[0]
            x = self.attention(x, x, x)[0] + self.blind(torch.zeros_like(x))
            return self.last((self.train_only(x) if self.training else x).mean(1))

    torch.manual_seed(0)
    run = run_of(Odd(), torch.randn(32, 1, 5, 5))
    said = put(host, run, initializer="lsuv")["initializer"]
    for name, why in {
        "conv": "its output does not follow its weight",
        "rnn": "recurrent: several outputs share its weights",
        "attention": "projections inside one operation",
        "attention.out_proj": "never called as a layer",
        "blind": "its output does not vary",
        "train_only": "it did not run",
    }.items():
        assert f"{name} ({why})" in said
    assert "then 1 layer scaled" in said


def test_lsuv_scales_a_layer_that_runs_several_times_by_its_first_output_that_varies(host):
    class Cell(nn.Module):
        def __init__(self):
            super().__init__()
            self.inside, self.again, self.last = (
                nn.Linear(8, 16),
                nn.Linear(16, 16),
                nn.Linear(16, 2),
            )

        def forward(self, x):
            state = torch.zeros(len(x), 16)
            for step in x.unbind(1):
                state = torch.tanh(self.inside(step) + self.again(state))
            return self.last(state)

    run = run_of(Cell(), torch.randn(64, 4, 8))
    stds = []
    put(host, run, initializer="lsuv")
    run.model.again.register_forward_hook(lambda m, i, o: stds.append(float(o.std())))
    with torch.no_grad():
        run.model(torch.randn(64, 4, 8))
    assert stds[0] == 0
    assert stds[1] == pytest.approx(1, rel=0.1)


def test_transposed_storage_is_filled_as_a_linear_layer(host):
    model = nn.Sequential(Stored(256, 64), nn.ReLU(), nn.Linear(64, 2))
    put(host, run_of(model, torch.randn(32, 256)), initializer="he")
    assert float(model[0].weight.detach().std()) == pytest.approx(math.sqrt(2 / 256), rel=0.05)
    put(host, run_of(model, torch.randn(32, 256)), initializer="orthogonal")
    weight = model[0].weight.detach()
    torch.testing.assert_close(weight.T @ weight, 2 * torch.eye(64), atol=1e-4, rtol=0)


def test_a_model_whose_layers_renormalize_their_weights_is_not_changed_by_a_look():
    class MaxNorm(nn.Linear):
        def forward(self, x):
            self.weight.data = torch.renorm(self.weight.data, 2, 0, 0.1)
            return super().forward(x)

    model = MaxNorm(8, 2)
    before = model.weight.detach().clone()
    trace(model, (torch.randn(4, 8),))
    assert torch.equal(model.weight, before)
