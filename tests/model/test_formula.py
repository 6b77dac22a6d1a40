"""What is known of one of torch's activations holds for every other one that computes the same."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from advisor.model import trace
from advisor.model.pointwise import Pointwise
from advisor.model.tracing.formula import OutOfPlace, formula_of
from advisor.slots.gain import examine, moments_at

X = torch.linspace(-3, 3, 13)


def made(module):
    return formula_of(OutOfPlace(module.forward))


@pytest.mark.parametrize(
    "module",
    [nn.ReLU(), nn.ReLU(inplace=True), nn.ELU(0.5), nn.GELU("tanh"), Pointwise(torch.sinh)],
    ids=repr,
)
def test_a_formula_builds_what_it_is_of(module):
    formula = made(module)
    if formula is None:  # torch has no class of it
        assert isinstance(module, Pointwise)
        return
    assert torch.equal(formula.built()(X.clone()), module(X.clone()))


def test_formulas_are_equal_where_classes_and_settings_are():
    assert made(nn.ELU(0.5)) == made(nn.ELU(0.5)) != made(nn.ELU(1.0))
    assert made(Pointwise(torch.tanh)) == made(Pointwise(torch.tanh)) is not None
    soft = OutOfPlace(F.softplus, (), {"beta": 2.0})
    assert formula_of(soft) == formula_of(OutOfPlace(F.softplus, (), {"beta": 2.0}))
    assert formula_of(soft) != formula_of(OutOfPlace(F.softplus, (), {"beta": 1.0}))


class Leaky(nn.ReLU):
    def forward(self, x):
        return torch.where(x > 0, x, 0.2 * x)


def own_forward():
    module = nn.ReLU()
    module.forward = lambda x: x * 2
    return module


UNKNOWN = {
    "a trained slope": nn.PReLU,
    "random numbers": nn.RReLU,
    "a class of the user's": Leaky,
    "a forward of its own": own_forward,
    "a function of the user's": lambda: Pointwise(lambda x: x.relu()),
    "a setting that may change": lambda: nn.ELU(torch.tensor(0.5)),
}


@pytest.mark.parametrize("what", UNKNOWN)
def test_there_is_no_formula_where_equal_numbers_are_not_certain(what):
    assert made(UNKNOWN[what]()) is None


def test_each_site_has_the_values_and_moments_of_its_own_activation():
    acts = [nn.ELU(0.1), nn.ELU(1.5), nn.ELU(0.1), own_forward(), nn.Tanh(), nn.PReLU()]
    layers = [part for act in acts for part in (nn.Linear(4, 4), act)]
    anatomy = trace(nn.Sequential(*layers, nn.Linear(4, 2)), torch.randn(8, 4))
    assert [site.target.module for site in anatomy.sites] == acts
    for site in anatomy.sites:
        assert torch.equal(site.function(X), site.target.module(X))
        assert moments_at(site) == examine(site.target.module)


def test_an_activation_that_is_set_anew_is_judged_anew():
    act = nn.ELU(0.1)
    anatomy = trace(nn.Sequential(nn.Linear(4, 4), act, nn.Linear(4, 2)), torch.randn(8, 4))
    before = moments_at(anatomy.sites[0])
    act.alpha = 1.5
    assert moments_at(anatomy.sites[0]) == examine(nn.ELU(1.5)) != before


def test_a_class_of_torch_that_was_given_another_forward_is_not_known(monkeypatch):
    assert made(nn.ReLU()) is not None
    monkeypatch.setattr(nn.ReLU, "forward", lambda self, x: x * 2)
    assert made(nn.ReLU()) is None
