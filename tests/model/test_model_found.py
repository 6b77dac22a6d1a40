"""What models that nobody here wrote taught the tracer and the swap."""

import pytest
import torch
from models import found, zoo
from torch import nn

from advisor.model import swap, trace


@pytest.mark.parametrize("drop", [found.drop_path, found.skip])
@pytest.mark.parametrize("seed", range(12))
def test_a_function_that_draws_random_numbers_is_no_activation(drop, seed):
    model = found.Dropped(drop)
    torch.manual_seed(seed)
    assert [site.kind for site in trace(model, (zoo.ROWS,)).sites] == ["relu"]


def test_a_result_that_is_thrown_away_says_nothing_about_its_site():
    (site,) = trace(found.Poly(), (zoo.ROWS,)).sites
    assert (site.label, site.calls) == ("hidden", 4)


def test_an_activation_whose_only_result_is_thrown_away_is_left_alone():
    sites = trace(found.Unused(), (zoo.ROWS,)).sites
    assert [(site.kind, site.label) for site in sites] == [("gelu", "hidden"), ("tanh", "output")]


@pytest.mark.parametrize("act", [nn.PReLU, nn.ReLU])
def test_runs_that_only_look_at_a_block_are_not_counted_as_its_runs(act):
    model = found.Blocks(act)
    report = swap(model, trace(model, (zoo.IMAGES,)), lambda _: torch.asinh, inputs=(zoo.IMAGES,))
    assert report.calls == 2


def test_a_model_with_a_slope_per_channel_takes_its_own_activation_back():
    torch.manual_seed(0)
    model = found.PerChannel()
    before = model(zoo.IMAGES)
    seen = trace(model, (zoo.IMAGES,))
    report = swap(model, seen, lambda site: site.function, inputs=(zoo.IMAGES,))
    assert [site.id for site in report.swapped] == ["act"]
    assert torch.equal(model(zoo.IMAGES), before)


def test_a_module_whose_tensor_runs_under_another_name_is_in_use():
    assert trace(found.Shared(), (zoo.TOKENS,)).unused == ("spare",)


def test_what_makes_something_new_besides_being_multiplied_is_no_gate():
    sites = trace(found.Selective(), (zoo.ROWS,)).sites
    assert [(site.kind, site.label) for site in sites] == [
        ("silu", "hidden"),
        ("softplus", "gate"),
        ("silu", "gate"),
    ]
