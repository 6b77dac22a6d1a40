"""Steps that are written out, beside those that autograd computes."""

from copy import deepcopy
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import advisor
from advisor.training.ended import StoppedEarly
from advisor.training.formulas import compute, formula_of
from advisor.training.kept_file import KeptFile
from advisor.training.loop import TrainingSettings, train
from advisor.training.stacks import alone
from advisor.training.stacks.alone import stack_of_one, trained
from advisor.training.stacks.bank import Bank
from advisor.training.stacks.curves import CURVES, by_tape, curve_of
from advisor.training.stacks.losses_of_copies import LossOfCopies
from advisor.training.stacks.member import Member
from advisor.training.stacks.plan import Space, StepPlan
from advisor.training.stacks.program import Program
from advisor.training.stacks.stack import Stack
from advisor.training.stacks.traced import NotStackable, read
from advisor.training.stacks.written import WrittenStep
from advisor.work.prepare import prepare
from advisor.work.study_ref import StudyRef

EPOCHS = 3


class Branches(nn.Module):
    """Residuals whose values are read more than once, activations as functions, a flat input."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(16, 24), nn.Linear(24, 24), nn.Linear(24, 24, bias=False)
        self.last = nn.Linear(24, 5)

    def forward(self, x):
        x = torch.tanh(self.a(torch.flatten(x, 1)))
        x = x + F.relu(self.b(x))
        y = F.leaky_relu(self.c(x), 0.2).sigmoid() + x
        return self.last(torch.add(y, x) * 0.5)


class Flat(nn.Module):
    """The usual ways to make a row one dimension, and to end with shares of a whole."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.last = nn.Linear(16, 16), nn.Linear(16, 16), nn.Linear(16, 5)

    def forward(self, x):
        x = torch.relu(self.a(x.view(x.size(0), -1)))
        x = torch.relu(self.b(x.reshape(x.shape[0], -1)))
        return self.last(x.view(x.size()[0], -1))


class Looked(nn.Module):
    """What is returned is read by an activation, too, whose value nobody needs."""

    def __init__(self):
        super().__init__()
        self.last = nn.Linear(16, 5)

    def forward(self, x):
        x = self.last(x)
        torch.relu(x)
        return x


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.last = nn.Linear(16, 16), nn.Linear(16, 5)

    def forward(self, x):
        return self.last(torch.relu(self.a(torch.relu(self.a(x)))))


class TwiceSloped(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.last, self.act = nn.Linear(16, 16), nn.Linear(16, 5), nn.PReLU()

    def forward(self, x):
        return self.act(self.last(self.act(self.a(x))))


class Unused(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.last = nn.Linear(16, 16), nn.Linear(16, 5)

    def forward(self, x):
        self.a(x)
        return self.last(x)


def layers(*between, last=5):
    def net():
        return nn.Sequential(
            nn.Linear(16, 32),
            *(make() for make in between),
            nn.Linear(32, 24),
            nn.ReLU(),
            nn.Linear(24, last),
        )

    return net


NETS = {
    "chain": layers(nn.ReLU),
    "dropout": layers(nn.GELU, partial(nn.Dropout, 0.4)),
    "no dropout": layers(nn.Tanh, partial(nn.Dropout, 0.0)),
    "identity": layers(nn.Identity, nn.SiLU),
    "over and over": layers(nn.ReLU, nn.Tanh, nn.Mish),
    "branches": Branches,
    "flat": lambda: nn.Sequential(nn.Flatten(), *layers(nn.ELU)()),
    "layer norm": layers(partial(nn.LayerNorm, 32), nn.ReLU),
    "slope of its own": layers(nn.PReLU, nn.Tanh),
    "slopes of their own": layers(partial(nn.PReLU, 32)),
    "views": Flat,
    "looked at": Looked,
    "logarithms": lambda: nn.Sequential(*layers(nn.ReLU)(), nn.LogSoftmax(1)),
    "shares": lambda: nn.Sequential(*layers(nn.ReLU)(), nn.Softmax(-1)),
    "one number": layers(nn.Softplus, last=1),
}


def rows(last=5, count=210):
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(count) % 5
    x = torch.randn(5, 16, generator=generator)[y] + torch.randn(count, 16, generator=generator)
    return x, (y if last > 1 else x.sum(1, keepdim=True))


def prepared_of(net, **settings):
    last = 1 if net is NETS["one number"] else 5
    task = advisor.Task(net, rows(last), batch=32, **settings)
    return prepare(StudyRef.of(advisor.Study("written", task, epochs=EPOCHS)))


def member_of(prepared, **changes):
    settings = TrainingSettings(0.01, 1e-4, prepared.batch, 0, EPOCHS)
    splits = prepared.measuring_splits(1)
    return Member(prepared.run(1, splits), replace(settings, **changes), splits.valid)


def numbers(curve):
    return torch.tensor([(each.loss, each.score) for each in curve])


def trained_both_ways(prepared, **changes):
    one, other = member_of(prepared, **changes), member_of(prepared, **changes)
    assert stack_of_one(member_of(prepared, **changes)) is not None
    found = numbers(trained(one.run, one.settings, one.valid))
    wanted = numbers(train(other.run, other.settings, other.valid))
    pairs = zip(one.run.model.parameters(), other.run.model.parameters(), strict=True)
    return found, wanted, pairs


@pytest.mark.parametrize("name", NETS)
def test_a_training_whose_step_is_written_out_has_the_same_curve_and_weights(name):
    found, wanted, pairs = trained_both_ways(prepared_of(NETS[name]))
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    for one, other in pairs:
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


RECIPES = {
    "schedule": {"scheduler": "cosine"},
    "clipped": {"clip": 0.5},
    "momentum": {"optimizer": partial(torch.optim.SGD, lr=0.1, momentum=0.9)},
    "not fused": {"optimizer": partial(torch.optim.AdamW, lr=0.01, fused=False)},
}


@pytest.mark.parametrize("name", RECIPES)
def test_so_it_has_with_another_recipe(name):
    found, wanted, _ = trained_both_ways(prepared_of(NETS["chain"], **RECIPES[name]))
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


SLOPES = [
    *(make() for make in CURVES),
    *(nn.ELU(-0.5), nn.ELU(2.0), nn.CELU(0.3), nn.LeakyReLU(-0.1), nn.GELU("tanh")),
    *(nn.Softplus(2.0, 5.0), nn.Hardtanh(-0.5, 2.0), nn.LogSigmoid(), nn.Softsign()),
]


@pytest.mark.parametrize("layer", SLOPES, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_curve_and_its_slope_are_those_of_the_layer(layer, dtype):
    inputs = torch.linspace(-6, 6, 121, dtype=dtype)
    leaf, gradient = inputs.clone().requires_grad_(), torch.linspace(1, 2, 121, dtype=dtype)
    wanted = layer(leaf)
    wanted.backward(gradient)
    curve = curve_of(layer)
    output, before = torch.empty_like(inputs), torch.empty_like(inputs)
    with torch.no_grad():
        curve.value(inputs, output)()
        torch.testing.assert_close(output, wanted.detach())
        curve.slope(gradient, output if curve.by_output else inputs, before)()
        torch.testing.assert_close(before, leaf.grad)
        # In the place of what is read, where that is allowed.
        over = inputs.clone()
        if curve.by_output:
            curve.value(over, over)()
        else:
            curve.value(inputs, output)()
        curve.slope(gradient, over if curve.by_output else inputs, gradient)()
    torch.testing.assert_close(gradient, leaf.grad)


@pytest.mark.parametrize("layer", [nn.Mish(), nn.Softsign()], ids=str)
def test_formulas_are_for_many_numbers(layer):
    net = layers(lambda: layer)()
    written = WrittenStep([read(net)], [net], Bank())
    computed = []
    for count in (2, 64):
        x, y = (each.unsqueeze(0) for each in rows(count=count))
        written.step([x], y, LossOfCopies([F.cross_entropy]))
        torch.testing.assert_close(written.outputs([x])[0], net(x[0]).detach())
        computed.append([formulas_of(each.plan) for each in written._plans.values()])
    assert computed == [[[], []], [[], [], [formula_of(layer)], [formula_of(layer)]]]


def formulas_of(plan):
    return [call.args[0] for call in plan.forward if getattr(call, "func", None) is compute]


def test_a_curve_of_somebodys_own_is_differentiated_by_autograd():
    curve = by_tape(lambda each: each.square() * 3)
    inputs, output = torch.tensor([1.0, -2.0]), torch.empty(2)
    with torch.no_grad():
        curve.value(inputs, output)()
        curve.slope(torch.ones(2), inputs, inputs)()
    assert output.tolist() == [3, 12]
    assert inputs.tolist() == [6, -12]


@pytest.mark.parametrize(
    ("net", "why"),
    [
        (Twice, "share their weights"),
        (Unused, "nothing is made of"),
        (TwiceSloped, "share their weights"),
        (layers(partial(nn.GroupNorm, 4, 32)), "GroupNorm is not written out"),
        (layers(partial(nn.BatchNorm1d, 32, affine=False)), "BatchNorm1d is not written out"),
        (layers(partial(nn.LayerNorm, 32, bias=False)), "LayerNorm is not written out"),
        (layers(partial(nn.Softmax, 0)), "Softmax is not written out"),
    ],
)
def test_what_is_not_written_out_is_left_to_autograd(net, why):
    member = member_of(prepared_of(net))
    before = [each.clone() for each in member.run.model.parameters()]
    with pytest.raises(NotStackable, match=why):
        Stack([member], is_written=True)
    assert all(map(torch.equal, before, member.run.model.parameters()))
    assert all(each.grad is None for each in member.run.model.parameters())
    other = member_of(prepared_of(net))
    found = numbers(trained(member.run, member.settings, member.valid))
    assert torch.equal(found, numbers(train(other.run, other.settings, other.valid)))


def test_mini_batches_that_make_one_step_are_left_to_autograd():
    assert stack_of_one(member_of(prepared_of(NETS["chain"], accumulate=2))) is None


def test_a_training_that_is_gone_on_with_is_one_that_was_never_stopped(tmp_path):
    prepared = prepared_of(NETS["dropout"])
    whole = member_of(prepared)
    wanted = numbers(trained(whole.run, whole.settings, whole.valid))
    file = KeptFile(tmp_path / "state.pt", "half")
    first = member_of(prepared, to_epoch=1, epochs=EPOCHS, save=file)
    found = [*trained(first.run, first.settings, first.valid)]
    state = file.read("cpu")
    rest = member_of(prepared, from_epoch=1, epochs=EPOCHS, state=state)
    found += trained(rest.run, rest.settings, rest.valid)
    assert torch.equal(numbers(found), wanted)
    pairs = zip(rest.run.model.parameters(), whole.run.model.parameters(), strict=True)
    assert all(torch.equal(*pair) for pair in pairs)


def test_a_loss_above_the_limit_ends_it_in_the_midst_of_an_epoch():
    """Of 40 steps, 20 tell."""
    task = advisor.Task(NETS["chain"], rows(count=210 * 8), batch=32)
    prepared = prepare(StudyRef.of(advisor.Study("written", task, epochs=EPOCHS)))
    member = member_of(prepared, loss_limit=0.0)
    taken = []
    member.run.optimizer = counting(taken)
    with pytest.raises(StoppedEarly, match="after 20 steps"):
        list(trained(member.run, member.settings, member.valid))
    assert len(taken) == 20


def counting(taken):
    def build(groups, lr, decay):
        optimizer = torch.optim.SGD(groups, lr=lr)
        optimizer.register_step_post_hook(lambda *_: taken.append(1))
        return optimizer

    return build


def test_a_step_takes_no_new_memory():
    net = NETS["branches"]()
    written = WrittenStep([read(net)], [net], Bank())
    x, y = (each.unsqueeze(0) for each in rows(count=32))
    loss = LossOfCopies([F.cross_entropy])
    written.begin([])
    written.step([x], y, loss)
    (planned,) = written._plans.values()
    where = [each.data_ptr() for each in planned.plan.values.values()]
    # Mini-batches of other sizes share what there is.
    written.step([x[:, :7]], y[:, :7], loss)
    written.step([x], y, loss)
    assert [each.data_ptr() for each in planned.plan.values.values()] == where
    held = sum(len(each) for each in written._space._free)
    assert held <= 32 * (16 + 5 * 24 * 3 + 5 * 3)


def test_space_gives_the_smallest_piece_that_holds_a_tensor():
    space, like = Space(), torch.empty(0)
    large, small = space.take((100,), like), space.take((10,), like)
    places = large.data_ptr(), small.data_ptr()
    space.give_back(large)
    space.give_back(small)
    assert space.take((3, 3), like).data_ptr() == places[1]
    assert space.take((9,), like).data_ptr() == places[0]
    assert space.take((3,), like.double()).dtype == torch.float64


def test_copies_with_the_gradients_that_autograd_gives():
    nets = [layers(act)() for act in (nn.ReLU, nn.ReLU, nn.Tanh, nn.Hardswish)]
    readings, loss = [read(each) for each in nets], LossOfCopies([F.cross_entropy] * 4)
    x, y = (torch.stack([each] * 4) for each in rows(count=32))
    found = []
    for kind in (WrittenStep, Program):
        bank = Bank()
        computation = kind(readings, nets, bank)
        bank.begin_step()
        computation.begin([])
        losses = computation.step([x], y, loss)
        bank.hand_out()
        found.append([losses, *(each.grad.clone() for net in nets for each in net.parameters())])
        bank.release()
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("copies", [1, 3])
def test_batch_normalization_has_its_statistics_and_gradients(copies):
    """Beside a training they cannot be compared: a bias before it has a gradient of rounding."""
    nets = [layers(partial(nn.BatchNorm1d, 32), nn.Tanh)() for _ in range(copies)]
    others = deepcopy(nets)
    x, y = (torch.stack([each] * copies) for each in rows(count=32))
    bank = Bank()
    written = WrittenStep([read(each) for each in nets], nets, bank)
    written.step([x], y, LossOfCopies([F.cross_entropy] * copies))
    for net, other, inputs, target in zip(nets, others, x, y, strict=True):
        F.cross_entropy(other(inputs), target).backward()
        for one, own in zip(net.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(one.grad, own.grad, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(dict(net.named_buffers()), dict(other.named_buffers()))
    scored = written.outputs([x])
    for place, other in enumerate(others):
        torch.testing.assert_close(scored[place], other.eval()(x[place]).detach())


def test_a_plan_has_the_gradients_of_what_is_trained_alone():
    plan = StepPlan(Space(), {}, set(), is_scoring=False)
    plan.hand_on("input", torch.empty(3))
    plan.hand_copy("input", torch.empty(3))
    assert not plan.gradients
    assert not plan.backward


def test_models_with_other_parameters_are_not_looked_at(monkeypatch):
    monkeypatch.setattr(alone, "Stack", None)
    member = member_of(prepared_of(layers(partial(nn.GroupNorm, 4, 32))))
    assert stack_of_one(member) is None
