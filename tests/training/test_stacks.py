"""Runs that are trained as one computation, beside the same runs trained one after the other."""

from dataclasses import replace
from functools import partial
from itertools import pairwise
from multiprocessing import synchronize

import pytest
import torch
from torch import nn

import advisor
from advisor.training.ended import Ended, StoppedEarly
from advisor.training.kept_file import KeptFile
from advisor.training.loop import TrainingSettings, train
from advisor.training.stacks.fits import parts_of, reason_of, why_alone, why_not_faster
from advisor.training.stacks.joint import is_fused_adamw
from advisor.training.stacks.member import Member, groups_of
from advisor.training.stacks.sizes import sizes_of
from advisor.training.stacks.stack import Stack
from advisor.training.stacks.traced import NotStackable, graph_of
from advisor.work.prepare import prepare
from advisor.work.study_ref import StudyRef

COPIES, EPOCHS = 4, 3


def rows(count=210, width=16, classes=5):
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(count) % classes
    centers = torch.randn(classes, width, generator=generator)
    return centers[y] + torch.randn(count, width, generator=generator), y


def chain(*between, widths=(16, 32, 32, 5), act=nn.ReLU):
    # A bias before batch normalization has no gradient but what rounding leaves, which AdamW
    # makes steps of.
    has_bias = nn.BatchNorm1d not in between

    def net():
        layers = []
        for number, width in pairwise(widths[:-1]):
            layers.append(nn.Linear(number, width, bias=has_bias))
            layers += [*(make(width) for make in between), act()]
        return nn.Sequential(*layers, nn.Linear(*widths[-2:]))

    return net


class Residual(nn.Module):
    """A forward pass of the user's own: views, a residual, a gain, a layer without a bias."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(16, 24), nn.Linear(24, 24, bias=False)
        self.c, self.norm = nn.Linear(24, 5), nn.LayerNorm(24)
        self.gain = nn.Parameter(torch.ones(24))

    def forward(self, x):
        x = torch.tanh(self.a(x.view(x.size(0), -1)))
        x = x + self.gain * torch.nn.functional.silu(self.norm(self.b(x)))
        return self.c((x - x.mean()).flatten(1))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cells, self.last = nn.LSTM(4, 8, batch_first=True), nn.Linear(8, 5)

    def forward(self, x):
        return self.last(self.cells(x.view(-1, 4, 4))[0][:, -1])


class Convolutions(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Conv2d(1, 4, 3), nn.Linear(16, 5)

    def forward(self, x):
        return self.last(torch.relu(self.first(x.view(-1, 1, 4, 4))).flatten(1))


def prepared_of(net, **settings):
    task = advisor.Task(net, rows(), batch=32, **settings)
    return prepare(StudyRef.of(advisor.Study("stacked", task, epochs=EPOCHS)))


def members_of(prepared, copies=COPIES, **changes):
    """Runs of several seeds, each with rows of its own."""
    settings = TrainingSettings(0.01, 1e-4, prepared.batch, 0, EPOCHS)
    members = []
    for seed in range(copies):
        splits = prepared.measuring_splits(seed)
        own = replace(settings, **{name: of(seed) for name, of in changes.items()})
        members.append(Member(prepared.run(seed, splits), own, splits.valid))
    return members


def trained_together(members):
    curves = {id(each): [] for each in members}
    for member, epoch in Stack(members).train():
        curves[id(member)].append(epoch)
    return [curves[id(each)] for each in members]


def trained_alone(members):
    return [list(train(each.run, each.settings, each.valid)) for each in members]


def largest_differences(prepared, **changes):
    """Of the curves, and of what the models hold afterwards."""
    together, alone = members_of(prepared, **changes), members_of(prepared, **changes)
    curves = [
        abs(getattr(one, name) - getattr(other, name))
        for pair in zip(trained_together(together), trained_alone(alone), strict=True)
        for one, other in zip(*pair, strict=True)
        for name in ("loss", "score")
    ]
    tensors = [
        float((one - other).abs().max())
        for a, b in zip(together, alone, strict=True)
        for one, other in zip(*(m.run.model.state_dict().values() for m in (a, b)), strict=True)
    ]
    return max(curves), max(tensors)


NETS = {
    "plain": chain(),
    "30 layers": chain(widths=(16, *[16] * 29, 5)),
    "batch norm": chain(nn.BatchNorm1d),
    "dropout": chain(lambda width: nn.Dropout(0.3)),
    "its own forward": Residual,
    "narrow": chain(widths=(16, 1, 3, 5)),
}


@pytest.mark.parametrize("name", NETS)
def test_a_stack_has_the_curves_and_the_weights_of_runs_that_are_trained_alone(name):
    curves, tensors = largest_differences(prepared_of(NETS[name]))
    assert curves <= 1e-5
    assert tensors <= 1e-5


class Swish(nn.Module):
    def __init__(self):
        super().__init__()
        self.beta = nn.Parameter(torch.tensor(1.0))

    def forward(self, x):
        return x * torch.sigmoid(self.beta * x)


class Called(nn.Module):
    """A function in the place of a layer."""

    def forward(self, x):
        return 1.7 * torch.tanh(2 / 3 * x)


MIXED = {
    "relu, gelu, elu": [nn.ReLU, nn.GELU, nn.ELU, nn.GELU, partial(nn.GELU, approximate="tanh")],
    "elu by its alpha": [partial(nn.ELU, alpha=alpha) for alpha in (1.0, 0.5, 1.0, 2.0)],
    "in place": [partial(nn.ReLU, inplace=True), nn.Tanh, partial(nn.ELU, inplace=True), nn.Tanh],
    "slopes": [nn.PReLU, nn.ReLU, nn.PReLU, partial(nn.PReLU, init=0.1), nn.ReLU],
    "slopes alone": [nn.PReLU] * 4,
    "slopes by feature": [partial(nn.PReLU, 32), nn.ReLU, partial(nn.PReLU, 32), nn.Tanh],
    "somebody's own": [Swish, nn.SiLU, Called, Swish, Called],
    "somebody's own alone": [Swish] * 4,
}


def of_activations(acts, between=()):
    """Members of a stack, each with an activation of its own."""
    found = []
    for member, act in zip(members_of(prepared_of(chain()), len(acts)), acts, strict=True):
        torch.manual_seed(member.run.seed)
        member.run.model = chain(*between, act=act)()
        found.append(member)
    return found


@pytest.mark.parametrize("between", [(), (nn.BatchNorm1d,), (lambda width: nn.Dropout(0.3),)])
@pytest.mark.parametrize("name", MIXED)
def test_models_of_a_stack_may_differ_in_their_activations(name, between):
    together, alone = (of_activations(MIXED[name], between) for _ in range(2))
    for one, other in zip(trained_together(together), trained_alone(alone), strict=True):
        assert [each.loss for each in one] == pytest.approx([o.loss for o in other], abs=1e-5)
        assert [each.score for each in one] == pytest.approx([o.score for o in other], abs=1e-5)


def test_models_that_do_the_same_stand_side_by_side():
    stack = Stack(of_activations([nn.ReLU, nn.Tanh, nn.ReLU, nn.ELU, nn.Tanh]))
    kinds = [type(each.run.model[1]) for each in stack.members]
    assert kinds == [nn.ReLU, nn.ReLU, nn.Tanh, nn.Tanh, nn.ELU]


class Slow(nn.Module):
    def forward(self, x):
        for _ in range(300):
            x = torch.tanh(x)
        return x


def test_a_run_has_its_share_of_the_time_by_what_its_model_takes():
    stack = Stack(of_activations([nn.ReLU, Slow, nn.ReLU, nn.ReLU]))
    seconds = {member.run.seed: epoch.seconds for member, epoch in stack.train()}
    assert seconds[1] > 5 * seconds[0]
    costs = {each.run.seed: each.cost for each in stack.members}
    assert costs[0] == costs[2] == costs[3] < costs[1]


class OwnForward(nn.Module):
    """An activation that is a call, of a function or of a layer in its place."""

    def __init__(self, act):
        super().__init__()
        self.first, self.last, self.act = nn.Linear(16, 16), nn.Linear(16, 5), act

    def forward(self, x):
        return self.last(x + self.act(self.first(x)))


def test_a_function_and_a_layer_in_its_place_are_computed_together():
    acts = [torch.relu, nn.ReLU(), partial(nn.functional.elu, alpha=0.5), torch.tanh, torch.relu]
    together, alone = members_of(prepared_of(chain()), 5), members_of(prepared_of(chain()), 5)
    for members in (together, alone):
        for member, act in zip(members, acts, strict=True):
            torch.manual_seed(member.run.seed)
            member.run.model = OwnForward(act)
    for one, other in zip(trained_together(together), trained_alone(alone), strict=True):
        assert [each.loss for each in one] == pytest.approx([o.loss for o in other], abs=1e-5)


class TwoFaced(nn.Module):
    """Does something else when it is scored."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(16, 16), nn.Linear(16, 5)

    def forward(self, x):
        x = self.first(x) if self.training else 2 * self.first(x)
        return self.last(torch.relu(x))


@pytest.mark.parametrize(
    ("net", "is_joint"),
    [(chain(), True), (chain(nn.BatchNorm1d), True), (NETS["dropout"], True), (TwoFaced, False)],
    ids=["plain", "batch norm", "dropout", "two-faced"],
)
def test_runs_are_scored_together_where_that_gives_what_each_gives_alone(net, is_joint):
    together, alone = members_of(prepared_of(net)), members_of(prepared_of(net))
    stack = Stack(together)
    curves = {id(each): [] for each in together}
    for member, epoch in stack.train():
        curves[id(member)].append(epoch.score)
    assert stack._scoring._is_joint is stack._scoring._is_proven is is_joint
    for one, other in zip(together, trained_alone(alone), strict=True):
        assert curves[id(one)] == pytest.approx([each.score for each in other], abs=1e-5)


def sgd(groups, lr, weight_decay):
    return torch.optim.SGD(groups, lr=lr, momentum=0.9, weight_decay=weight_decay)


RECIPES = {
    "schedule": {"scheduler": "cosine"},
    "clipped": {"clip": 0.5},
    "accumulated": {"accumulate": 2},
    "another optimizer": {"optimizer": sgd},
    "another loss": {"loss": nn.CrossEntropyLoss(label_smoothing=0.1)},
    "plateau": {"scheduler": torch.optim.lr_scheduler.ReduceLROnPlateau},
}


@pytest.mark.parametrize("name", RECIPES)
def test_the_recipe_of_a_study_is_that_of_its_stacks(name):
    curves, tensors = largest_differences(prepared_of(chain(), **RECIPES[name]))
    assert curves <= 1e-5
    assert tensors <= 1e-5


def test_the_optimizer_of_a_study_is_one_that_moves_all_runs_in_one_call():
    (member,) = members_of(prepared_of(chain()), 1)
    member.prepare()
    assert is_fused_adamw(member.stepping.optimizer)


def test_runs_of_a_stack_may_have_rates_of_their_own():
    own = {"lr": lambda seed: 0.01 / (seed + 1), "weight_decay": lambda seed: 0.1 * seed}
    curves, tensors = largest_differences(prepared_of(chain()), **own)
    assert curves <= 1e-5
    assert tensors <= 1e-5


def test_a_run_that_ends_early_is_taken_out_and_the_others_go_on_as_alone():
    prepared = prepared_of(chain(nn.BatchNorm1d))
    limits = {
        "loss_limit": lambda seed: 0.0 if seed == 1 else None,
        "to_epoch": lambda seed: 2 * EPOCHS,
    }
    together, alone = members_of(prepared, **limits), members_of(prepared, **limits)
    curves = trained_together(together)
    assert [len(each) for each in curves] == [6, 4, 6, 6]
    with pytest.raises(StoppedEarly) as problem:
        list(train(alone[1].run, alone[1].settings, alone[1].valid))
    assert str(together[1].problem) == str(problem.value)
    assert together[1].problem.ended is Ended.EARLY_LOSS
    for place in (0, 2, 3):
        own = list(train(alone[place].run, alone[place].settings, alone[place].valid))
        found = [(each.score, each.loss) for each in curves[place]]
        assert found == [pytest.approx((each.score, each.loss), abs=1e-5) for each in own]


def test_a_run_without_finite_numbers_ends_alone():
    together = members_of(prepared_of(chain()), lr=lambda seed: 1e30 if seed == 2 else 0.01)
    curves = trained_together(together)
    assert [len(each) for each in curves] == [EPOCHS, EPOCHS, 0, EPOCHS]
    assert together[2].problem.ended is Ended.NOT_FINITE
    assert together[0].problem is None


def test_what_a_stack_saves_is_gone_on_from_alone_and_together(tmp_path):
    prepared = prepared_of(chain())

    def part(first, last, state=None):
        files = [KeptFile(tmp_path / f"{seed} {last}.pt", f"{seed} {last}") for seed in range(3)]
        return members_of(
            prepared,
            3,
            from_epoch=lambda seed: first,
            to_epoch=lambda seed: last,
            epochs=lambda seed: EPOCHS,
            save=lambda seed: files[seed],
            state=lambda seed: state[seed] if state else None,
        ), files

    whole, _ = part(0, EPOCHS)
    expected = [each[-1] for each in trained_together(whole)]
    begun, files = part(0, 1)
    trained_together(begun)
    state = files[0].read("cpu")
    assert state["steps"] > 0
    largest = max(value.untyped_storage().nbytes() for value in state["model"].values())
    assert largest == 32 * 32 * 4  # one model's own, and not those of all
    for go_on in (trained_together, trained_alone):
        states = [file.read("cpu") for file in files]
        found = [each[-1] for each in go_on(part(1, EPOCHS, states)[0])]
        for one, other in zip(found, expected, strict=True):
            assert one.score == pytest.approx(other.score, abs=1e-5)
            assert one.loss == pytest.approx(other.loss, abs=1e-5)


class Noisy(nn.Module):
    def __init__(self):
        super().__init__()
        self.last = nn.Linear(16, 5)

    def forward(self, x):
        return self.last(x + torch.randn(16))


class Counting(Noisy):
    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return self.last(x)


class Looking(Noisy):
    def forward(self, x):
        return self.last(x) if x.sum() > 0 else -self.last(x)


class Cut(Noisy):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(16, 16)

    def forward(self, x):
        with torch.no_grad():
            x = self.first(x)
        return self.last(x)


def hooked():
    net = chain()()
    net[0].register_forward_hook(lambda *_: None)
    return net


@pytest.mark.parametrize(
    ("net", "why"),
    [
        (Noisy, "draws at random"),
        (Counting, "changes the model"),
        (Looking, "cannot be read"),
        (Cut, "other gradients"),
        (hooked, "has hooks"),
        (Recurrent, "no batched computation of LSTM pays"),
        (Convolutions, "no batched computation of Conv2d pays"),
    ],
    ids=["draws", "counts", "branches", "no gradient", "hooks", "LSTM", "CNN"],
)
def test_models_that_cannot_be_computed_together_say_why_and_are_left_as_they_were(net, why):
    together, alone = members_of(prepared_of(net)), members_of(prepared_of(net))
    with pytest.raises(NotStackable, match=why):
        Stack(together)
    for one, other in zip(together, alone, strict=True):
        assert trained_alone([one])[0][-1].loss == trained_alone([other])[0][-1].loss


def test_models_of_other_structures_or_lengths_are_no_stack():
    prepared = prepared_of(chain())
    members = members_of(prepared, 2)
    members[1].run.model = chain(widths=(16, 8, 8, 5))()
    with pytest.raises(NotStackable, match="differ in structure"):
        Stack(members)
    with pytest.raises(NotStackable, match="rows or epochs"):
        Stack(members_of(prepared, 2, to_epoch=lambda seed: 1 + seed))


@pytest.mark.parametrize(
    ("hook", "value"),
    [("each_step", [print]), ("batch", print), ("scored", print), ("keep", {"a": nn.ReLU()})],
)
def test_a_run_with_a_hook_is_trained_alone(hook, value):
    run = members_of(prepared_of(chain()), 1)[0].run
    assert why_alone(run) is None
    setattr(run, hook, value)
    assert why_alone(run) == f"a technique has set run.{hook}"


class Vectors(nn.Module):
    """The mean of the vectors of 16 words."""

    def __init__(self, width):
        super().__init__()
        self.words, self.last = nn.Embedding(50, width), nn.Linear(width, 5)

    def forward(self, x):
        return self.last(torch.relu(self.words(x.abs().long()) * 2).mean(1))


def why_ten_are_alone(net, batch=32, copies=10):
    run = members_of(prepared_of(net), 1)[0].run
    return reason_of(lambda: why_not_faster(run, copies, batch))


def test_shapes_decide_whether_a_stack_is_faster():
    assert why_ten_are_alone(chain()) is None
    assert "too few" in why_ten_are_alone(chain(), copies=1)
    assert "take longer" in why_ten_are_alone(chain(widths=(16, 1024, 1024, 5)), batch=256)
    assert "LSTM" in why_ten_are_alone(Recurrent)
    assert "no linear layers" in why_ten_are_alone(
        lambda: nn.Sequential(nn.LayerNorm(16), nn.Tanh())
    )
    assert "cannot be read" in why_ten_are_alone(Looking)


def test_large_tensors_are_faster_one_after_the_other():
    assert why_ten_are_alone(partial(Vectors, 4)) is None
    assert "numbers in an operation" in why_ten_are_alone(partial(Vectors, 128))


def test_an_operation_is_as_large_as_what_it_makes(monkeypatch):
    # A lock for processes would have to be given back when this one ends.
    monkeypatch.setattr(synchronize.SemLock, "__init__", None)
    run = members_of(prepared_of(chain()), 1)[0].run
    sizes = sizes_of(run, 8, graph_of(run.model))
    assert sizes.numbers == [8 * 32, 8 * 32, 8 * 32, 8 * 32, 8 * 5]
    assert sizes.products == [8 * 16 * 32, 8 * 32 * 32, 8 * 32 * 5]
    assert sizes.usual == 8 * (4 * 32**2 + 5**2) / (4 * 32 + 5)
    assert run.model.training


def test_a_layer_of_each_position_computes_all_of_them():
    class Positions(nn.Module):
        def __init__(self):
            super().__init__()
            self.each, self.last = nn.Linear(4, 8), nn.Linear(8, 5)

        def forward(self, x):
            return self.last(torch.tanh(self.each(x.view(-1, 4, 4))).mean(1))

    run = members_of(prepared_of(Positions), 1)[0].run
    sizes = sizes_of(run, 8, graph_of(run.model))
    assert sizes.products == [8 * 4 * 4 * 8, 8 * 8 * 5]
    assert sizes.numbers == [8 * 4 * 8, 8 * 4 * 8, 8 * 8, 8 * 5]


@pytest.mark.parametrize(("width", "parts"), [(16, [9]), (256, [4, 3, 2])])
def test_wide_models_are_computed_together_where_they_do_the_same(width, parts):
    members = []
    for act, count in ((nn.Tanh, 4), (nn.Mish, 1), (nn.ReLU, 3), (nn.ELU, 1)):
        members += members_of(prepared_of(chain(widths=(16, width, width, 5), act=act)), count)
    (group,) = groups_of(members)
    found = parts_of(group)
    assert [len(each) for each in found] == parts
    assert sorted(map(id, group)) == sorted(id(each) for part in found for each in part)
