"""The built-in activations: formulas, gains, and where they go, each by exact checks."""

import math

import pytest
import torch
from models.runs import plain, put, run_of
from torch import nn
from torch.nn import functional as F

import advisor
from advisor.model import apply_recipe, diff, recipe, trace
from advisor.slots.activation.channels import channels_at
from advisor.slots.gain import examine, moments
from advisor.training.groups import parameter_groups
from advisor.training.optimizers import adamw
from advisor.training.run import apply

# ---------------------------------------------------------------- the gain table

# f, parameters: E f, E f², gain, E f'², backward gain, χ, slope of the variance's map, centred
# gain, centred χ
TABLE = [
    ("sigmoid", {}, 0.5, 0.2934, 1.846, 0.0448, 4.72, 0.153, 0.11, 4.801, 1.0336),
    ("tanh", {}, 0, 0.3943, 1.5925, 0.4644, 1.467, 1.178, 0.46, 1.5925, 1.178),
    ("softsign", {}, 0, 0.1830, 2.338, 0.2276, 2.096, 1.244, 0.48, 2.338, 1.244),
    ("hardtanh", {}, 0, 0.5161, 1.392, 0.6826, 1.210, 1.323, 0.39, 1.392, 1.323),
    ("scaled_tanh", {}, 0, 0.7504, 1.154, 0.8039, 1.115, 1.071, None, 1.154, 1.071),
    ("relu", {}, 0.3989, 0.5, 1.4142, 0.5, 1.4142, 1, 1, 1.713, 1.467),
    (
        "leaky_relu",
        {"negative_slope": 0.01},
        0.395,
        0.50005,
        1.4141,
        0.50005,
        1.4141,
        1,
        1,
        1.705,
        1.453,
    ),
    (
        "leaky_relu",
        {"negative_slope": 0.1},
        0.359,
        0.505,
        1.4072,
        0.505,
        1.4072,
        1,
        1,
        1.631,
        1.343,
    ),
    (
        "leaky_relu",
        {"negative_slope": 0.2},
        0.319,
        0.520,
        1.3868,
        0.520,
        1.3868,
        1,
        1,
        1.547,
        1.244,
    ),
    ("prelu", {"init": 0.25}, 0.299, 0.5312, 1.3720, 0.5312, 1.3720, 1, 1, 1.505, 1.203),
    ("rrelu", {}, 0.3075, 0.5263, 1.3785, 0.5263, 1.3785, 1, 1, 1.522, 1.219),
    ("elu", {"alpha": 1.0}, 0.1605, 0.6449, 1.2452, 0.6680, 1.2235, 1.036, 0.89, 1.271, 1.079),
    ("elu", {"alpha": 0.5}, 0.28, 0.5362, 1.366, 0.542, 1.358, 1.011, None, 1.478, 1.183),
    ("elu", {"alpha": 2.0}, -0.08, 1.080, 0.962, 1.172, 0.924, 1.086, None, 0.965, 1.092),
    ("celu", {"alpha": 2.0}, 0.098, 0.7494, 1.155, 0.7615, 1.146, 1.016, 0.899, 1.163, 1.030),
    ("selu", {}, 0, 1, 1, 1.0715, 0.966, 1.0715, 0.78, 1, 1.0715),
    (
        "gelu",
        {"approximate": "none"},
        0.2821,
        0.4252,
        1.5335,
        0.4558,
        1.481,
        1.072,
        1.14,
        1.701,
        1.319,
    ),
    ("silu", {}, 0.2066, 0.3558, 1.6765, 0.3795, 1.623, 1.067, 1.17, 1.787, 1.212),
    ("swish", {}, 0.2066, 0.3558, 1.6765, 0.3795, 1.623, 1.067, 1.17, 1.787, 1.212),
    ("mish", {}, 0.2404, 0.4523, 1.4868, 0.4790, 1.445, 1.059, 1.08, 1.592, 1.214),
    ("softplus", {"beta": 1.0}, 0.8061, 0.9212, 1.042, 0.2934, 1.846, 0.318, 0.49, 1.919, 1.081),
    ("hardswish", {}, 0.1662, 0.3316, 1.737, 0.3585, 1.670, 1.081, 1.22, 1.814, 1.180),
    ("squared_relu", {}, 0.5, 1.5, 0.8165, 2.0, 0.7071, 1.333, 2.0, 0.894, 1.6),
]
OTHERS = [  # what no technique is: f, E f², E f'², χ
    (nn.Identity(), 1, 1, 1),
    (torch.sin, 0.4323, 0.5676, 1.313),
    (lambda z: F.softplus(z) - math.log(2), 0.2843, 0.2934, 1.032),
    *(
        (lambda z, b=b: z * torch.sigmoid(b * z), *row)
        for b, *row in ((0.5, 0.289, 0.300, 1.039), (1.5, 0.407, 0.434, 1.068))
    ),
    *(
        (lambda z, b=b: z * torch.sigmoid(b * z), *row)
        for b, *row in ((2, 0.440, 0.466, 1.061), (5, 0.492, 0.507, 1.032))
    ),
]


def made(host, name, params):
    return host.find("activation", name).factory(**params)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row[0])
def test_the_gain_table_agrees_with_quadrature(host, row):
    name, params, *expected = row
    found = moments(made(host, name, params))
    got = (
        *(
            found.mean,
            found.square,
            found.forward,
            found.slope_square,
            found.backward,
            found.growth,
        ),
        *(found.stability, found.centred, found.centred_growth),
    )
    for value, known in zip(got, expected, strict=True):
        rounding = (
            0.006 if str(known)[-3:-2] == "." else 1e-3
        )  # two decimals are as many as the table has
        assert known is None or value == pytest.approx(known, abs=rounding), (name, got)


@pytest.mark.parametrize(("function", "square", "slope_square", "growth"), OTHERS)
def test_the_gain_of_any_function_is_computed(function, square, slope_square, growth):
    found = moments(function)
    assert (found.square, found.slope_square, found.growth) == pytest.approx(
        (square, slope_square, growth), abs=1e-3
    )


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row[0])
def test_a_signal_keeps_its_size_where_theory_says_so(host, row):
    name, params, *_ = row
    function = made(host, name, params)
    found = moments(function)
    function = function.eval() if isinstance(function, nn.Module) else function
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        signal = torch.randn(256, 1024, generator=generator)
        for _ in range(10 if found.stability < 1.001 else 3):
            signal = (
                found.forward / 32 * function(signal) @ torch.randn(1024, 1024, generator=generator)
            )
            assert float(signal.pow(2).mean().sqrt()) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    "name", ["relu", "leaky_relu", "prelu", "elu", "celu", "selu", "scaled_tanh", "mish", "gelu"]
)
def test_the_initializer_gives_layers_the_gain_of_the_activation_that_was_put_there(host, name):
    run = run_of(plain(1024, 2, nn.Sigmoid), torch.randn(8, 1024))
    put(host, run, activation=name, initializer="he")
    gain = moments(made(host, name, host.find("activation", name).defaults())).forward
    assert float(run.model[2].weight.detach().std()) * 32 == pytest.approx(gain, rel=0.01)


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (lambda: lambda z: z.softmax(-1), "not elementwise"),
        (lambda: lambda z: z - z.mean(), "not elementwise"),
        (lambda: lambda z: z.relu() * torch.rand_like(z), "not elementwise"),
        (nn.GLU, "not elementwise"),
        (lambda: torch.log, "not finite"),
        (lambda: lambda z: 0 * z, "flat"),
        (lambda: lambda z: z @ z.T @ "x", "fails"),
        (lambda: torch.tanh(3), "its factory raised TypeError"),
        (lambda: 3, "must return a function"),
    ],
)
def test_what_has_no_gain_is_refused_with_a_sentence(function, why):
    run = run_of(plain(8, 2), torch.randn(8, 8))
    assert why in advisor.Activation("strange", function).unfit(run)


def test_slopes_per_channel_count_by_their_mean():
    slopes = nn.PReLU(4)
    slopes.weight.data = torch.tensor([0.1, 0.2, 0.3, 0.4])
    assert examine(slopes).forward == pytest.approx(moments(nn.PReLU(init=0.25)).forward, abs=1e-6)
    assert slopes.weight.shape == (4,)


# ---------------------------------------------------------------- formulas

Z = torch.linspace(-6, 6, 97, dtype=torch.float64)
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
FORMULAS = {
    "sigmoid": ({}, 1 / (1 + (-Z).exp())),
    "tanh": ({}, (Z.exp() - (-Z).exp()) / (Z.exp() + (-Z).exp())),
    "scaled_tanh": ({}, 1.7159 * torch.tanh(2 * Z / 3)),
    "softsign": ({}, Z / (1 + Z.abs())),
    "hardtanh": ({}, Z.clamp(-1, 1)),
    "relu": ({}, Z.clamp(min=0)),
    "relu6": ({}, (3 * Z).clamp(0, 6)),
    "leaky_relu": ({"negative_slope": 0.2}, torch.where(Z > 0, Z, 0.2 * Z)),
    "rrelu": ({}, torch.where(Z > 0, Z, 11 / 48 * Z)),
    "prelu": ({"init": 0.3}, torch.where(Z > 0, Z, 0.3 * Z)),
    "elu": ({"alpha": 1.5}, torch.where(Z > 0, Z, 1.5 * Z.expm1())),
    "selu": ({}, SELU_SCALE * torch.where(Z > 0, Z, SELU_ALPHA * Z.expm1())),
    "celu": ({"alpha": 2.0}, Z.clamp(min=0) + (2 * (Z / 2).expm1()).clamp(max=0)),
    "gelu": ({"approximate": "none"}, Z * 0.5 * (1 + torch.erf(Z / 2**0.5))),
    "silu": ({}, Z / (1 + (-Z).exp())),
    "swish": ({}, Z / (1 + (-Z).exp())),
    "mish": ({}, Z * torch.tanh(torch.log1p(Z.exp()))),
    "softplus": ({"beta": 2.0}, torch.log1p((2 * Z).exp()) / 2),
    "hardswish": ({}, Z * (Z + 3).clamp(0, 6) / 6),
    "squared_relu": ({}, Z.clamp(min=0) ** 2),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_an_activation_computes_its_formula(host, name):
    params, expected = FORMULAS[name]
    function = made(host, name, params)
    function = function.double().eval() if isinstance(function, nn.Module) else function
    got = function(3 * Z if name == "relu6" else Z.clone())
    torch.testing.assert_close(got.detach(), expected, rtol=1e-6, atol=1e-7)


def test_the_approximation_of_gelu_is_the_one_by_tanh(host):
    got = made(host, "gelu", {"approximate": "tanh"})(Z)
    cubic = (2 / math.pi) ** 0.5 * (Z + 0.044715 * Z**3)
    torch.testing.assert_close(got, 0.5 * Z * (1 + torch.tanh(cubic)))


def test_a_trained_swish_of_another_beta_is_z_times_a_steeper_sigmoid(host):
    swish = made(host, "swish", {}).double()
    nn.init.constant_(swish.beta, 5.0)
    torch.testing.assert_close(swish(Z).detach(), Z * torch.sigmoid(5 * Z))


def test_every_activation_has_a_formula_here_and_a_whole_docstring(host):
    own = {name: found for name, found in host.techniques["activation"].items() if name != "keep"}
    by_depth = {"trelu", "tat", "dks"}  # in test_tailored.py
    by_channel = {"prelu_channel", "parametric"}  # the latter in test_realmlp.py
    assert own.keys() == FORMULAS.keys() | by_channel | by_depth
    for found in own.values():
        for part in ("f(z) = ", "Arguments:", "Reference: "):
            assert part in found.__doc__, (found, part)
        assert found.cite
        assert all(f"    {name}: " in found.__doc__ for name in found.space)


def test_an_activation_may_say_more_about_itself_and_refuse_a_run():
    run = run_of(plain(8, 2), torch.randn(8, 8))
    picky = advisor.Activation(
        "picky",
        nn.Softshrink,
        "Someone 2000",
        {"lambd": advisor.Float(0.1, 1.0, default=0.5)},
        about="Shrinks.\n\nf(z) = z - λ sign z",
        unfit=lambda run: f"{run.data.facts.rows} rows are too few",
    )
    assert picky.unfit(run) == "8 rows are too few"
    assert picky.__doc__ == (
        "Shrinks.\n\nf(z) = z - λ sign z\n\nArguments:\n"
        "    lambd: 0.1 to 1, first 0.5.\n\nReference: Someone 2000."
    )
    assert advisor.Activation("plain", nn.Softshrink).unfit(run) is None


def test_eight_activations_are_tried_by_every_search_and_all_others_if_named(host):
    standard = [name for name, found in host.techniques["activation"].items() if found.standard]
    assert sorted(standard) == sorted(
        ["keep", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "tanh"]
    )


# ---------------------------------------------------------------- where they go


class Conv(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3)
        self.drop = nn.Dropout(0.1)
        self.gate, self.hidden, self.last = nn.Linear(216, 5), nn.Linear(216, 5), nn.Linear(5, 2)
        self.act = nn.Sigmoid()

    def forward(self, x):
        x = self.drop(F.relu(self.conv(x))).flatten(1)
        return torch.sigmoid(self.last(self.act(self.hidden(x)) * torch.sigmoid(self.gate(x))))


class Attend(nn.Module):
    def __init__(self):
        super().__init__()
        self.block, self.last = (
            nn.TransformerEncoderLayer(8, 2, 16, batch_first=True),
            nn.Linear(8, 2),
        )

    def forward(self, x):
        return self.last(self.block(x).mean(1))


MODELS = {
    "mlp": (lambda: plain(8, 2, nn.Softshrink), torch.randn(16, 8), 2),
    "cnn": (Conv, torch.randn(16, 3, 8, 8), 1),
    "transformer": (Attend, torch.randn(16, 5, 8), 1),
}
OWN = {"prelu": "weight", "prelu_channel": "weight", "swish": "beta"}
HAS_IT = {("cnn", "relu"), ("transformer", "relu")}
NAMES = [*FORMULAS, "prelu_channel"]


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("name", NAMES)
def test_every_activation_goes_to_every_hidden_site_and_to_no_other(host, kind, name):
    build, inputs, sites = MODELS[kind]
    run = run_of(build(), inputs)
    technique, keys = host.find("activation", name), list(run.model.state_dict())
    others = [(site.id, site.kind) for site in run.anatomy.sites if site.label != "hidden"]
    why = technique.unfit(run)
    if (kind, name) in {*HAS_IT, ("transformer", "selu")}:
        assert why
        return
    assert why is None
    said = put(host, run, activation=name)["activation"]
    assert f"swapped {sites} site" in said
    now = {(site.id, site.kind) for site in run.anatomy.sites}
    assert now >= set(others)
    added = [key for key in run.model.state_dict() if key not in keys]
    assert [key for key in run.model.state_dict() if key in keys] == keys
    assert len(added) == (sites if name in OWN else 0)
    assert all(key.endswith(OWN[name]) for key in added)
    run.model(inputs).sum().backward()


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("name", OWN)
def test_what_an_activation_learns_gets_gradients_and_no_decay_and_is_each_sites_own(
    host, kind, name
):
    build, inputs, sites = MODELS[kind]
    run = run_of(build(), inputs)
    put(host, run, activation=name)
    learnt = run.undecayed
    assert len({id(p) for p in learnt}) == len({p.data_ptr() for p in learnt}) == sites
    decayed, free = parameter_groups(run)
    assert {id(p) for p in learnt} <= {id(p) for p in free["params"]}
    assert not {id(p) for p in learnt} & {id(p) for p in decayed["params"]}
    before = [p.detach().clone() for p in learnt]
    optimizer = adamw([decayed, free], 0.1, 0.0)
    F.cross_entropy(run.model(inputs), torch.arange(len(inputs)) % 2).backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in learnt)
    optimizer.step()
    assert all(not torch.equal(p.detach(), old) for p, old in zip(learnt, before, strict=True))


def test_a_module_that_a_factory_gives_twice_is_copied_and_every_copy_is_free_of_decay():
    run, one = run_of(plain(8, 2), torch.randn(8, 8)), nn.PReLU()
    apply(run, [(advisor.Activation("one", lambda: one), {})])
    slopes = {id(p) for p in run.model.parameters() if p.numel() == 1}
    assert len(slopes) == 2
    assert slopes == {id(p) for p in run.undecayed}


@pytest.mark.parametrize(("kind", "counts"), [("mlp", [8, 8]), ("cnn", [6]), ("transformer", [16])])
def test_a_slope_per_channel_lies_where_the_channels_lie(host, kind, counts):
    build, inputs, _ = MODELS[kind]
    run = run_of(build(), inputs)
    put(host, run, activation=("prelu_channel", {"init": 0.5}))
    assert [p.numel() for p in run.undecayed] == counts
    assert all(bool((p == 0.5).all()) for p in run.undecayed)


def test_a_slope_per_channel_is_refused_where_channels_are_not_known(host):
    class Turned(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Linear(4, 6), nn.Linear(5, 2)

        def forward(self, x):
            return self.last(F.relu(self.first(x).transpose(1, 2))).mean(1)

    run = run_of(Turned(), torch.randn(8, 5, 4))
    assert "channels at forward" in host.find("activation", "prelu_channel").unfit(run)
    assert host.find("activation", "prelu").unfit(run) is None
    assert isinstance(next(iter(channels_at(run, run.anatomy.hidden).values())), str)


ALREADY = [
    ("gelu", lambda: nn.GELU("tanh"), True),
    ("leaky_relu", nn.LeakyReLU, False),
    ("relu", nn.ReLU6, False),
    ("silu", lambda: nn.SiLU(inplace=True), True),
    ("swish", nn.SiLU, False),
    ("prelu", nn.PReLU, True),
    ("rrelu", nn.RReLU, True),
    ("mish", nn.SiLU, False),
]


@pytest.mark.parametrize(("name", "act", "already"), ALREADY)
def test_what_a_model_has_already_is_told_by_its_values(host, name, act, already):
    why = host.find("activation", name).unfit(run_of(plain(8, 2, act), torch.randn(8, 8)))
    assert why == ("the model has it already" if already else None)


# ---------------------------------------------------------------- the self-normalizing package


class Deep(nn.Module):
    """Layers to start anew, one that is frozen, one tied to a table, and two dropouts, one of them
    used twice.
    """

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(300, 200)
        self.frozen, self.hidden, self.more = (
            nn.Linear(200, 200),
            nn.Linear(200, 300),
            nn.Linear(300, 200),
        )
        self.frozen.requires_grad_(False)
        self.out = nn.Linear(200, 300, bias=False)
        self.out.weight = self.embed.weight
        self.drop, self.maps = nn.Dropout(0.2), nn.Dropout1d(0.3)
        self.again = [self.drop]

    def forward(self, ids):
        x = torch.relu(self.frozen(self.embed(ids).mean(1)))
        x = self.maps(self.drop(torch.relu(self.hidden(x)))[:, None])[:, 0]
        return self.out(self.again[0](torch.relu(self.more(x))))


def test_selu_comes_with_its_start_and_its_dropout(host):
    run = run_of(Deep(), torch.randint(300, (40, 6)), targets=300)
    frozen, table = run.model.frozen.weight.clone(), run.model.embed.weight.clone()
    said = put(host, run, activation="selu")["activation"]
    model = run.model
    assert [site.kind for site in run.anatomy.hidden] == ["selu"] * 3
    for layer in (model.hidden, model.more):
        assert float(layer.weight.detach().std()) == pytest.approx(
            1 / layer.in_features**0.5, rel=0.02
        )
        assert bool((layer.bias == 0).all())
    assert (type(model.drop), model.drop.p) == (nn.AlphaDropout, 0.2)
    assert (type(model.maps), model.maps.p) == (nn.FeatureAlphaDropout, 0.3)
    assert model.again[0] is model.drop
    assert torch.equal(model.frozen.weight, frozen)
    assert model.out.weight is model.embed.weight
    assert torch.equal(model.embed.weight, table)
    for words in (
        "swapped 3 sites",
        "initialized 2 layers",
        "frozen (frozen)",
        "tied to embed",
        "alpha dropout at drop, maps",
    ):
        assert words in said


def test_the_output_of_a_selu_net_starts_with_gain_one_and_its_signal_keeps_mean_and_variance(host):
    run = run_of(plain(512, 8), torch.randn(64, 512))
    put(host, run, activation="selu")
    assert float(run.model[-1].weight.detach().std()) == pytest.approx(512**-0.5, rel=0.05)
    with torch.no_grad():
        signal = run.model[:-1](torch.randn(512, 512))
    assert float(signal.mean()) == pytest.approx(0, abs=0.05)
    assert float(signal.std()) == pytest.approx(1, abs=0.1)


def test_the_diff_and_the_recipe_of_selu_hold_its_dropout_too(host):
    run = run_of(Conv(), torch.randn(16, 3, 8, 8))
    put(host, run, activation="selu")
    (change,) = run.swaps
    text = diff(change)
    assert "not in this diff" not in text
    assert "+        x = self.drop(nn.SELU()(self.conv(x))).flatten(1)" in text
    assert "+        self.drop = nn.AlphaDropout(p=0.1)" in text
    fresh = Conv()
    apply_recipe(fresh, recipe(change))
    assert (type(fresh.drop), fresh.drop.p) == (nn.AlphaDropout, 0.1)
    assert [site.kind for site in trace(fresh, (torch.randn(4, 3, 8, 8),)).hidden] == ["selu"]
    change.undo()
    assert (type(run.model.drop), type(run.model)) == (nn.Dropout, Conv)


def test_dropout_stays_in_its_mode(host):
    run = run_of(Conv(), torch.randn(16, 3, 8, 8))
    run.model.drop.eval()
    put(host, run, activation="selu")
    assert isinstance(run.model.drop, nn.AlphaDropout)
    assert not run.model.drop.training


class Called(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(4, 6), nn.Linear(6, 2)

    def forward(self, x):
        return self.last(F.dropout(F.relu(self.first(x)), 0.1, self.training))


NORMS = [
    nn.BatchNorm1d(8),
    nn.LayerNorm(8),
    nn.LayerNorm(8, elementwise_affine=False),
    nn.GroupNorm(2, 8),
]


class WeightedSum(nn.Module):
    """A head that is no layer: a product with parameters, and a sum."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(8, 2))

    def forward(self, x):
        return (x.unsqueeze(-1) * self.scale).sum(1)


def test_selu_is_not_offered_where_its_package_cannot_be(host):
    selu = host.find("activation", "selu")
    for norm in NORMS:
        run = run_of(
            nn.Sequential(nn.Linear(8, 8), norm, nn.ReLU(), nn.Linear(8, 2)), torch.randn(16, 8)
        )
        assert "normalizes" in selu.unfit(run), norm
    assert "dropout as a function" in selu.unfit(run_of(Called(), torch.randn(16, 4)))
    assert selu.unfit(run_of(Called().eval(), torch.randn(16, 4))) is not None
    frozen = plain(8, 2).requires_grad_(False)
    assert "no hidden activation" in selu.unfit(run_of(frozen, torch.randn(16, 8)))
    trunk = nn.Sequential(nn.Linear(8, 8), nn.ReLU()).requires_grad_(False)
    headed = nn.Sequential(trunk, WeightedSum())
    assert "no layer" in selu.unfit(run_of(headed, torch.randn(16, 8)))
    assert selu.unfit(run_of(plain(8, 2), torch.randn(16, 8))) is None


@pytest.mark.parametrize("rule", ["xavier", "lsuv"])
def test_the_start_of_the_package_wins_over_an_initializer_in_the_same_arm(host, rule):
    states = []
    for choices in ({}, {"initializer": rule}):
        run = run_of(plain(32, 3), torch.randn(64, 32, generator=torch.Generator().manual_seed(0)))
        said = put(host, run, activation="selu", **choices)
        states.append(run.model.state_dict())
    assert said["initializer"] == "not applied: activation selu brings its own"
    assert all(
        torch.equal(one, two)
        for one, two in zip(states[0].values(), states[1].values(), strict=True)
    )


def test_a_technique_that_goes_on_after_a_swap_is_traced_again():
    class Longer(advisor.Technique):
        slot, name, cite = "longer", "longer", "a test"

        def apply(self, run):
            advisor.Activation("tanh", nn.Tanh).apply(run)
            run.model.append(nn.Linear(2, 2))
            return "longer by a layer"

    swapped, longer = (run_of(plain(8, 2), torch.randn(20, 8)) for _ in range(2))
    apply(swapped, [(advisor.Activation("tanh", nn.Tanh), {})])
    apply(longer, [(Longer(), {})])
    assert [layer.name for layer in swapped.anatomy.layers] == ["0", "2", "4"]
    assert [layer.name for layer in longer.anatomy.layers] == ["0", "2", "4", "5"]
