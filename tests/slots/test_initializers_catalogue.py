"""Every initializer of the catalogue by what must be true after it, and on the models that people
have.
"""

import inspect
import math

import pytest
import torch
from models import attention, conv
from models.runs import plain, put, run_of
from torch import nn
from torch.nn import functional as F

from advisor.host.host import load

ALL = [name for name in load().techniques["initializer"] if name != "keep"]
STANDARD = ["xavier", "he", "orthogonal", "lsuv", "layer_normalization", "residual"]
BRANCHED = ["residual", "zero_last", "fixup", "gpt2", "t_fixup"]
TRUNCATED = 0.87962566  # deviation of N(0, 1) cut at ±2


def test_a_search_tries_the_standard_ones_and_never_a_negative_control(host):
    found = host.techniques["initializer"]
    assert [name for name in ALL if found[name].standard] == STANDARD
    for name in ("constants", "zeros"):
        assert "negative control" in type(found[name]).__doc__
    for name in ALL:
        # Python 3.13 stores a docstring without its indentation, older ones with it.
        docstring = inspect.cleandoc(type(found[name]).__doc__)
        assert "Reference: " in docstring
        assert set(found[name].space) == set(found[name].defaults())
        assert all(f"\n    {parameter}: " in docstring for parameter in found[name].space), name


# ---------------------------------------------------------------- what the numbers are

FAN_IN, FAN_OUT = 400, 100
# name, parameters, deviation, largest value in deviations; the layer is (100, 400), relu follows
DRAWN = [
    ("uniform", {"bound": 0.3}, 0.3 / 3**0.5, 3**0.5),
    ("normal", {"std": 0.3}, 0.3, 6),
    ("truncated_normal", {"std": 0.3}, 0.3, 2 / TRUNCATED),
    ("truncated_normal", {"std": 0.02}, 0.02, 2 / TRUNCATED),
    ("xavier", {}, math.sqrt(2 / 500), 6),
    ("xavier_uniform", {}, math.sqrt(2 / 500), 3**0.5),
    ("he", {}, math.sqrt(2 / 400), 6),
    ("he", {"mode": "fan_out"}, math.sqrt(2 / 100), 6),
    ("he_uniform", {"mode": "fan_in"}, math.sqrt(2 / 400), 3**0.5),
    ("he_uniform", {"mode": "fan_out"}, math.sqrt(2 / 100), 3**0.5),
    ("lecun", {}, math.sqrt(1 / 400), 6),
    (
        "variance_scaling",
        {"scale": 2.0, "mode": "fan_in", "distribution": "uniform"},
        math.sqrt(2 / 400),
        3**0.5,
    ),
    ("variance_scaling", {"scale": 2.0, "mode": "fan_out"}, math.sqrt(2 / 100), 2 / TRUNCATED),
    (
        "variance_scaling",
        {"scale": 1.0, "mode": "fan_avg", "distribution": "untruncated_normal"},
        math.sqrt(1 / 250),
        6,
    ),
    ("sparse_units", {"count": 20}, math.sqrt(2 / 400), None),
]


def weights(model):
    return [
        p.detach() for name, p in model.named_parameters() if name.endswith("weight") and p.ndim > 1
    ]


@pytest.mark.parametrize(("name", "params", "std", "high"), DRAWN)
def test_weights_have_the_deviation_and_the_ends_of_their_distribution(
    host, name, params, std, high
):
    torch.manual_seed(0)
    run = run_of(
        nn.Sequential(nn.Linear(FAN_IN, FAN_OUT), nn.ReLU(), nn.Linear(FAN_OUT, 2)),
        torch.randn(16, FAN_IN),
    )
    put(host, run, initializer=(name, params))
    weight = run.model[0].weight.detach()
    assert float(weight.std()) == pytest.approx(
        std, rel=0.03
    )  # 40,000 draws: five standard errors are 1.8 %
    assert abs(float(weight.mean())) < 5 * std / weight.numel() ** 0.5
    if high is not None:
        assert float(weight.abs().max()) <= high * std * 1.0001
        assert float(weight.abs().max()) > min(high, 3) * std * 0.99  # the ends are reached


def test_keras_names_for_xavier_he_and_lecun_are_the_same_draws(host):
    def drawn(name, **params):
        run = run_of(plain(16, 2), torch.randn(8, 16))
        put(host, run, initializer=(name, params))
        return weights(run.model)

    scaled = {"distribution": "untruncated_normal"}
    for one, two in [
        (drawn("xavier"), drawn("variance_scaling", scale=1.0, mode="fan_avg", **scaled)),
        (drawn("he")[:-1], drawn("variance_scaling", scale=2.0, mode="fan_in", **scaled)[:-1]),
        (drawn("lecun"), drawn("variance_scaling", scale=1.0, mode="fan_in", **scaled)),
    ]:
        for a, b in zip(one, two, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=0)  # the gain of relu by quadrature


def test_sparse_units_have_fifteen_weights_or_as_many_as_they_can(host):
    model = nn.Sequential(
        nn.Conv2d(4, 6, 3),
        nn.ReLU(),
        nn.Conv2d(6, 6, 3, groups=6),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(96, 2),
    )
    put(host, run_of(model, torch.randn(8, 4, 8, 8)), initializer="sparse_units")
    counts = [weight.flatten(1).ne(0).sum(1).unique().tolist() for weight in weights(model)]
    assert counts == [[15], [9], [15]]


def test_identity_hands_its_input_on(host):
    model = nn.Sequential(
        nn.Conv2d(3, 3, 3, padding=1), nn.Identity(), nn.Conv2d(3, 3, (5, 1), padding=(2, 0))
    )
    inputs = torch.randn(8, 3, 6, 6)
    put(host, run_of(model, inputs), initializer=("identity", {"noise": 0.0}))
    torch.testing.assert_close(model(inputs), inputs)
    put(host, run_of(model, inputs), initializer="identity")
    noise = model[0].weight.detach() - nn.init.dirac_(torch.empty(3, 3, 3, 3))
    assert float(noise.std()) == pytest.approx(1e-2, rel=0.3)


def test_delta_orthogonal_kernels_keep_norms_and_others_are_plain_orthogonal(host):
    model = nn.Sequential(
        *(
            nn.Conv2d(4, 8, 3, padding=1),
            nn.Tanh(),
            nn.Conv2d(8, 8, 3, padding=1, groups=2),
            nn.Tanh(),
            nn.Conv2d(8, 3, 3),
        ),
        *(nn.Tanh(), nn.Flatten(), nn.Linear(48, 2)),
    )
    inputs = torch.randn(8, 4, 6, 6)
    said = put(host, run_of(model, inputs), initializer="delta_orthogonal")["initializer"]
    assert "plain orthogonal: 4 (fewer outputs than inputs), 7 (no convolution)" in said
    first, grouped, narrow, last = weights(model)
    for kernel in (first, *grouped.chunk(2)):
        taps = kernel.clone()
        taps[:, :, 1, 1] = 0
        assert not taps.any()
        middle = kernel[:, :, 1, 1]
        torch.testing.assert_close(middle.T @ middle, torch.eye(4), atol=1e-5, rtol=0)
    for flat in (narrow.flatten(1), last):
        torch.testing.assert_close(flat @ flat.T, torch.eye(len(flat)), atol=1e-5, rtol=0)
    torch.testing.assert_close(model[0](inputs).norm(dim=1), inputs.norm(dim=1))


def test_delta_orthogonal_is_not_offered_where_it_is_plain(host):
    why = host.find("initializer", "delta_orthogonal").unfit(run_of(plain(8, 1), torch.randn(8, 8)))
    assert why.startswith("no convolution of the model has a kernel of several taps")


class Reader(nn.Module):
    """A recurrent net that reads words."""

    def __init__(self, kind=nn.GRU, **more):
        super().__init__()
        self.embed = nn.Embedding(20, 8, padding_idx=0)
        self.rnn, self.last = (
            kind(8, 16, num_layers=2, bidirectional=True, batch_first=True, **more),
            nn.Linear(32, 2),
        )

    def forward(self, ids):
        return self.last(self.rnn(self.embed(ids))[0][:, -1])


WORDS = torch.randint(1, 20, (40, 6), generator=torch.Generator().manual_seed(0))


def test_irnn_fills_recurrent_layers_of_rectifiers_and_nothing_else(host):
    rule = host.find("initializer", "irnn")
    assert "no recurrent layer of rectifiers" in rule.unfit(run_of(Reader(), WORDS))
    assert "no recurrent layer of rectifiers" in rule.unfit(run_of(Reader(nn.RNN), WORDS))
    run = run_of(Reader(nn.RNN, nonlinearity="relu"), WORDS)
    last = run.model.last.weight.detach().clone()
    assert (
        "last (no recurrent layer of rectifiers)"
        in put(host, run, initializer=("irnn", {"scale": 0.5}))["initializer"]
    )
    assert torch.equal(run.model.last.weight, last)
    for name, parameter in run.model.rnn.named_parameters():
        if "weight_hh" in name:
            assert torch.equal(parameter, 0.5 * torch.eye(16))
        elif "bias" in name:
            assert not parameter.any()
        else:
            assert float(parameter.detach().std()) == pytest.approx(1e-3, rel=0.2)


@pytest.mark.parametrize(("name", "values"), [("zeros", {0.0}), ("constants", {0.25})])
def test_the_controls_make_all_units_alike(host, name, values):
    run = run_of(Reader(), WORDS)
    put(host, run, initializer=(name, {"value": 0.25} if name == "constants" else {}))
    for key, weight in run.model.named_parameters():
        if key.startswith(("rnn.weight", "last.weight")):
            assert set(weight.detach().flatten().tolist()) == values


# ---------------------------------------------------------------- what is measured


def outputs_of(model, inputs):
    found = {}
    kinds = (nn.Linear, nn.modules.conv._ConvNd)
    handles = [
        module.register_forward_hook(lambda m, i, o, name=name: found.setdefault(name, o.detach()))
        for name, module in model.named_modules()
        if isinstance(module, kinds)
    ]
    with torch.no_grad():
        model(inputs)
    for handle in handles:
        handle.remove()
    return found


def mixed():
    return nn.Sequential(
        *(nn.Conv2d(3, 6, 3), nn.Sigmoid(), nn.Conv2d(6, 6, 3, groups=3), nn.Sigmoid()),
        *(
            nn.ConvTranspose2d(6, 4, 3, stride=2, groups=2),
            nn.Sigmoid(),
            nn.Conv2d(4, 4, 1, bias=False),
            nn.Sigmoid(),
        ),
        *(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 12), nn.Sigmoid(), nn.Linear(12, 2)),
    )


def test_every_unit_has_mean_zero_and_deviation_one_on_the_rows_that_were_looked_at(host):
    torch.manual_seed(0)
    model, inputs = mixed(), torch.randn(64, 3, 8, 8) * 3 + 1
    said = put(host, run_of(model, inputs), initializer="centred")["initializer"]
    assert said.startswith("normal start, then every unit of 6 layers to mean 0 and deviation 1")
    for name, output in outputs_of(model, inputs).items():
        flat = output.movedim(1, -1).reshape(-1, output.shape[1])
        torch.testing.assert_close(
            flat.std(0, correction=0), torch.ones(flat.shape[1]), atol=1e-4, rtol=0
        )
        if name != "6":  # it has no bias
            torch.testing.assert_close(flat.mean(0), torch.zeros(flat.shape[1]), atol=1e-4, rtol=0)


@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated")
def test_centring_goes_through_weight_norm_and_keeps_chosen_biases_and_units_that_do_not_vary(
    host,
):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.utils.weight_norm(nn.Linear(8, 8)),
        nn.Tanh(),
        nn.Linear(8, 8),
        nn.Tanh(),
        nn.Linear(8, 2),
    )
    model[2].bias.data.fill_(0.5)
    inputs = torch.randn(64, 8)
    put(host, run_of(model, inputs), initializer="centred")
    found = outputs_of(model, inputs)
    for name in ("0", "2", "4"):
        torch.testing.assert_close(
            found[name].std(0, correction=0), torch.ones(found[name].shape[1]), atol=1e-4, rtol=0
        )
    assert model[2].bias.eq(0.5).all()
    still = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 2))
    assert (
        "its output does not vary"
        in put(host, run_of(still, torch.zeros(64, 8)), initializer="centred")["initializer"]
    )
    assert all(torch.isfinite(p).all() for p in still.parameters())


READINGS = [
    (
        nn.Sigmoid,
        "mean 0 and deviation 1 per unit, "
        "because activations that saturate follow 4 of 4 hidden layers",
    ),
    (nn.Tanh, "mean 0 and deviation 1 per unit"),
    (nn.Softsign, "mean 0 and deviation 1 per unit"),
    (
        nn.ReLU,
        "one scale per layer, because activations that saturate follow 0 of 4 hidden layers; "
        "centring would make gradients",
    ),
    (nn.ReLU6, "one scale per layer"),
    (nn.GELU, "one scale per layer"),
    (nn.ELU, "one scale per layer"),
]


@pytest.mark.parametrize(("act", "said"), READINGS)
def test_the_reading_of_layer_normalization_follows_from_the_activation(host, act, said):
    inputs = torch.randn(64, 16)
    one, two = plain(16, 4, act), plain(16, 4, act)
    assert put(host, run_of(one, inputs), initializer="layer_normalization")[
        "initializer"
    ].startswith(said)
    put(host, run_of(two, inputs), initializer="centred" if said.startswith("mean") else "lsuv")
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.equal(a, b)


# ---------------------------------------------------------------- residual branches


class Blocks(nn.Module):
    """A residual net without normalization."""

    def __init__(self, depth=8, width=32):
        super().__init__()
        self.first, self.last = nn.Linear(width, width), nn.Linear(width, 10)
        self.inner = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.outer = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))

    def forward(self, x):
        x = self.first(x)
        for inner, outer in zip(self.inner, self.outer, strict=True):
            x = x + outer(torch.relu(inner(x)))
        return self.last(x)


def filled(host, name, model=None):
    run = run_of(model or Blocks(), torch.randn(64, 32), targets=10)
    return run, put(host, run, initializer=name)["initializer"]


@pytest.mark.parametrize(
    ("name", "outer", "inner", "last"),
    [
        ("residual", 1 / 16**0.5, 1.0, 1.0),
        ("zero_last", 0.0, 1.0, 1.0),
        ("fixup", 0.0, 8**-0.5, 0.0),
    ],
)
def test_residual_rules_scale_the_start_of_he_by_exactly_what_they_say(
    host, name, outer, inner, last
):
    (run, said), (he, _) = filled(host, name), filled(host, "he")
    for part, factor in (("outer", outer), ("inner", inner)):
        for mine, theirs in zip(getattr(run.model, part), getattr(he.model, part), strict=True):
            torch.testing.assert_close(mine.weight, theirs.weight * factor)
    torch.testing.assert_close(run.model.last.weight, he.model.last.weight * last)
    torch.testing.assert_close(run.model.first.weight, he.model.first.weight)
    assert "ends of residual branches: outer.0, outer.1" in said


def test_a_normalization_that_ends_a_branch_is_scaled_in_place_of_what_it_would_undo(host):
    run = run_of(conv.ResNet(), torch.randn(16, 3, 8, 8), targets=5)
    run.model.layer2.bn2.requires_grad_(False)
    said = put(host, run, initializer="zero_last")["initializer"]
    assert "branches not scaled: layer2.bn2 (frozen)" in said
    assert not run.model.layer1.bn2.weight.any()
    assert run.model.layer2.bn2.weight.eq(1).all()
    assert run.model.layer1.conv2.weight.any()


@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated")
def test_a_branch_whose_weight_is_computed_is_not_made_zero(host):
    model = Blocks(1)
    model.outer[0] = nn.utils.parametrizations.weight_norm(model.outer[0])
    run, said = filled(host, "zero_last", model)
    assert "outer.0 (its weight is computed and cannot become zero)" in said
    assert all(torch.isfinite(p).all() for p in run.model.parameters())


@pytest.mark.parametrize("name", BRANCHED)
def test_a_model_without_a_branch_or_without_attention_is_told_so(host, name):
    why = host.find("initializer", name).unfit(run_of(plain(8, 2), torch.randn(8, 8)))
    assert why is not None
    assert "residual branch" in why or "attention" in why


class Encoder(nn.Module):
    """Two encoder layers between an embedding and a head that shares its weight."""

    def __init__(self, decode=False):
        super().__init__()
        self.embed, self.last = nn.Embedding(20, 16, padding_idx=0), nn.Linear(16, 20, bias=False)
        self.encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(16, 2, 32, batch_first=True), 2
        )
        self.decoder = (
            nn.TransformerDecoder(nn.TransformerDecoderLayer(16, 2, 32, batch_first=True), 3)
            if decode
            else None
        )
        self.last.weight = self.embed.weight

    def forward(self, ids):
        x = self.embed(ids)
        x = self.encoder(x) if self.decoder is None else self.decoder(x, self.encoder(x))
        return self.last(x.mean(1))


def test_gpt2_scales_the_two_projections_of_each_layer(host):
    run = run_of(attention.GPT(attention.GPTConfig()), torch.randint(0, 20, (16, 7)), targets=20)
    put(host, run, initializer="gpt2")
    stds = {
        name: float(p.detach().std())
        for name, p in run.model.named_parameters()
        if "h.0" in name and p.ndim > 1
    }
    for name, std in stds.items():
        assert std == pytest.approx(0.02 / 2 if "c_proj" in name else 0.02, rel=0.35), (
            name
        )  # two layers: √(2 · 2)


def test_t_fixup_scales_values_results_and_feed_forward_layers_by_depth(host):
    runs = [run_of(Encoder(decode=True), WORDS, targets=20) for _ in range(2)]
    said = put(host, runs[0], initializer="t_fixup")["initializer"]
    put(host, runs[1], initializer="xavier_uniform")
    assert "decoder layers × 0.44" in said
    factors = {"encoder": 0.67 * 2**-0.25, "decoder": 27**-0.25}
    plain_start = dict(runs[1].model.named_parameters())
    for name, weight in runs[0].model.named_parameters():
        if name.endswith("in_proj_weight"):
            for block, before, factor in zip(
                weight.chunk(3), plain_start[name].chunk(3), (1, 1, factors[name[:7]]), strict=True
            ):
                torch.testing.assert_close(block, before * factor)
        elif weight.ndim > 1 and name[:7] in factors:
            torch.testing.assert_close(weight, plain_start[name] * factors[name[:7]])


# ---------------------------------------------------------------- every rule on what people have


def small_conv():
    return nn.Sequential(
        *(
            nn.Conv2d(1, 4, 3),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Conv2d(4, 8, 3, groups=2),
            nn.ReLU(inplace=True),
        ),
        *(nn.ConvTranspose2d(8, 4, 2), nn.Tanh(), nn.Flatten(), nn.Linear(100, 2)),
    )


MODELS = [
    (Reader, WORDS, 2),
    (lambda: Reader(nn.LSTM), WORDS, 2),
    (lambda: Reader(nn.RNN, nonlinearity="relu"), WORDS, 2),
    (small_conv, torch.randn(40, 1, 8, 8, generator=torch.Generator().manual_seed(0)), 2),
    (Encoder, WORDS, 20),
]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("case", range(len(MODELS)))
def test_every_rule_on_every_model_gives_finite_outputs_and_leaves_frozen_and_tied_weights(
    host, case, name
):
    build, inputs, targets = MODELS[case]
    torch.manual_seed(0)
    run = run_of(build(), inputs, targets)
    rule = host.find("initializer", name)
    if rule.unfit(run) is not None:
        assert name in (*BRANCHED, "irnn", "delta_orthogonal", "mimetic")
        return
    chosen = [layer for layer in run.anatomy.layers if layer.kind in ("rnn", "conv", "attention")][
        -1
    ]
    chosen.module.requires_grad_(False)
    kept = {key: value.clone() for key, value in run.model.state_dict().items()}
    if rule.unfit(run) is not None:
        return
    put(host, run, initializer=name)
    held = [
        chosen.name,
        *(layer.name for layer in run.anatomy.layers if layer.kind == "embedding" or layer.tied),
    ]
    for key, value in run.model.state_dict().items():
        assert torch.isfinite(value).all(), key
        if any(key.startswith(f"{part}.") for part in held) or "running" in key:
            assert torch.equal(value, kept[key]), key
    with torch.no_grad():
        assert torch.isfinite(run.model(inputs)).all()
    torch.manual_seed(0)
    again = run_of(build(), inputs, targets)
    again.anatomy.layer(chosen.name).module.requires_grad_(False)
    torch.manual_seed(5)  # another global state, the same draws
    put(host, again, initializer=name)
    assert all(
        torch.equal(value, again.model.state_dict()[key])
        for key, value in run.model.state_dict().items()
        if "running" not in key and "tracked" not in key
    )


@pytest.mark.parametrize("name", [name for name in ALL if name not in ("irnn", "t_fixup", "gpt2")])
def test_gates_biases_and_padding_are_as_every_rule_leaves_them(host, name):
    run = run_of(Reader(nn.LSTM), WORDS)
    if host.find("initializer", name).unfit(run) is not None:
        return
    put(host, run, initializer=name)
    total = run.model.rnn.bias_ih_l1.detach() + run.model.rnn.bias_hh_l1.detach()
    assert total.tolist() == [0.0] * 16 + [1.0] * 16 + [0.0] * 32
    assert not run.model.embed.weight[0].any()


@pytest.mark.parametrize("name", ["orthogonal", "delta_orthogonal", "identity", "lsuv"])
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_rules_of_structure_hold_for_each_gate(host, kind, name):
    class Both(Reader):
        def __init__(self):
            super().__init__(kind)
            self.conv = nn.Conv1d(8, 8, 3, padding=1)

        def forward(self, ids):
            x = torch.tanh(self.conv(self.embed(ids).transpose(1, 2))).transpose(1, 2)
            return self.last(self.rnn(x)[0][:, -1])

    run = run_of(Both(), WORDS)
    put(host, run, initializer=(name, {"noise": 0.0} if name == "identity" else {}))
    for key, parameter in run.model.rnn.named_parameters():
        if key.startswith("weight_hh"):
            for gate in parameter.detach().split(16):
                torch.testing.assert_close(gate @ gate.T, torch.eye(16), atol=1e-5, rtol=0)


# ---------------------------------------------------------------- a known answer


def test_centring_rescues_a_deep_sigmoid_net_on_digits_that_the_default_start_does_not_train(host):
    from sklearn.datasets import load_digits

    x, y = (torch.tensor(part) for part in load_digits(return_X_y=True))
    x = (x.float() - 4.9) / 6.0
    scores = {}
    for name in ("keep", "centred", "layer_normalization"):
        torch.manual_seed(0)
        model = nn.Sequential(
            *(part for i in range(6) for part in (nn.Linear(64, 64), nn.Sigmoid())),
            nn.Linear(64, 10),
        )
        put(host, run_of(model, x[:1200], targets=10), initializer=name)
        optimizer, generator = (
            torch.optim.Adam(model.parameters(), 3e-3),
            torch.Generator().manual_seed(0),
        )
        for _ in range(8):
            for rows in torch.randperm(1200, generator=generator).split(64):
                optimizer.zero_grad()
                F.cross_entropy(model(x[rows]), y[rows]).backward()
                optimizer.step()
        scores[name] = float((model(x[1200:]).argmax(1) == y[1200:]).float().mean())
    assert scores["keep"] < 0.3
    assert scores["centred"] > 0.9
    assert scores["layer_normalization"] == scores["centred"]
