"""One search of the model serves many replacements, and never where one changes what the next one
finds.
"""

import pytest
import torch
from torch import nn

from advisor.model import swap, trace
from advisor.model.pointwise import Pointwise
from advisor.model.swapping import module_places

X = torch.randn(8, 4)


class Chain(nn.Module):
    """Layers and the activations behind them, which are held as `hold` says."""

    def __init__(self, hold, count=4):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(count))
        self.last = nn.Linear(4, 2)
        self.acts = hold([nn.ReLU() for _ in range(count)])

    def forward(self, x):
        acts = self.acts.values() if isinstance(self.acts, dict) else self.acts
        for layer, act in zip(self.layers, acts, strict=True):
            x = act(layer(x))
        return self.last(x)


HELD = {
    "a list": list,
    "a tuple": tuple,
    "a tuple in a tuple": lambda acts: (*acts[:2], *(acts[2:])),
    "a dictionary": lambda acts: dict(enumerate(acts)),
    "modules": nn.ModuleList,
    "one for all": lambda acts: [acts[0]] * len(acts),
}


@pytest.mark.parametrize("how", HELD)
def test_every_site_is_swapped_however_it_is_held(how):
    model = Chain(HELD[how])
    anatomy = trace(model, X)
    report = swap(model, anatomy, lambda _: torch.tanh, inputs=X)
    acts = model.acts.values() if isinstance(model.acts, dict) else model.acts
    assert [type(act) for act in acts] == [Pointwise] * 4
    report.undo()
    assert [site.kind for site in trace(model, X).sites] == [site.kind for site in anatomy.sites]


class Around(nn.Module):
    """An activation that holds the one whose place it takes."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x) * 0.5


def test_an_activation_may_hold_the_ones_before_it():
    model = Chain(nn.ModuleList)
    old = list(model.acts)
    swap(model, trace(model, X), lambda site: Around(site.target.module))
    assert [act.inner for act in model.acts] == old


def test_a_place_that_two_names_lead_to_is_changed_once():
    model = Chain(list)
    model.again = model.acts
    swap(model, trace(model, X), lambda _: torch.tanh, inputs=X)
    assert model.again is model.acts
    assert all(type(act) is Pointwise for act in model.acts)


def test_a_deep_model_is_searched_once(monkeypatch):
    searched = []
    holdings = module_places.holdings
    monkeypatch.setattr(
        module_places, "holdings", lambda module: searched.append(module) or holdings(module)
    )
    model = Chain(nn.ModuleList, count=20)
    swap(model, trace(model, X), lambda _: nn.Tanh())
    assert sum(module is model for module in searched) == 1
