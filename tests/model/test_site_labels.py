"""What decides about a site: only what trains makes it hidden, and no reason says what is not so."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from advisor.model import swap, trace

ROWS = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))


def labels(model):
    return [site.label for site in trace(model, ROWS).sites]


def layers(*sizes):
    parts = []
    for one, two in pairwise(sizes):
        parts += [nn.Linear(one, two), nn.ReLU()]
    return parts[:-1]


class Applied(nn.Module):
    """A layer, a sigmoid, and something that is done with both it and a parameter."""

    def __init__(self, what, head=True):
        super().__init__()
        self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 3)
        self.g = nn.Parameter(torch.ones(8))
        self.what, self.head = what, head

    def forward(self, x):
        y = self.what(torch.sigmoid(self.a(x)), self.g)
        return self.b(y) if self.head else y


def rest(h):
    return h - h.mean(-1, keepdim=True)


def total(h):
    return h.sum(-1, keepdim=True)


def size(h):
    return h.abs().mean(-1, keepdim=True)


NORMALIZED = {
    "by its sum": lambda h, g: h / total(h),
    "by a sum that is kept from zero": lambda h, g: h / total(h).clamp(min=1e-6),
    "with the inverse": lambda h, g: h * (1.0 / total(h)),
    "scaled": lambda h, g: (h.unsqueeze(-1) * g).sum(1) / (total(h) + 1e-8),
}
STANDARDIZED = {
    "by its deviation": lambda h, g: rest(h) / (h.std(-1, keepdim=True) + 1e-5),
    "by its mean square": lambda h, g: h * torch.rsqrt(h.square().mean(-1, keepdim=True) + 1e-6),
    "by its length": lambda h, g: h / h.norm(dim=-1, keepdim=True),
    "by what is left of it": lambda h, g: rest(h) / (size(rest(h)) + 1e-5),
}


@pytest.mark.parametrize("what", NORMALIZED)
def test_what_is_divided_by_its_own_sum_is_a_gate(what):
    assert labels(Applied(NORMALIZED[what])) == ["gate"]


@pytest.mark.parametrize("what", STANDARDIZED)
def test_what_is_standardized_by_hand_is_hidden(what):
    assert labels(Applied(STANDARDIZED[what])) == ["hidden"]


ENDS = {
    "a scale": (lambda h, g: h * g, "output", "Only a learned scale or shift"),
    "a shift": (lambda h, g: h + g, "output", "Only a learned scale or shift"),
    "a scale that is pooled": (
        lambda h, g: (h.unsqueeze(1).expand(-1, 5, -1) * g).mean(1),
        "output",
        "Only a learned scale or shift",
    ),
    "a weighted sum": (lambda h, g: (h * g).sum(-1), "hidden", "summed with learned weights"),
    "a product": (lambda h, g: h @ g, "hidden", "learned operation"),
    "detached weights": (lambda h, g: h @ g.detach(), "output", "not trained"),
    "the data of weights": (lambda h, g: h @ g.data, "output", "not trained"),
    "nothing": (lambda h, g: h, "output", "Nothing learned follows it."),
}


@pytest.mark.parametrize("end", ENDS)
def test_what_follows_an_activation_is_said_as_it_is(end):
    what, label, words = ENDS[end]
    (site,) = trace(Applied(what, head=False), ROWS).sites
    assert site.label == label
    assert words in site.reason


def test_a_frozen_trunk_below_a_trained_head_is_hidden():
    trunk = nn.Sequential(*layers(8, 8, 8), nn.ReLU()).requires_grad_(False)
    assert labels(nn.Sequential(trunk, nn.Linear(8, 3))) == ["hidden", "hidden"]


def test_a_frozen_decoder_above_all_that_trains_is_left_alone():
    decoder = nn.Sequential(*layers(8, 8, 3)).requires_grad_(False)
    assert labels(nn.Sequential(*layers(8, 8), nn.Tanh(), decoder)) == ["output", "output"]


@pytest.mark.parametrize("kept", ["buffer", "parameter"])
def test_a_layer_before_a_fixed_filter_is_the_last(kept):
    class Filter(nn.Module):
        def __init__(self):
            super().__init__()
            kernel = torch.eye(8)
            if kept == "buffer":
                self.register_buffer("kernel", kernel)
            else:
                self.kernel = nn.Parameter(kernel, requires_grad=False)

        def forward(self, x):
            return nn.functional.linear(x, self.kernel)

    model = nn.Sequential(*layers(8, 8, 8), nn.Sigmoid(), Filter())
    assert labels(model) == ["hidden", "output"]
    last = trace(model, ROWS).layer("2")
    assert (last.is_output, last.followed_by) == (True, "sigmoid")


class Dense(nn.Module):
    """A layer by hand that applies its activation itself."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(8, 8))

    def forward(self, x):
        return torch.relu(x @ self.weight)


def test_a_run_that_looks_for_layers_is_not_counted_as_a_run_of_the_model():
    model = nn.Sequential(Dense(), nn.Linear(8, 2))
    report = swap(model, trace(model, ROWS), lambda _: torch.asinh, inputs=ROWS)
    assert report.calls == 1


# ---------------------------------------------------------------- what a forward changes


class Counter:
    def __init__(self):
        self.count = 0
        self.kept = []
        self.sums = torch.zeros(3)


class Remembers(nn.Module):
    """Changes everything that it holds."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 3)
        self.state, self.turns, self.log, self.cache = None, 0, [], {}
        self.seen, self.counter, self.sums = set(), Counter(), torch.zeros(3)
        self.random = torch.Generator().manual_seed(0)
        self.register_buffer("hidden", None)

    def forward(self, x):
        self.turns += 1
        self.log.append(x)
        self.cache["x"] = self.state = self.hidden = self.later = x
        self.seen.add(self.turns)
        self.counter.count += 1
        self.counter.kept.append(x)
        self.counter.sums += 1
        self.sums += 1
        torch.rand(3, generator=self.random)
        return self.b(torch.relu(self.a(x)))


def test_what_a_forward_changes_is_as_it_was_after_a_trace():
    model = Remembers()
    stood = model.random.get_state()
    trace(model, ROWS)
    assert (model.state, model.turns, model.log, model.cache) == (None, 0, [], {})
    assert (model.hidden, model.seen, hasattr(model, "later")) == (None, set(), False)
    assert (model.counter.count, model.counter.kept) == (0, [])
    assert not model.sums.any()
    assert not model.counter.sums.any()
    assert torch.equal(model.random.get_state(), stood)


class BuiltByUse(nn.Module):
    def __init__(self):
        super().__init__()
        self.built, self.a, self.b = False, None, nn.Linear(8, 3)

    def forward(self, x):
        if not self.built:
            self.a, self.built = nn.Linear(x.shape[1], 8), True
        return self.b(torch.relu(self.a(x)))


def test_what_a_module_builds_at_its_first_call_stays():
    model = BuiltByUse()
    trace(model, ROWS)
    layer = model.a
    model(ROWS)
    assert model.a is layer


class Neuron(nn.Module):
    def __init__(self):
        super().__init__()
        self.v = None

    def forward(self, x):
        self.v = torch.zeros_like(x) if self.v is None else self.v
        self.v = self.v * 0.5 + torch.relu(x)
        return self.v


class Twice(nn.Module):
    """A neuron whose state has the shape of the batch, used at two moments."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.neuron = nn.Linear(8, 16), nn.Linear(16, 3), Neuron()

    def forward(self, x):
        self.neuron.v = None
        return self.b(self.neuron(self.a(x))) + self.b(self.neuron(self.a(x)))


def test_a_probe_of_a_module_leaves_its_state_alone():
    (site,) = trace(Twice(), ROWS).sites
    assert (site.label, site.calls) == ("hidden", 2)


def test_a_trained_activation_leaves_its_keys_when_another_one_takes_its_place():
    model = nn.Sequential(nn.Linear(8, 8), nn.PReLU(8), nn.Linear(8, 3))
    weights, trained = model.state_dict(), len(list(model.parameters()))
    report = swap(model, trace(model, ROWS), lambda _: nn.ELU(), inputs=ROWS)
    assert str(model.load_state_dict(weights)) == "<All keys matched successfully>"
    assert list(model.state_dict()) == list(weights)
    assert len(list(model.parameters())) == trained - 1
    new = model[1]
    report.undo()
    assert isinstance(model[1], nn.PReLU)
    assert not new.state_dict()
