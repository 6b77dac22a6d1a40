"""Activations by formulas, beside torch's own."""

import pytest
import torch
from torch import nn

from advisor.training.formulas import BLOCK, compute, formula_of

LAYERS = [nn.Mish(), nn.Softsign()]
EXTREMES = [0.0, 1e-30, 1e-8, 0.5, 15.0, 25.0, 80.0, 90.0, 1e4, 1e12, float("inf")]


def numbers(dtype=torch.float32, count=200_001):
    return torch.linspace(-50, 50, count, dtype=dtype)


def ours(layer, x):
    value, slope = torch.empty_like(x), torch.empty_like(x)
    compute(formula_of(layer), x, value, slope)
    return value, slope


def usual(layer, x):
    x = x.detach().clone().requires_grad_()
    value = layer(x)
    return value.detach(), torch.autograd.grad(value, x, torch.ones_like(x))[0]


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_values_and_derivatives_are_as_near_as_their_type_lets_them_be(layer):
    x = numbers()
    value, slope = ours(layer, x)
    exact, steep = usual(layer, x.double())
    torch.testing.assert_close(value.double(), exact, rtol=1e-6, atol=1e-30)
    # Where a derivative goes through zero, only its distance says something.
    torch.testing.assert_close(slope.double(), steep, rtol=1e-6, atol=3e-7)
    low = x < -3
    torch.testing.assert_close(slope[low].double(), steep[low], rtol=1e-6, atol=1e-30)


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_doubles_are_as_exact_as_those_of_torch(layer):
    x = numbers(torch.float64)
    torch.testing.assert_close(ours(layer, x), usual(layer, x), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_extreme_numbers_give_what_they_give_in_torch(layer, dtype):
    x = torch.tensor([*EXTREMES, *(-each for each in EXTREMES), float("nan")], dtype=dtype)
    (value, slope), (wanted, steep) = ours(layer, x), usual(layer, x)
    torch.testing.assert_close(value, wanted, rtol=1e-6, atol=1e-30, equal_nan=True)
    # Where the value is no number, no gradient is one.
    there = ~wanted.isnan()
    torch.testing.assert_close(slope[there], steep[there], rtol=1e-6, atol=2e-7, equal_nan=True)


LAID = {
    "a row": lambda x: x.reshape(-1),
    "images": lambda x: x.reshape(4, -1, 7, 11),
    "channels last": lambda x: x.reshape(4, -1, 7, 11).to(memory_format=torch.channels_last),
    "turned": lambda x: x.reshape(7 * 11, -1).T,
    "every second": lambda x: x.reshape(7, -1)[:, ::2],
    "a part": lambda x: x.reshape(7, -1)[1:, 5:-5],
    "none": lambda x: x[:0],
}


@pytest.mark.parametrize("laid", LAID.values(), ids=LAID)
@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_numbers_may_lie_in_any_order(layer, laid):
    x = laid(numbers(count=4 * 7 * 11 * (BLOCK // 100)))
    torch.testing.assert_close(ours(layer, x), usual(layer, x), rtol=1e-5, atol=3e-6)


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_the_value_is_the_same_without_the_derivative(layer):
    x, (value, _) = numbers(), ours(layer, numbers())
    alone = torch.empty_like(x)
    compute(formula_of(layer), x, alone, None)
    assert torch.equal(alone, value)


class OwnMish(nn.Mish):
    """A class of somebody's own."""


@pytest.mark.parametrize("layer", [nn.ReLU(), nn.Mish(inplace=True), OwnMish()], ids=repr)
def test_other_layers_have_no_formula(layer):
    assert formula_of(layer) is None
