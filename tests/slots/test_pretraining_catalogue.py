"""The methods of greedy layer-wise pretraining, each by exact checks."""

import itertools

import pytest
import torch
from advisor_plugins.pretraining.autoencoder import error_of
from advisor_plugins.pretraining.contractive import squared_jacobian
from advisor_plugins.pretraining.denoising import NOISES
from advisor_plugins.pretraining.energy import HIDDEN, VISIBLE, Machine, log_odds, noisy, stepped
from advisor_plugins.pretraining.rbm import View, machine_of
from advisor_plugins.pretraining.sparse import by_unit, vectors
from models.runs import plain, put, run_of
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

from advisor.slots.pretraining.base import capture, segments

FEED_FORWARD = (
    "rbm",
    "denoising",
    "autoencoder",
    "sparse_autoencoder",
    "contractive",
    "supervised",
)


def digits(rows=600, unit=False):
    x, y = (torch.tensor(column) for column in load_digits(return_X_y=True))
    x = x.float()
    return (x / 16 if unit else (x - x.mean()) / x.std())[:rows], y[:rows]


def net(width=32, depth=3, act=nn.Sigmoid, outputs=10):
    torch.manual_seed(0)
    hidden = [layer for _ in range(depth - 1) for layer in (nn.Linear(width, width), act())]
    return nn.Sequential(nn.Linear(64, width), act(), *hidden, nn.Linear(width, outputs))


def first(run, kinds=("linear",)):
    """The first segment of a run, and its inputs."""
    segment = segments(run, kinds)[0][0]
    return segment, capture(run, segment)


def noted(host, monkeypatch, name):
    """Records the losses of each layer that a technique trains."""
    technique, found = host.find("pretraining", name), []
    learn = technique.learn

    def watched(segment, *args, **params):
        found.append(learn(segment, *args, **params))
        return found[-1]

    monkeypatch.setattr(technique, "learn", watched)
    return found


# ---------------------------------------------------------------- what all promise


@pytest.mark.parametrize("act", [nn.Sigmoid, nn.ReLU])
@pytest.mark.parametrize("name", FEED_FORWARD)
def test_each_method_lowers_its_own_loss_on_digits_in_every_layer(host, monkeypatch, name, act):
    x, y = digits(400)
    run, losses = run_of(net(act=act), x, targets=10), noted(host, monkeypatch, name)
    run.data.train.target = y
    said = put(host, run, pretraining=(name, {"epochs": 6}))["pretraining"]
    assert said.startswith("pretrained 3 layers")
    assert len(losses) == 3
    assert all(after < 0.995 * before for before, after, *_ in losses)
    assert all(
        p.requires_grad and p.grad is None and p.isfinite().all() for p in run.model.parameters()
    )


@pytest.mark.parametrize("name", FEED_FORWARD)
def test_a_seed_gives_the_same_weights_and_another_seed_others(host, name):
    def weights(seed):
        run = run_of(net(16, 1), digits(100)[0], targets=10, seed=seed)
        put(host, run, pretraining=(name, {"epochs": 5}))
        return torch.cat([p.detach().flatten() for p in run.model.parameters()])

    assert torch.equal(weights(3), weights(3))
    assert not torch.equal(weights(3), weights(4))


@pytest.mark.parametrize("freeze", [0, 1, 2])
def test_exactly_the_first_layers_stay_frozen(host, freeze):
    run = run_of(net(16, 3), digits(200)[0], targets=10)
    said = put(host, run, pretraining=("denoising", {"epochs": 5, "freeze": freeze}))["pretraining"]
    learns = [layer.weight.requires_grad for layer in run.model if isinstance(layer, nn.Linear)]
    assert learns == [i >= freeze for i in range(4)]
    assert [
        layer.bias.requires_grad for layer in run.model if isinstance(layer, nn.Linear)
    ] == learns
    assert ("frozen" in said) == (freeze > 0)


@pytest.mark.parametrize("name", FEED_FORWARD)
def test_targets_are_used_by_the_supervised_method_only_and_unlabeled_rows_by_the_others(
    host, name
):
    x = digits(150)[0]

    def weight(flip=False, unlabeled=None):
        run = run_of(net(16, 1), x, targets=10, unlabeled=unlabeled)
        run.data.train.target = (x[:, 43 if flip else 20] > 0).long()
        put(host, run, pretraining=(name, {"epochs": 5}))
        return run.model[0].weight.detach().clone()

    used = not torch.equal(weight(), weight(flip=True))
    assert used == (name == "supervised")
    more = not torch.equal(
        weight(), weight(unlabeled=torch.randn(50, 64, generator=torch.Generator().manual_seed(1)))
    )
    assert more == (name != "supervised")


def test_what_is_kept_belongs_to_one_activation_and_to_any_freezing(host, tmp_path):
    def pretrained(act, freeze=0):
        run = run_of(net(16, 2, act), digits(100)[0], targets=10)
        run.cache = tmp_path
        return put(
            host, run, pretraining=("denoising", {"epochs": 5, "freeze": freeze})
        ), run.model[0].weight.detach().clone()

    (_, relu), (_, elu), (said, frozen) = (
        pretrained(nn.ReLU),
        pretrained(nn.ELU),
        pretrained(nn.ReLU, 1),
    )
    assert not torch.equal(relu, elu)
    assert torch.equal(relu, frozen)
    assert "kept 0 frozen" in said["pretraining"]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_layer_stops_when_its_held_loss_has_not_fallen_for_three_epochs_and_keeps_its_best(host):
    technique, value, losses = (
        host.find("pretraining", "denoising"),
        torch.zeros(()),
        iter([5, 4, 3, 3.5, 3.2, 3.1, 0]),
    )

    def epoch(_):
        value.add_(1)

    assert technique.keep_best([value], epoch, lambda: next(losses), 30) == (5, 3)
    assert float(value) == 2
    assert next(losses) == 0


def test_held_rows_are_a_tenth_and_none_of_those_trained_on(host):
    rows = torch.arange(200.0)
    (train,), (held,) = host.find("pretraining", "denoising").held_out([rows])
    assert len(held) == 20
    assert sorted([*train.tolist(), *held.tolist()]) == rows.tolist()


# ---------------------------------------------------------------- autoencoders


@pytest.mark.parametrize(
    ("noise", "expected"), [("masking", 0.3), ("gaussian", 1.0), ("salt_and_pepper", 0.3)]
)
def test_noise_changes_the_share_of_places_that_it_says(noise, expected):
    values = torch.rand(400, 50, generator=torch.Generator().manual_seed(0)) + 1
    noisy_values = NOISES[noise](values, 0.3, torch.Generator().manual_seed(1))
    changed = noisy_values != values
    assert float(changed.float().mean()) == pytest.approx(expected, abs=0.01)
    if noise == "masking":
        assert not noisy_values[changed].any()
    if noise == "gaussian":
        assert float((noisy_values - values).std() / values.std()) == pytest.approx(0.3, rel=0.03)
    if noise == "salt_and_pepper":
        assert set(noisy_values[changed].tolist()) == {float(values.min()), float(values.max())}
        assert float((noisy_values[changed] == values.max()).float().mean()) == pytest.approx(
            0.5, abs=0.03
        )


@pytest.mark.parametrize(
    ("act", "unit", "error"),
    [
        (nn.Sigmoid, True, F.binary_cross_entropy_with_logits),
        (nn.Sigmoid, False, F.mse_loss),
        (nn.Tanh, True, F.binary_cross_entropy_with_logits),
        (nn.ReLU, True, F.mse_loss),
    ],
)
def test_cross_entropy_is_for_saturating_layers_on_the_unit_interval(act, unit, error):
    assert error_of(*first(run_of(net(16, 1, act), digits(100, unit)[0], targets=10))) is error


@pytest.mark.parametrize("act", [nn.Sigmoid, nn.Tanh, nn.ReLU, nn.GELU, nn.Identity])
def test_the_contractive_penalty_is_the_squared_norm_of_the_jacobian(act):
    run = run_of(nn.Sequential(nn.Linear(6, 5), act(), nn.Linear(5, 2)), torch.randn(12, 6))
    segment, inputs = first(run)
    wanted = [
        torch.autograd.functional.jacobian(segment.encode, row).square().sum() for row in inputs
    ]
    assert torch.allclose(squared_jacobian(segment, inputs), torch.stack(wanted), rtol=1e-5)
    with torch.no_grad():
        assert torch.allclose(squared_jacobian(segment, inputs), torch.stack(wanted), rtol=1e-5)


def test_the_gradient_of_the_contractive_penalty_is_that_of_the_jacobian():
    run = run_of(nn.Sequential(nn.Linear(6, 5), nn.Sigmoid(), nn.Linear(5, 2)), torch.randn(12, 6))
    segment, inputs = first(run)
    closed = torch.autograd.grad(squared_jacobian(segment, inputs).mean(), segment.parameters)
    jacobians = [
        torch.autograd.functional.jacobian(segment.encode, row, create_graph=True) for row in inputs
    ]
    exact = torch.autograd.grad(
        torch.stack(jacobians).square().sum() / len(inputs), segment.parameters
    )
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(closed, exact, strict=True))


@pytest.mark.parametrize("act", [nn.Sigmoid, nn.Tanh])
def test_the_wanted_activity_is_reached(host, act):
    run = run_of(net(64, 1, act), digits()[0], targets=10)
    segment, inputs = first(run)
    low, high = segment.bounds

    @torch.no_grad()
    def activity():
        return ((segment.encode(inputs) - low) / (high - low)).mean(0)

    assert float(activity().mean()) > 0.4
    params = {"epochs": 30, "lr": 1e-2, "weight": 3.0, "target": 0.1}
    put(host, run, pretraining=("sparse_autoencoder", params))
    assert float(activity().mean()) == pytest.approx(0.1, abs=0.02)
    assert float((activity() - 0.1).abs().max()) < 0.06


def test_l1_makes_codes_sparser_and_cannot_be_cheated_by_a_larger_decoder(host):
    def off(name, **params):
        run = run_of(net(64, 1, nn.ReLU), digits()[0], targets=10)
        put(host, run, pretraining=(name, {"epochs": 15, "lr": 1e-2, **params}))
        segment, inputs = first(run)
        return float((segment.encode(inputs) == 0).float().mean())

    assert off("sparse_autoencoder", form="l1", weight=1.0) > off("autoencoder") + 0.1
    decoder = nn.Linear(5, 7)
    assert torch.allclose(vectors(decoder, 5), decoder.weight.norm(dim=0))
    assert by_unit(first(run_of(plain(4, 1), torch.randn(20, 4)))[0], torch.ones(3, 4)).shape == (
        3,
        4,
    )


def test_convolutions_have_sparse_codes_by_channel(host):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Sigmoid(), nn.Flatten(), nn.Linear(144, 10))
    run = run_of(model, digits(100, unit=True)[0].reshape(-1, 1, 8, 8), targets=10)
    assert put(host, run, pretraining=("sparse_autoencoder", {"epochs": 5}))[
        "pretraining"
    ].startswith("pretrained 1 layer")
    assert (
        host.find("pretraining", "contractive").unfit(run)
        == "no linear hidden layer can be pretrained (3: output layer)"
    )


# ---------------------------------------------------------------- the machine


def machine(visible, hidden, seed=0):
    make = torch.Generator().manual_seed(seed)
    weight, a, b = (
        torch.randn(size, generator=make, dtype=torch.float64) for size in ((3, 4), 4, 3)
    )
    return Machine(0.8 * weight, 0.5 * a, 0.5 * b, VISIBLE[visible], HIDDEN[hidden])


def binary(units):
    return torch.tensor(list(itertools.product([0.0, 1.0], repeat=units)), dtype=torch.float64)


@pytest.mark.parametrize("visible", ["Bernoulli", "Gaussian"])
def test_free_energy_is_minus_the_log_of_the_sum_over_hidden_states(visible):
    m, rows = (
        machine(visible, "Bernoulli"),
        torch.rand(10, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1)),
    )
    own = (
        -rows @ m.visible_bias
        if visible == "Bernoulli"
        else 0.5 * (rows - m.visible_bias).square().sum(1)
    )
    energy = own[:, None] - (rows @ m.weight.T + m.hidden_bias) @ binary(3).T
    assert torch.allclose(m.free_energy(rows), -torch.logsumexp(-energy, 1))


def test_a_rectified_unit_frees_what_its_many_binary_copies_do():
    z = torch.linspace(-8, 20, 56, dtype=torch.float64)
    copies = sum(F.softplus(z - i + 0.5) for i in range(1, 400))
    assert float((stepped(z) - copies).abs().max()) < 0.05
    z.requires_grad_()
    (slope,) = torch.autograd.grad(stepped(z).sum(), z)
    assert torch.allclose(slope, F.softplus(z), atol=0.02)  # its mean activity


def test_a_rectified_unit_is_drawn_around_the_rectifier():
    signal = torch.tensor([-4.0, 0.0, 6.0]).expand(20_000, 3)
    drawn = noisy(signal, torch.Generator().manual_seed(0))
    assert bool((drawn >= 0).all())
    assert float(drawn[:, 2].mean()) == pytest.approx(6, abs=0.03)
    assert float(drawn[:, 2].std()) == pytest.approx(1, abs=0.03)
    assert float((drawn[:, 1] == 0).float().mean()) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("seed", range(3))
def test_contrastive_divergence_points_where_the_exact_gradient_does(seed):
    m, data = (
        machine("Bernoulli", "Bernoulli", seed),
        binary(4)[[0, 3, 3, 7, 12, 12, 15, 15]].repeat(500, 1),
    )
    values = [value.requires_grad_() for value in (m.weight, m.visible_bias, m.hidden_bias)]
    likelihood = -m.free_energy(data).mean() - torch.logsumexp(-m.free_energy(binary(4)), 0)
    exact = torch.cat([g.flatten() for g in torch.autograd.grad(likelihood, values)])
    with torch.no_grad():
        found = m.gradient(data, m.chain(data, 1, torch.Generator().manual_seed(seed)))
        every = m.free_energy(binary(4)).neg().softmax(0)
        sample = binary(4)[
            torch.multinomial(
                every, 40_000, replacement=True, generator=torch.Generator().manual_seed(seed)
            )
        ]
        ideal = torch.cat([g.flatten() for g in m.gradient(data, sample)])
    cd = torch.cat([g.flatten() for g in found])
    assert torch.allclose(ideal, exact, atol=0.015)  # with rows of the model itself
    assert float(F.cosine_similarity(cd, exact, dim=0)) > 0.7
    large = exact.abs() > 0.1
    assert float((cd.sign() == exact.sign())[large].float().mean()) >= 0.9


def test_the_visible_bias_is_the_log_odds_of_the_data():
    rows = torch.tensor([[1.0, 0, 1, 0.5], [1, 0, 0, 0.5], [1, 0, 0, 0.1], [1, 0, 0, 0.1]])
    p = torch.tensor([0.875, 0.125, 0.25, 0.3])  # half a row away from 0 and 1
    assert torch.allclose(log_odds(rows), (p / (1 - p)).log())


@pytest.mark.parametrize(("unit", "kind"), [(True, "Bernoulli"), (False, "Gaussian")])
def test_visible_units_are_chosen_by_the_data_and_the_layer_gets_back_what_the_machine_has(
    unit, kind
):
    run = run_of(net(16, 1), digits(200, unit)[0], targets=10)
    segment, inputs = first(run)
    view = View.of(segment, inputs)
    assert view.kind == kind
    with torch.no_grad():
        m = machine_of(segment, view, view.forth(inputs))
        assert torch.allclose(m.up(view.forth(inputs)), segment.operation(inputs), atol=1e-4)
        m.weight += torch.randn(m.weight.shape) * 0.1
        m.hidden_bias += 0.3
        view.give(segment, m)
        assert torch.allclose(m.up(view.forth(inputs)), segment.operation(inputs), atol=1e-4)


@pytest.mark.parametrize(
    ("act", "why"),
    [
        (nn.Sigmoid, None),
        (nn.ReLU, None),
        (nn.GELU, None),
        (nn.Hardsigmoid, None),
        (nn.Tanh, "neither a sigmoid nor a rectifier follows it"),
        (nn.ELU, "neither a sigmoid nor a rectifier follows it"),
    ],
)
def test_a_machine_needs_units_that_it_knows(host, act, why):
    said = host.find("pretraining", "rbm").unfit(
        run_of(net(16, 2, act), digits(100)[0], targets=10)
    )
    assert (said is None) == (why is None)
    assert why is None or why in said


@pytest.mark.parametrize("params", [{"steps": 3}, {"chain": "pcd"}, {"chain": "pcd", "steps": 2}])
def test_longer_and_persistent_chains_learn_too_and_tell_the_free_energy_gap(host, params):
    run = run_of(net(32, 2), digits(400, unit=True)[0], targets=10)
    said = put(host, run, pretraining=("rbm", {"epochs": 10, **params}))["pretraining"]
    assert said.startswith("pretrained 2 layers; free-energy gap ")


def test_a_layer_without_bias_and_one_whose_weight_lies_the_other_way_are_machines_too(host):
    class Turned(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight, self.bias = (
                nn.Parameter(0.1 * torch.randn(64, 24)),
                nn.Parameter(torch.zeros(24)),
            )

        def forward(self, x):
            return torch.addmm(self.bias, x, self.weight)

    torch.manual_seed(0)
    model = nn.Sequential(
        Turned(), nn.Sigmoid(), nn.Linear(24, 24, bias=False), nn.Sigmoid(), nn.Linear(24, 10)
    )
    run = run_of(model, digits(400)[0], targets=10)
    assert put(host, run, pretraining="rbm")["pretraining"].startswith("pretrained 2 layers")


# ---------------------------------------------------------------- recurrent layers


class Reads(nn.Module):
    """One recurrent layer over another, and a linear layer."""

    def __init__(self, kind, rows_first=True, **options):
        super().__init__()
        self.lower = kind(2, 12, batch_first=rows_first, **options)
        self.upper = kind(24 if options.get("bidirectional") else 12, 12, batch_first=rows_first)
        self.last, self.rows_first = nn.Linear(12, 2), rows_first

    def forward(self, x):
        x = x if self.rows_first else x.transpose(0, 1)
        x = self.upper(self.lower(x)[0])[0]
        return self.last(x[:, -1] if self.rows_first else x[-1])


def waves(rows=128):
    phase = 6.28 * torch.rand(rows, 1, generator=torch.Generator().manual_seed(0))
    steps = torch.arange(6) * 0.7 + phase
    return torch.stack([steps.sin(), steps.cos()], -1)


@pytest.mark.parametrize("rows_first", [True, False])
@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_recurrent_layers_learn_what_comes_next(host, monkeypatch, kind, rows_first):
    torch.manual_seed(0)
    run, losses = run_of(Reads(kind, rows_first), waves()), noted(host, monkeypatch, "next_step")
    last = run.model.last.weight.detach().clone()
    assert (
        put(host, run, pretraining=("next_step", {"lr": 3e-2}))["pretraining"]
        == "pretrained 2 layers"
    )
    assert losses[0][1] < 0.3 * losses[0][0]
    assert torch.equal(run.model.last.weight, last)


def test_recurrent_layers_learn_the_task_too(host):
    run = run_of(Reads(nn.GRU), waves())
    run.data.train.target = (waves()[:, 0, 0] > 0).long()
    said = put(host, run, pretraining=("supervised", {"epochs": 5}))["pretraining"]
    assert said.startswith("pretrained 2 layers; left out last (output layer)")


def test_recurrent_layers_that_cannot_be_cut_out_have_their_reasons(host):
    technique = host.find("pretraining", "next_step")

    class Packed(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell, self.packed, self.last = (
                nn.GRUCell(2, 4),
                nn.GRU(4, 4, batch_first=True),
                nn.Linear(4, 2),
            )

        def forward(self, x):
            x = torch.stack([self.cell(step) for step in x.unbind(1)], 1)
            packed = nn.utils.rnn.pack_padded_sequence(
                x, torch.full((len(x),), x.shape[1]), batch_first=True
            )
            return self.last(self.packed(packed)[1][-1])

    assert dict(technique.skips(run_of(Packed(), waves()))) == {
        "cell": "a cell: its steps are the model's own",
        "packed": "its input is packed",
    }
    both = run_of(Reads(nn.GRU, bidirectional=True), waves())
    assert technique.skips(both) == [
        ("lower", "it reads from both sides: it has seen the next step")
    ]
    assert technique.unfit(both) is None
    assert "no recurrent hidden layer" in technique.unfit(run_of(plain(4, 1), torch.randn(20, 4)))


# ---------------------------------------------------------------- what it is for


def accuracy(model, x, y, rows=1200):
    torch.manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    for _ in range(10):
        for index in torch.randperm(rows).split(32):
            optimizer.zero_grad()
            F.cross_entropy(model(x[index]), y[index]).backward()
            optimizer.step()
    return float((model(x[rows:]).argmax(1) == y[rows:]).float().mean())


@pytest.mark.parametrize(
    ("name", "low", "high"), [(None, 0.0, 0.4), ("rbm", 0.9, 1.0), ("denoising", 0.9, 1.0)]
)
def test_six_sigmoid_layers_learn_digits_after_pretraining_and_not_before(host, name, low, high):
    x, y = digits(1797)
    order = torch.randperm(1797, generator=torch.Generator().manual_seed(0))
    x, y = x[order], y[order]
    run = run_of(net(64, 6), x[:1200], targets=10)
    if name:
        put(host, run, pretraining=name)
    assert low <= accuracy(run.model, x, y) <= high
