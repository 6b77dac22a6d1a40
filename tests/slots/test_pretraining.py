"""Greedy pretraining of layers, wherever they sit in a model."""

import pytest
import torch
from models.runs import plain, put, run_of
from torch import nn
from torch.nn import functional as F

from advisor.slots.pretraining.base import capture, segments


class Branched(nn.Module):
    """A convolution and a skip, then linear layers: no chain that could be cut."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 6, 3, padding=1)
        self.left, self.right = nn.Linear(384, 16), nn.Linear(384, 16)
        self.last = nn.Linear(16, 2)

    def forward(self, x):
        x = torch.relu(self.conv(x)).flatten(1)
        return self.last(torch.relu(self.left(x)) + torch.tanh(self.right(x)))


def test_pretraining_learns_to_rebuild_the_input_of_every_hidden_layer_on_any_topology(host):
    torch.manual_seed(0)
    run = run_of(Branched(), torch.rand(80, 1, 8, 8))
    last = run.model.last.weight.detach().clone()
    said = put(host, run, pretraining=("denoising", {"epochs": 5}))
    assert said["pretraining"] == "pretrained 3 layers; left out last (output layer)"
    assert torch.equal(run.model.last.weight, last)
    assert all(
        torch.isfinite(p).all() and p.requires_grad and p.grad is None
        for p in run.model.parameters()
    )


def test_pretraining_sees_unlabeled_rows_and_is_kept_for_equal_inputs_only(host, tmp_path):
    def pretrained(**changes):
        torch.manual_seed(0)
        run = run_of(plain(8, 2, nn.Sigmoid), torch.linspace(0, 1, 320).reshape(40, 8), **changes)
        run.cache = tmp_path
        put(host, run, pretraining=("denoising", {"epochs": 2}))
        return run.model[0].weight.detach().clone()

    first = pretrained()
    assert torch.equal(pretrained(), first)
    assert len(list(tmp_path.iterdir())) == 1
    assert not torch.equal(pretrained(unlabeled=torch.rand(40, 8)), first)
    assert not torch.equal(pretrained(seed=4), first)
    assert len(list(tmp_path.iterdir())) == 3


def test_a_model_with_nothing_to_pretrain_says_why(host):
    technique = host.find("pretraining", "denoising")
    assert "output layer" in technique.unfit(run_of(nn.Linear(4, 2), torch.randn(8, 4)))
    assert technique.unfit(run_of(plain(4, 2), torch.randn(8, 4))) is None


class Padded(nn.Conv2d):
    """Pads inside forward, as convolutions with `same` padding of another library's port do."""

    def forward(self, x):
        return F.conv2d(F.pad(x, (1, 2, 1, 2)), self.weight, self.bias, self.stride)


class Decoded(nn.Module):
    def __init__(self):
        super().__init__()
        self.wide, self.up = nn.Linear(6, 32), nn.ConvTranspose2d(2, 4, 4, 2, 1)
        self.down, self.even = (
            Padded(4, 4, 4, stride=2),
            nn.Conv2d(4, 4, 2, padding="same", dilation=3, groups=2),
        )
        self.last = nn.Linear(64, 2)

    def forward(self, x):
        x = torch.tanh(self.up(torch.tanh(self.wide(x)).view(-1, 2, 4, 4)))
        return self.last(torch.tanh(self.even(torch.tanh(self.down(x)))).flatten(1))


class Sequences(nn.Module):
    """Rows second, one layer three times, and one whose weight is used by a function."""

    def __init__(self):
        super().__init__()
        self.again, self.by_function, self.last = nn.Linear(5, 5), nn.Linear(5, 7), nn.Linear(7, 2)

    def forward(self, x):
        x = x.transpose(0, 1)
        for _ in range(3):
            x = torch.tanh(self.again(x))
        return self.last(torch.tanh(F.linear(x, self.by_function.weight)).mean(0))


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")  # slow, and used
@pytest.mark.parametrize(("build", "shape", "layers"), [(Decoded, (6,), 4), (Sequences, (4, 5), 2)])
def test_every_kind_of_layer_is_cut_out_as_the_model_calls_it(host, build, shape, layers):
    torch.manual_seed(0)
    run = run_of(build(), torch.randn(64, *shape))
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    said = put(host, run, pretraining=("denoising", {"epochs": 15}))["pretraining"]
    assert said == f"pretrained {layers} layers; left out last (output layer)"
    moved = {
        name.split(".")[0]
        for name, value in run.model.state_dict().items()
        if not torch.equal(value, before[name])
    }
    assert len(moved) == layers


def test_a_layer_that_runs_three_times_sees_the_inputs_of_all_three():
    run = run_of(Sequences(), torch.randn(64, 4, 5))
    (again, _), _ = segments(run)
    inputs = capture(run, again)
    assert inputs.shape == (3 * 64 * 4, 5)
    assert (
        0.3 < float((inputs.abs() < 1).all(1).float().mean()) < 1
    )  # those of the second and third run come from a tanh


class Odd(nn.Module):
    """One layer for every reason not to pretrain it."""

    def __init__(self):
        super().__init__()
        self.gate, self.value, self.query, self.key = (nn.Linear(6, 6) for _ in range(4))
        self.normed = nn.utils.parametrizations.weight_norm(nn.Linear(6, 6))
        self.frozen, self.stuck = nn.Linear(6, 6).requires_grad_(False), nn.Linear(6, 6)
        self.stuck.weight.requires_grad_(False)
        self.both, self.blind, self.last = nn.Bilinear(6, 6, 6), nn.Linear(6, 6), nn.Linear(6, 2)
        self.twin, self.other = nn.Linear(6, 6), nn.Linear(6, 6)
        self.other.weight = self.twin.weight
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)

    def forward(self, x):
        x = torch.sigmoid(self.gate(x)) * torch.relu(self.value(x))
        x = torch.softmax(self.query(x) @ self.key(x).transpose(1, 2), 2) @ x
        x = (
            torch.relu(self.normed(x))
            + torch.relu(self.frozen(x))
            + torch.relu(self.stuck(x))
            + torch.relu(self.both(x, x))
        )
        x = (
            x
            + torch.relu(self.blind(torch.ones_like(x) * x.shape[0]))
            + torch.relu(self.twin(x))
            + torch.relu(self.other(x))
        )
        return self.last(self.attention(x, x, x)[0].mean(1))


def test_every_layer_that_is_left_out_has_its_reason(host):
    run = run_of(Odd(), torch.randn(32, 3, 6))
    assert dict(host.find("pretraining", "denoising").skips(run)) == {
        "gate": "feeds a gate or a probability",
        "query": "meets another branch in a product",
        "key": "meets another branch in a product",
        "normed": "its weight is computed from others",
        "frozen": "frozen",
        "stuck": "frozen",
        "both": "it has two inputs",
        "twin": "its weight is tied",
        "other": "its weight is tied",
        "attention.out_proj": "its weight is used inside another operation",
        "last": "output layer",
    }
    start = run.model.blind.weight.detach().clone()
    said = put(host, run, pretraining=("denoising", {"epochs": 5}))["pretraining"]
    assert "blind (its input does not vary)" in said
    assert torch.equal(run.model.blind.weight, start)


def test_a_layer_whose_loss_does_not_fall_keeps_its_start(host, monkeypatch):
    def worse(segment, inputs, generator, **params):
        with torch.no_grad():
            segment.weight.fill_(float("nan") if segment.layer.name == "0" else 7.0)
        return 1.0, 2.0

    run = run_of(plain(8, 2), torch.randn(32, 8))
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    monkeypatch.setattr(host.find("pretraining", "denoising"), "learn", worse)
    said = put(host, run, pretraining="denoising")["pretraining"]
    assert "0 (its loss is not finite)" in said
    assert "2 (its loss did not fall)" in said
    assert all(torch.equal(value, before[name]) for name, value in run.model.state_dict().items())


def test_a_model_without_layers_to_cut_out_says_so(host):
    class Reader(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = nn.GRU(4, 2, batch_first=True)

        def forward(self, x):
            return self.rnn(x)[0][:, -1]

    why = host.find("pretraining", "denoising").unfit(run_of(Reader(), torch.randn(8, 3, 4)))
    assert why == "the model has no linear or convolutional hidden layer"


class Viewing(nn.Module):
    def forward(self, x):
        return torch.relu(x.view(len(x), -1)).reshape(x.shape)


@pytest.mark.parametrize("act", [nn.ReLU, Viewing])
@pytest.mark.parametrize("name", ["denoising", "supervised"])
def test_convolutions_learn_the_same_with_their_channels_last(host, name, act):
    learnt, ways = [], []
    for is_last in (True, False):
        torch.manual_seed(0)
        model = nn.Sequential(
            *(nn.Conv2d(2, 8, 3, padding=1), act(), nn.MaxPool2d(2)),
            *(nn.Conv2d(8, 6, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(54, 3)),
        )
        run = run_of(model, torch.rand(120, 2, 6, 6), targets=3)
        run.channels_last = is_last
        hook = model[3].register_forward_pre_hook(
            lambda module, _: ways.append(module.weight.is_contiguous())
        )
        put(host, run, pretraining=(name, {"epochs": 5}))
        hook.remove()
        assert all(each.is_contiguous() for each in model.parameters())
        learnt.append([each.detach() for each in model.parameters()])
    torch.testing.assert_close(*learnt, rtol=1e-4, atol=1e-5)
    # An activation that needs rows one after the other is called on such.
    assert (False in ways) is (act is nn.ReLU)
