"""DKS and TAT by the equations of their papers, on the maps and in deep wide nets."""

from __future__ import annotations

import math

import pytest
import torch
from advisor_plugins.activation.kernel_maps import (
    FUNCTIONS,
    KernelMaps,
    dks_shape,
    leaky_c_map,
    leaky_slope,
    tat_shape,
)
from models.runs import plain, put, run_of
from torch import nn
from torch.nn import functional as F

EXACT = 1e-4


def maps_of(shape, function):
    return KernelMaps.of(lambda x: shape.at(function, x))


@pytest.mark.parametrize("depth", [3, 50])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_deep_kernel_shaping_meets_its_four_conditions(name, depth):
    slope = min(1.2, 1.5 ** (1 / depth))
    found = maps_of(dks_shape(FUNCTIONS[name], slope), FUNCTIONS[name])
    assert (found.q, found.q_slope, found.c_slope) == pytest.approx((1, 1, slope), abs=EXACT)
    assert found.c_zero == pytest.approx(0, abs=EXACT)


@pytest.mark.parametrize("depth", [3, 50])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_tailored_smooth_activations_meet_their_four_conditions(name, depth):
    found = maps_of(tat_shape(FUNCTIONS[name], 0.3 / depth), FUNCTIONS[name])
    assert (found.q, found.q_slope, found.c_slope) == pytest.approx((1, 1, 1), abs=EXACT)
    assert found.c_curve == pytest.approx(0.3 / depth, rel=1e-3)


@pytest.mark.parametrize(("depth", "eta"), [(20, 0.9), (50, 0.9), (100, 0.8), (500, 0.99)])
def test_the_slope_of_a_tailored_rectifier_leaves_the_wanted_correlation(depth, eta):
    slope = leaky_slope(depth, eta)
    assert 0 < slope < 1
    correlation = 0.0
    for _ in range(depth):
        correlation = leaky_c_map(correlation, slope)
    assert correlation == pytest.approx(eta, abs=EXACT)


def test_a_shallow_net_keeps_the_rectifier():
    assert leaky_slope(3, 0.9) == 0


@pytest.mark.parametrize("slope", [0.0, 0.3, 0.9])
def test_the_closed_form_of_a_leaky_rectifier_is_its_c_map(slope):
    # Half of the circle for c = cos of the angle between two directions.
    draw = torch.Generator().manual_seed(0)
    one, noise = torch.randn(2, 400_000, generator=draw, dtype=torch.float64)
    scale = math.sqrt(2 / (1 + slope**2))
    for c in (0.0, 0.5, 1.0):
        other = c * one + math.sqrt(1 - c**2) * noise
        product = scale**2 * F.leaky_relu(one, slope) * F.leaky_relu(other, slope)
        assert float(product.mean()) == pytest.approx(leaky_c_map(c, slope), abs=0.01)


# name, correlation of rows that were orthogonal after 50 activations, with a tolerance
DEEP = [("trelu", 0.9, 0.06), ("dks", 0.0, 0.02), ("tat", 0.15, 0.06)]


@pytest.mark.parametrize(("name", "correlation", "near"), DEEP)
def test_a_deep_wide_net_has_the_maps_that_its_activations_are_shaped_for(
    host, name, correlation, near
):
    run = run_of(plain(256, 50), torch.randn(32, 256))
    said = put(host, run, activation=name, initializer="he")
    assert "delta-orthogonal start: initialized 51 layers" in said["activation"]
    assert said["initializer"] == f"not applied: activation {name} brings its own"
    rows = torch.linalg.qr(torch.randn(256, 32)).Q.T * 16  # orthogonal, with mean square 1
    with torch.no_grad():
        signal = run.model[:-1](rows)
    square = signal.square().mean(1)
    cosines = F.cosine_similarity(signal[:, None], signal[None], dim=2)
    between = cosines[~torch.eye(32, dtype=torch.bool)]
    assert 0.25 < float(square.mean()) < 2  # the law of large numbers holds for wider nets
    assert float(between.mean()) == pytest.approx(correlation, abs=near)
    if name == "tat":
        # C''(1) adds up to 0.3: 1 - c falls by less than the third of it, from below by Taylor.
        near_rows = rows + 0.1 * rows.roll(1, 0)
        with torch.no_grad():
            moved = F.cosine_similarity(run.model[:-1](near_rows), signal)
        was = F.cosine_similarity(near_rows, rows)
        assert float(((1 - moved) / (1 - was)).mean()) == pytest.approx(1, abs=0.1)


def test_without_shaping_a_rectifier_net_of_that_depth_makes_all_rows_alike(host):
    run = run_of(plain(256, 50), torch.randn(32, 256))
    put(host, run, initializer="orthogonal")
    with torch.no_grad():
        signal = run.model[:-1](torch.randn(32, 256))
    cosines = F.cosine_similarity(signal[:, None], signal[None], dim=2)
    assert float(cosines.mean()) > 0.98


@pytest.mark.parametrize(
    ("shape", "what"),
    [((64, 16), "more units than inputs"), ((16, 64), "fewer"), ((8, 4, 3, 3), "a kernel")],
)
def test_the_start_keeps_the_mean_square_of_a_signal(host, shape, what):
    inputs = shape[1]
    if len(shape) == 2:
        net, rows = nn.Linear(inputs, shape[0]), torch.randn(4000, inputs)
    else:
        net, rows = nn.Conv2d(inputs, shape[0], 3, padding=1), torch.randn(100, inputs, 8, 8)
    ends = [nn.ReLU(), *([nn.Flatten()] if len(shape) > 2 else []), nn.LazyLinear(2)]
    model = nn.Sequential(net, *ends)
    model(rows[:2])
    run = run_of(model, rows)
    put(host, run, activation="trelu")
    with torch.no_grad():
        assert float(net(rows).square().mean()) == pytest.approx(1, abs=0.05)
    if len(shape) > 2:
        off_centre = net.weight.detach().clone()
        off_centre[:, :, 1, 1] = 0
        assert not bool(off_centre.any())


class Added(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two, self.last = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x):
        return self.last(x + self.two(F.relu(self.one(x))))


REFUSED = [
    (Added(), "adds residual branches"),
    (nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.ReLU(), nn.Linear(4, 2)), "normalizes (1)"),
]


@pytest.mark.parametrize(("model", "why"), REFUSED)
def test_only_plain_nets_are_shaped_and_a_sentence_says_why(host, model, why):
    run = run_of(model, torch.randn(8, 4))
    for name in ("trelu", "tat", "dks"):
        assert why in host.find("activation", name).unfit(run)
