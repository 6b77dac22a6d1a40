"""The step that rebuilds a layer's input, written out, beside the one that autograd computes."""

import pytest
import torch
from models.runs import put, run_of
from torch import nn
from torch.nn import functional as F

from advisor.slots.pretraining.base import segments
from advisor.slots.pretraining.rebuilding import SLOPES, rebuilding


def snake(x):
    return x + torch.sin(x).square()


class Called(nn.Module):
    """A layer whose activation is a function, or that is used without its own bias."""

    def __init__(self, act, biased=True):
        super().__init__()
        self.act, self.biased = act, biased
        self.first, self.last = nn.Linear(6, 5), nn.Linear(5, 2)

    def forward(self, x):
        x = self.first(x) if self.biased else F.linear(x, self.first.weight, torch.ones(5))
        return self.last(self.act(x))


def of(act, bias=True):
    return nn.Sequential(nn.Linear(6, 5, bias=bias), act, nn.Linear(5, 2))


MODELS = {
    "relu": of(nn.ReLU(inplace=True)),
    "elu": of(nn.ELU(0.7)),
    "gelu": of(nn.GELU("tanh")),
    "mish": of(nn.Mish()),
    "softplus": of(nn.Softplus(2.0)),
    "own slope": of(nn.PReLU()),
    "no activation": of(nn.Identity()),
    "no bias": of(nn.Tanh(), bias=False),
    "function": Called(torch.tanh),
    "function with settings": Called(lambda x: F.leaky_relu(x, 0.2)),
    "the user's own": Called(snake),
}


def segment_of(model):
    torch.manual_seed(0)
    return segments(run_of(model, torch.randn(80, 6)))[0][0]


@pytest.mark.parametrize("error", list(SLOPES))
@pytest.mark.parametrize("name", MODELS)
def test_the_gradients_are_those_of_autograd_for_mini_batches_of_every_size(name, error):
    segment, decoder = segment_of(MODELS[name]), nn.Linear(5, 6)
    parameters = [*segment.parameters, *decoder.parameters()]
    step = rebuilding(segment, decoder, error)
    for rows in (8, 3, 8, 1):
        clean, read = torch.rand(rows, 6), torch.randn(rows, 6)
        loss = error(decoder(segment.encode(read)), clean)
        expected = torch.autograd.grad(loss, parameters)
        step(read, clean)
        for parameter, gradient in zip(parameters, expected, strict=True):
            torch.testing.assert_close(parameter.grad, gradient)


def test_a_bias_that_is_frozen_gets_no_gradient():
    model = of(nn.Tanh())
    model[0].bias.requires_grad_(False)
    segment = segment_of(model)
    rebuilding(segment, nn.Linear(5, 6), F.mse_loss)(torch.randn(4, 6), torch.randn(4, 6))
    assert model[0].bias.grad is None
    assert model[0].weight.grad.any()


def test_what_autograd_does_besides_is_left_to_it():
    def made(model, decoder=None, error=F.mse_loss):
        return rebuilding(segment_of(model), decoder or nn.Linear(5, 6), error)

    assert made(of(nn.Tanh()))
    assert made(of(nn.Tanh()), error=F.l1_loss) is None
    assert made(of(nn.Tanh()), nn.Sequential(nn.Linear(5, 6))) is None
    assert made(Called(torch.tanh, biased=False)) is None
    assert made(Called(lambda x: (x > 0).to(x))) is None
    heard = of(nn.Tanh())
    heard[0].weight.register_hook(lambda gradient: 0 * gradient)
    assert made(heard) is None


@pytest.mark.parametrize("name", ["autoencoder", "denoising"])
def test_a_layer_learns_what_it_learns_by_autograd(host, monkeypatch, name):
    def learnt():
        torch.manual_seed(0)
        run = run_of(of(nn.Tanh()), torch.randn(120, 6))
        put(host, run, pretraining=(name, {"epochs": 5}))
        return run.model[0].weight.detach()

    technique, steps = host.find("pretraining", name), []

    def noted(*args):
        steps.append(rebuilding(*args))
        return steps[-1]

    monkeypatch.setattr(technique, "rebuilding", noted)
    written = learnt()
    assert all(steps)
    assert steps
    monkeypatch.setattr(technique, "rebuilding", lambda *_: None)
    torch.testing.assert_close(written, learnt())
