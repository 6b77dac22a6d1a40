"""Which layers close a residual branch."""

import pytest
import torch
from models import attention, conv, mobile, series, text, vision, zoo
from torch import nn
from torch.nn import functional as F

from advisor.model import trace

BRANCHES = [  # what closes the residual branches of models, read off their source
    (conv.ResNet, zoo.IMAGES, ["layer1.bn2", "layer2.bn2"]),
    (
        text.Transformer,
        zoo.IMAGES,
        [f"encoder.layers.{i}.{end}" for i in (0, 1) for end in ("self_attn.out_proj", "linear2")],
    ),
    (vision.ConvNeXt, zoo.IMAGES, ["stage.0.pwconv2", "stage.1.pwconv2"]),
    (vision.DenseNet, zoo.IMAGES, []),
    (mobile.MobileNetV2, zoo.IMAGES, ["features.1.conv.2", "features.2.conv.3"]),
    (
        mobile.MobileNetV3,
        zoo.IMAGES,
        ["features.0.block.8", "features.1.block.7"],
    ),  # past squeeze and excitation
    (attention.mixer, zoo.SERIES, ["0.0.fn.3", "0.1.fn.3", "1.0.fn.3", "1.1.fn.3"]),
    (
        lambda: attention.GPT(attention.GPTConfig()),
        zoo.TOKENS,
        [f"transformer.h.{i}.{end}.c_proj" for i in (0, 1) for end in ("attn", "mlp")],
    ),
    (
        series.WaveNet,
        zoo.WAVES,
        ["residuals.0", "residuals.1"],
    ),  # not the skips, which meet after the blocks
    (text.GatedCell, zoo.SERIES, []),
    (series.Elman, zoo.SERIES, []),
]


def ends(model, *inputs):
    return [layer.name for layer in trace(model, inputs).layers if layer.closes_branch]


@pytest.mark.parametrize(("build", "inputs", "closing"), BRANCHES)
def test_a_layer_closes_a_branch_where_its_result_meets_what_went_past_it(build, inputs, closing):
    assert ends(build(), inputs) == closing


class Sums(nn.Module):
    """Sums of all sorts, of which few end a residual branch."""

    def __init__(self, way):
        super().__init__()
        self.a, self.b, self.c, self.last = (
            nn.Linear(8, 8),
            nn.Linear(8, 8),
            nn.Linear(8, 8),
            nn.Linear(8, 2),
        )
        self.norm, self.scale, self.way = nn.LayerNorm(8), nn.Parameter(torch.ones(8)), way

    def forward(self, x):
        return self.last(self.way(self, x))


SUMS = [
    (lambda m, x: x + m.b(torch.relu(m.a(x))), ["b"]),
    (lambda m, x: torch.relu(m.a(x)) + m.c(x), []),  # an activation closes the longer way
    (lambda m, x: m.b(torch.relu(m.a(x))) + m.c(x), ["b"]),  # c is the shortcut's projection
    (lambda m, x: m.a(x) + m.b(x), []),  # neither went past the other
    (lambda m, x: m.a(x) + m.b(x) + x, ["a", "b"]),
    (lambda m, x: x + m.norm(m.b(torch.relu(m.a(x)))), ["norm"]),
    (lambda m, x: m.norm(x + m.scale * F.dropout(m.b(torch.relu(m.a(x))), 0.1)), ["b"]),
    (lambda m, x: x - m.a(x), ["a"]),
    (lambda m, x: torch.cat([x, m.a(x)], 1)[:, :8], []),
    (lambda m, x: m.a(x) + m.scale, []),
    (lambda m, x: x * m.a(x), []),
    (lambda m, x: x + m.a(x) * m.b(x), []),  # a product: were both zero, neither would learn
    (lambda m, x: x + m.a(x) * torch.sigmoid(m.b(x)), ["a"]),
    (lambda m, x: x + torch.relu(m.a(x)), []),
    (lambda m, x: x + m.norm(x), []),  # nothing learned lies in it
    (lambda m, x: (h := m.a(x)) + m.b(torch.relu(h)), ["b"]),
    (lambda m, x: (lambda h: x + m.b(torch.relu(h)) + m.c(torch.relu(h)))(m.a(x)), ["b", "c"]),
    (lambda m, x: (lambda h: h + m.b(torch.tanh(h)))(x.clone().add_(m.a(x))), ["a", "b"]),
]


@pytest.mark.parametrize("case", range(len(SUMS)))
def test_only_what_is_added_to_a_shortcut_past_it_closes_a_branch(case):
    way, closing = SUMS[case]
    torch.manual_seed(0)
    assert ends(Sums(way), torch.randn(4, 8)) == closing


def test_steps_in_time_are_no_shortcut():
    class Cell(nn.Module):
        def __init__(self):
            super().__init__()
            self.inside, self.again, self.last = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 2)

        def forward(self, x):
            inside, state = self.inside(x), torch.zeros(len(x), 8)
            for step in range(x.shape[1]):
                state = torch.tanh(inside[:, step] + self.again(state))
            return self.last(state)

    assert ends(Cell(), torch.randn(4, 5, 8)) == []


def test_layers_know_the_innermost_branch_that_they_lie_in():
    found = {layer.name: layer.branch for layer in trace(text.Transformer(), (zoo.IMAGES,)).layers}
    assert (found["encoder.layers.0.self_attn"], found["encoder.layers.0.self_attn.out_proj"]) == (
        0,
        0,
    )
    assert (found["encoder.layers.0.linear1"], found["encoder.layers.1.linear2"]) == (1, 3)
    outer = [
        layer.name
        for layer in trace(text.Transformer(), (zoo.IMAGES,)).layers
        if layer.branch is None
    ]
    assert [name for name in outer if name.startswith("encoder.layers")] == [
        f"encoder.layers.{i}.norm{j}" for i in (0, 1) for j in (1, 2)
    ]
