"""What a trace finds, against the truth."""

import pytest
import torch
from models import attention, conv, custom, generative, mlp, text, zoo
from torch import nn

from advisor.errors import InputError
from advisor.model import select, trace


def test_ids_name_modules_and_calls():
    assert [site.id for site in trace(conv.ResNet(), (zoo.IMAGES,)).sites] == [
        "relu",
        "layer1.relu",
        "layer2.relu",
    ]
    sites = trace(conv.VAE(), (torch.rand(4, 12),)).sites
    assert [site.id.partition(":")[0] for site in sites] == ["encode", "decode", "decode"]
    assert sites[0].place.startswith("conv.py:")
    assert sites[0].place.endswith("F.relu(self.fc1(x))")
    block = nn.Sequential(mlp.FromConfig(), nn.Linear(8, 2))
    assert trace(block, (zoo.ROWS,)).sites[0].id.endswith("@0")


def test_the_function_of_a_site_has_its_own_arguments():
    sites = trace(mlp.Methods(), (zoo.ROWS,)).sites
    assert sites[2].function(torch.tensor([-1.0])).item() == pytest.approx(-0.1)
    assert trace(conv.Generator(), (zoo.ROWS[:, :4],)).sites[0].function(
        torch.tensor([-1.0])
    ).item() == pytest.approx(-0.2)


def test_a_torch_transformer_layer_is_one_site():
    sites = trace(text.Transformer(), (zoo.IMAGES,)).sites
    assert [site.id for site in sites] == [
        "encoder.layers.0.activation",
        "encoder.layers.1.activation",
    ]


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


def test_parameters_that_a_signal_is_multiplied_by_are_layers_and_no_raw_parameters():
    found = trace(text.GraphAttention(), (zoo.NODES, zoo.EDGES))
    assert [layer.name for layer in found.layers] == ["W", "a", "out"]
    assert found.raw == ()


def test_tables_know_their_rows_and_where_their_indices_come_from():
    table = trace(text.text_cnn(), (zoo.TOKENS,)).tables[0]
    assert (table.name, table.rows, table.width, table.padding_idx, table.source) == (
        "embed",
        20,
        6,
        0,
        "args[0]",
    )
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
    assert [site.id for site in select(found, include=["se.*"], exclude=["act"])] == [
        "se.act",
        "se.gate",
    ]


@pytest.mark.parametrize(
    ("model", "inputs", "words"),
    [
        (
            conv.Net(),
            (torch.randn(4, 1, 28, 28),),
            ["fc1 (Linear) got (4, 1152)", "expects 128 inputs", "conv.py:24"],
        ),
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


@pytest.mark.parametrize(
    ("act", "name"),
    [
        (nn.ReLU6, "relu6"),
        (nn.Hardtanh, "hardtanh"),
        (nn.Hardswish, "hardswish"),
        (nn.SiLU, "silu"),
        (nn.CELU, "celu"),
    ],
)
def test_a_module_has_its_own_kind_even_where_it_runs_another_ones_function(act, name):
    model = nn.Sequential(nn.Linear(8, 8), act(), nn.Linear(8, 2))
    assert [site.kind for site in trace(model, (zoo.ROWS,)).sites] == [name]


def test_what_only_lends_its_shape_is_no_input():
    table = trace(attention.Bert(), (zoo.SENTENCES,)).tables
    assert [(t.name, t.source) for t in table] == [
        ("word_embeddings", "args[0]['input_ids']"),
        ("position_embeddings", "position"),
        ("token_type_embeddings", None),
    ]


def test_a_failure_with_gradients_is_told_as_any_other():
    with pytest.raises(InputError, match="linear1 .Linear. got .4, 5., expects 8 inputs"):
        trace(generative.Hamiltonian(), (zoo.SERIES[:, 0],))


class Collecting(nn.Module):
    """Hooks its layers at its first run, and remembers that; collects what they give."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.last = nn.Linear(4, 8), nn.Linear(8, 8), nn.Linear(16, 2)
        self.is_hooked = False

    def forward(self, x):
        self.seen = []
        if not self.is_hooked:
            for layer in (self.a, self.b):
                layer.register_forward_hook(lambda _, __, output: self.seen.append(output))
            self.is_hooked = True
        self.b(torch.relu(self.a(x)))
        return self.last(torch.cat(self.seen, 1))


def test_hooks_that_a_first_run_registers_go_with_the_attribute_that_says_so():
    model = Collecting()
    inputs = torch.randn(3, 4)
    for _ in range(2):
        trace(model, inputs)
    assert not model.is_hooked
    assert not model.a._forward_hooks
    assert model(inputs).shape == (3, 2)
