"""What a trace finds, against the truth."""

import itertools
import random
import time

import pytest
import torch
from models import conv, custom, mlp, text, zoo
from torch import nn

from advisor.errors import InputError
from advisor.model import select, trace

CASES = pytest.mark.parametrize("case", zoo.CASES.values(), ids=zoo.CASES)


@CASES
def test_every_activation_has_its_true_label(case):
    found = trace(case.build(), case.inputs)
    assert tuple((site.kind, site.label, site.calls) for site in found.sites) == case.truth
    assert all(site.reason.endswith(".") for site in found.sites)


@CASES
def test_the_kind_of_output_is_known(case):
    assert trace(case.build(), case.inputs).output == case.output


@CASES
def test_ids_are_unique_and_stable(case):
    first, second = (trace(case.build(), case.inputs).sites for _ in range(2))
    assert [site.id for site in first] == [site.id for site in second]
    assert len({site.id for site in first}) == len(first)


@CASES
def test_a_trace_leaves_no_trace(case):
    model = case.build()
    model(*case.inputs)  # a lazy layer takes its shape once
    model.eval()
    next(model.children()).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    flags = [module.training for module in model.modules()]
    states = torch.get_rng_state(), random.getstate()
    trace(model, case.inputs)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [module.training for module in model.modules()] == flags
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1] == random.getstate()
    assert all(parameter.grad is None for parameter in model.parameters())


def test_ids_name_modules_and_calls():
    assert [site.id for site in trace(conv.ResNet(), (zoo.IMAGES,)).sites] == ["relu", "layer1.relu", "layer2.relu"]
    sites = trace(conv.VAE(), (torch.rand(4, 12),)).sites
    assert [site.id.partition(":")[0] for site in sites] == ["encode", "decode", "decode"]
    assert sites[0].place.startswith("conv.py:")
    assert sites[0].place.endswith("F.relu(self.fc1(x))")
    block = nn.Sequential(mlp.FromConfig(), nn.Linear(8, 2))
    assert trace(block, (zoo.ROWS,)).sites[0].id.endswith("@0")


@CASES
def test_every_site_can_be_run_by_itself(case):
    x = torch.linspace(-4, 4, 9)
    for site in trace(case.build(), case.inputs).sites:
        y = site.function(x)
        assert torch.equal(x, torch.linspace(-4, 4, 9)), f"{site.id} changed its argument"
        assert y.shape == x.shape
        assert not torch.equal(y, x)


def test_the_function_of_a_site_has_its_own_arguments():
    sites = trace(mlp.Methods(), (zoo.ROWS,)).sites
    assert sites[2].function(torch.tensor([-1.0])).item() == pytest.approx(-0.1)
    assert trace(conv.Generator(), (zoo.ROWS[:, :4],)).sites[0].function(torch.tensor([-1.0])).item() == pytest.approx(-0.2)


def test_a_torch_transformer_layer_is_one_site():
    sites = trace(text.Transformer(), (zoo.IMAGES,)).sites
    assert [site.id for site in sites] == ["encoder.layers.0.activation", "encoder.layers.1.activation"]


def layers(model, *inputs):
    return {layer.name: layer for layer in trace(model, inputs).layers}


def test_layers_know_what_follows_them():
    found = layers(conv.ResNet(), zoo.IMAGES)
    assert [layer.index for layer in found.values()] == list(range(len(found)))
    assert {found[name].followed_by for name in found if "conv" in name} == {"relu"}
    assert found["layer1.conv2"].site.id == "layer1.relu"
    assert found["bn1"].kind == "norm"
    assert found["fc"].followed_by == "output"
    assert [layer.name for layer in found.values() if layer.is_output] == ["fc"]


def test_layers_before_a_squeeze_know_their_activation():
    class Net(conv.SENet):
        def forward(self, x):
            x = self.act(self.se(self.bn(self.conv(x))))
            return self.fc(x.mean((2, 3)))

    assert layers(Net(), zoo.IMAGES)["conv"].followed_by == "silu"


def test_tied_and_functionally_used_layers_are_known():
    found = layers(text.TiedLanguageModel(), zoo.TOKENS)
    assert found["wte"].tied == ("lm_head.weight",)
    assert found["lm_head"].tied == ("wte.weight",)
    assert found["lm_head"].is_output
    assert not found["wte"].is_output
    found = layers(text.Transformer(), zoo.IMAGES)
    assert found["encoder.layers.0.self_attn"].kind == "attention"
    assert not found["encoder.layers.0.self_attn.out_proj"].callable
    assert found["encoder.layers.0.linear1"].callable


def test_a_recurrent_layer_counts_its_steps():
    found = layers(text.GatedCell(), zoo.SERIES)
    assert (found["x2h"].calls, found["h2h"].calls, found["out"].calls) == (3, 3, 1)


def test_weight_norm_keeps_the_layer_and_unused_layers_are_listed():
    model = mlp.Normalized()
    found = trace(model, (zoo.ROWS,))
    assert [layer.name for layer in found.layers] == ["a", "b"]
    assert found.layers[0].module is model.a
    assert found.unused == ("spare",)


def test_raw_parameters_are_listed():
    assert trace(text.GraphAttention(), (zoo.NODES, zoo.EDGES)).raw == ("W", "a")


def test_tables_know_their_rows_and_where_their_indices_come_from():
    table = trace(text.text_cnn(), (zoo.TOKENS,)).tables[0]
    assert (table.name, table.rows, table.width, table.padding_idx, table.source) == ("embed", 20, 6, 0, "args[0]")
    tables = trace(text.TiedLanguageModel(), (zoo.TOKENS,)).tables
    assert [(table.name, table.source, table.tied) for table in tables] == [
        ("wte", "args[0]", ("lm_head.weight",)),
        ("wpe", "position", ()),
    ]
    assert trace(text.Bag(), (zoo.WORDS, zoo.OFFSETS)).tables[0].source == "args[0]"


def test_inputs_inside_a_dictionary_are_named():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.bag, self.fc = nn.EmbeddingBag(20, 4), nn.Linear(4, 2)

        def forward(self, batch):
            return {"loss": 0, "logits": self.fc(self.bag(batch["ids"]))}

    found = trace(Net(), ({"ids": zoo.TOKENS},))
    assert found.tables[0].source == "args[0]['ids']"
    assert found.output_shape == (4, 2)


def test_an_activation_out_of_reach_says_why():
    site = trace(custom.Helper(), (zoo.ROWS,)).sites[0]
    assert site.label == "hidden"
    assert "inside scaled(x, w)" in site.target.why


def test_select_takes_hidden_sites_and_what_the_user_adds():
    found = trace(conv.SENet(), (zoo.IMAGES,))
    assert [site.id for site in select(found)] == ["act", "se.act"]
    assert [site.id for site in select(found, include=["se.*"], exclude=["act"])] == ["se.act", "se.gate"]


@pytest.mark.parametrize(
    ("model", "inputs", "words"),
    [
        (conv.Net(), (torch.randn(4, 1, 28, 28),), ["fc1 (Linear) got (4, 1152)", "expects 128 inputs", "conv.py:24"]),
        (conv.ResNet(), (torch.randn(4, 1, 8, 8),), ["conv1 (Conv2d)", "expects 3 channels"]),
        (text.text_cnn(), (torch.full((4, 7), 30),), ["embed (Embedding)", "indices below 20"]),
    ],
)
def test_a_model_that_does_not_fit_the_data_is_named_with_its_layer(model, inputs, words):
    with pytest.raises(InputError) as error:
        trace(model, inputs)
    assert all(word in str(error.value) for word in words), str(error.value)


def test_a_model_without_float_output_is_refused():
    class Net(nn.Linear):
        def forward(self, x):
            return super().forward(x).argmax(1)

    with pytest.raises(InputError, match="no tensor of floats"):
        trace(Net(8, 2), (zoo.ROWS,))


def test_a_trace_of_a_model_the_size_of_a_resnet_is_fast():
    widths = [8, 8, 8, 16, 16, 32, 32, 64, 64]
    shapes = itertools.pairwise(widths)
    blocks = [conv.BasicBlock(i, o, 1 if i == o else 2, None if i == o else nn.Conv2d(i, o, 1, 2)) for i, o in shapes]
    model = nn.Sequential(nn.Conv2d(3, 8, 3), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))
    seconds = []
    for _ in range(3):  # the machine may be busy
        started = time.perf_counter()
        found = trace(model, (zoo.IMAGES,))
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 0.3
    assert len(found.layers) == 1 + 4 * 8 + 3 + 1
