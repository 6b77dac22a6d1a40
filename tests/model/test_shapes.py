"""Model shapes of recent years: no wrong swap, no lost swap, no false reason."""

import pytest
import torch
from models import handling, properties, scripted, shapes, zoo
from models.zoo import _case

from advisor.model import trace

KAN = torch.nn.Sequential
CASES = {
    "liquid cell": _case(
        shapes.LiquidNet, zoo.WAVES.transpose(1, 2), "sigmoid/gate*8 softplus/composite*8"
    ),
    "spiking net": _case(shapes.SpikingNet, zoo.ROWS, "custom:Spike/composite*3 custom:Spike*3"),
    "generator with a fixed blur": _case(
        shapes.Generator,
        zoo.ROWS,
        "leaky_relu leaky_relu leaky_relu leaky_relu tanh/output",
        "raw",
    ),
    "generator with a frozen blur": _case(
        lambda: shapes.Generator("frozen"),
        zoo.ROWS,
        "leaky_relu leaky_relu leaky_relu leaky_relu tanh/output",
        "raw",
    ),
    "KAN": _case(lambda: KAN(shapes.KANLayer(8, 5), shapes.KANLayer(5, 3)), zoo.ROWS, "silu silu"),
    "mixture of experts": _case(
        shapes.MoE, zoo.SEEN_BY_ALL, "relu softplus/gate gelu gelu gelu", cannot="vectorized"
    ),
    "Mamba": _case(
        lambda: KAN(shapes.MambaBlock(5), torch.nn.Linear(5, 2)),
        zoo.SERIES.transpose(1, 2).reshape(4, 3, 5),
        "silu softplus/gate silu/gate",
    ),
    "rotary positions and SwiGLU": _case(shapes.RotatedLM, zoo.TOKENS, "silu/gate"),
    "graph attention by hand": _case(
        shapes.GAT, (zoo.NODES, zoo.LINKS), "leaky_relu/score elu leaky_relu/score"
    ),
    "graph convolution by hand": _case(
        shapes.GCN, (zoo.NODES, zoo.EDGES), "relu", "log_probabilities"
    ),
    "radiance field with waves": _case(
        shapes.Radiance, zoo.ROWS, "relu relu softplus/output relu sigmoid/output"
    ),
    "translation with additive attention": _case(
        shapes.Attentive, (zoo.TOKENS, zoo.TOKENS[:, :3]), "tanh*3 tanh*3"
    ),
    "scripted functions": _case(
        scripted.Fused,
        zoo.ROWS,
        "custom:swish custom:leaky custom:bias_gelu custom:gated",
        beyond=2,
    ),
    "scripted function at the end": _case(
        scripted.Ended, zoo.ROWS, "custom:swish custom:swish/output"
    ),
}

CHECKS = ("labels", "untouched", "counted", "identical", "loaded", "undone")


@pytest.mark.parametrize("shape", CASES)
@pytest.mark.parametrize("check", CHECKS)
def test_every_shape_is_seen_right_and_swapped_whole(shape, check):
    properties.PROPERTIES[check](CASES[shape])


FALSE_REASONS = {
    "spiking net": {"Nothing learned precedes it"},
    "KAN": {"Nothing learned follows it"},
    "generator with a frozen blur": {"Nothing learned follows it"},
    "liquid cell": {"prepares the input"},
}


@pytest.mark.parametrize("shape", FALSE_REASONS)
def test_no_reason_says_what_is_not_so(shape):
    reasons = {
        site.reason for site in trace(handling.built(CASES[shape]), CASES[shape].inputs).sites
    }
    for words in FALSE_REASONS[shape]:
        assert not any(words in reason for reason in reasons)


def test_a_scripted_function_that_does_more_is_refused_with_a_reason():
    _, report = handling.swapped(CASES["scripted functions"], lambda: torch.asinh, True)
    assert [site.kind for site in report.swapped] == ["custom:swish", "custom:leaky"]
    assert [site.kind for site, _ in report.refused] == ["custom:bias_gelu", "custom:gated"]
    assert all("scripted function" in why and "cannot" in why for _, why in report.refused)
