"""Regularization does what its papers write in training, and nothing in use."""

from __future__ import annotations

import copy

import pytest
import torch
from advisor_plugins.regularization.branches import DropBranch
from torch import nn
from torch.nn import functional as F

import advisor
from advisor.host.host import load
from advisor.testing.examples import EXAMPLES, run_of
from advisor.training.groups import parameter_groups
from advisor.training.run import apply

HOST = load()
SLOT = HOST.techniques["regularization"]
CLASSES = 3


def fresh(example=0, model=None, **given):
    run = run_of(EXAMPLES[example], seed=3)
    run.model = model or run.model
    for name, value in given.items():
        setattr(run, name, value)
    return run


def put(run, name, **params):
    technique = SLOT[name]
    apply(run, [(technique, {**technique.defaults(), **params})])
    return run


def rows(run, count=16):
    (inputs,), target = run.data.train.take(torch.arange(count))
    return inputs, target


# --- targets --------------------------------------------------------------------------------------


def test_label_smoothing_is_torch_s():
    run = put(fresh(), "label_smoothing", share=0.15)
    output, target = torch.randn(16, CLASSES), rows(run)[1]
    wanted = F.cross_entropy(output, target, label_smoothing=0.15)
    assert torch.allclose(run.loss(output, target), wanted)


def test_the_loss_of_a_mixed_pair_is_the_mixture_of_their_losses():
    run = put(fresh(), "mixup", alpha=1.0)
    inputs, target = rows(run)
    (mixed,), shares = run.batch((inputs,), target, torch.Generator().manual_seed(5))
    order = torch.randperm(16, generator=torch.Generator().manual_seed(5))
    difference = inputs - inputs[order]
    kept = ((mixed - inputs[order]) * difference).sum() / difference.square().sum()
    assert 0 < kept < 1
    assert torch.allclose(mixed, kept * inputs + (1 - kept) * inputs[order], atol=1e-5)
    output = run.model(mixed)
    wanted = kept * run.loss(output, target) + (1 - kept) * run.loss(output, target[order])
    assert torch.allclose(run.loss(output, shares), wanted, atol=1e-5)


def test_two_batches_are_mixed_otherwise_and_the_same_seed_mixes_alike():
    run = put(fresh(), "mixup")
    inputs, target = rows(run)
    one, two, again = (
        run.batch((inputs,), target, torch.Generator().manual_seed(seed))[0][0]
        for seed in (1, 2, 1)
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, two)


def hinge(output, target):
    return F.multi_margin_loss(output, target)


def of_squares(output, target):
    shares = F.one_hot(target, CLASSES).float() if not target.is_floating_point() else target
    return F.mse_loss(output.softmax(1), shares)


@pytest.mark.parametrize("name", ["label_smoothing", "mixup"])
@pytest.mark.parametrize(
    ("loss", "why"),
    [
        (hinge, "takes no shares of classes"),
        (of_squares, "is not the mixture of their losses"),
        (nn.CrossEntropyLoss(label_smoothing=0.1), None),
        (nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0])), "is not the mixture"),
    ],
)
def test_only_a_loss_that_takes_shares_is_given_them(name, loss, why):
    told = SLOT[name].unfit(fresh(loss=loss))
    assert (told is None) if why is None else (why in told)


def test_ids_are_not_mixed():
    assert "ids" in SLOT["mixup"].unfit(fresh(4))
    assert SLOT["label_smoothing"].unfit(fresh(4)) is None


def task_of(kind):
    x = torch.randn(60, 4)
    targets = {
        "binary": (1, (x[:, 0] > 0).long()),
        "multilabel": (3, (x[:, :3] > 0).float()),
        "regression": (1, x[:, :1] ** 2),
    }
    outputs, target = targets[kind]
    task = advisor.Task(lambda: nn.Linear(4, outputs), (x, target), kind=kind)
    return advisor.diagnose(advisor.Study("small", task)).run


@pytest.mark.parametrize("kind", ["binary", "multilabel"])
def test_yes_and_no_are_mixed_and_smoothed_as_classes_are(kind):
    run = task_of(kind)
    assert SLOT["mixup"].unfit(run) is None
    inputs, target = run.data.train.take(torch.arange(8))
    output = run.model(*inputs)
    wanted = 0.9 * run.loss(output, target.float()) + 0.1 * run.loss(
        output, torch.full_like(target.float(), 0.5)
    )
    put(run, "label_smoothing", share=0.1)
    assert torch.allclose(run.loss(output, target), wanted, atol=1e-6)


def test_numbers_have_no_classes_to_mix():
    run = task_of("regression")
    assert SLOT["mixup"].unfit(run) == "it mixes classes, and the target is none"


# --- dropout --------------------------------------------------------------------------------------


def test_the_dropouts_of_a_model_get_the_rate():
    run = put(fresh(), "dropout_rate", rate=0.4)
    assert run.model.body[2].p == 0.4


def test_a_model_without_dropout_drops_the_input_of_later_layers_in_training_alone():
    torch.manual_seed(0)
    run = fresh(model=nn.Sequential(nn.Linear(6, 400), nn.ReLU(), nn.Linear(400, 3)))
    inputs, seen = rows(run)[0], []
    before = run.model(inputs)
    put(run, "dropout_rate", rate=0.25)
    run.model[2].register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    assert torch.equal(run.model.eval()(inputs), before)
    run.model.train()(inputs)
    plain, dropped = seen
    was = plain != 0
    assert (dropped[was] == 0).float().mean() == pytest.approx(0.25, abs=0.03)
    kept = was & (dropped != 0)
    assert torch.allclose(dropped[kept], plain[kept] / 0.75)


def test_channels_of_maps_are_dropped_whole():
    model = nn.Sequential(
        nn.Conv2d(2, 32, 3), nn.ReLU(), nn.Conv2d(32, 4, 3), nn.Flatten(), nn.Linear(64, 3)
    )
    run = put(fresh(1, model=model), "dropout_rate", rate=0.5)
    seen = []
    model[2].register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    model.train()(rows(run)[0])
    is_dropped = (seen[0] == 0).flatten(2)
    assert is_dropped.all(2).float().mean() > 0.3


def test_a_model_of_one_layer_has_nothing_to_drop():
    assert "no dropout" in SLOT["dropout_rate"].unfit(fresh(model=nn.Linear(6, 3)))


# --- stochastic depth -----------------------------------------------------------------------------


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(6, 8)
        self.branches = nn.ModuleList(
            nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8)) for _ in range(4)
        )
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        x = self.first(x)
        for branch in self.branches:
            x = x + branch(x)
        return self.head(x)


def test_branches_are_left_out_by_their_depth_and_never_in_use():
    run = fresh(model=Residual())
    inputs = rows(run)[0]
    before = run.model.eval()(inputs)
    put(run, "stochastic_depth", rate=0.4)
    assert torch.equal(run.model.eval()(inputs), before)
    rates = [next(iter(branch[2]._forward_hooks.values())).rate for branch in run.model.branches]
    assert rates == pytest.approx([0.1, 0.2, 0.3, 0.4])


def test_a_row_s_branch_is_left_out_whole_and_the_mean_over_draws_is_the_branch():
    torch.manual_seed(0)
    layer = nn.Linear(6, 5).train()
    x = torch.randn(20_000, 6)[:1].expand(20_000, 6)
    plain = layer(x)
    layer.register_forward_hook(DropBranch(0.3, rows=0))
    found = layer(x)
    is_out = (found == 0).all(1)
    assert is_out.float().mean() == pytest.approx(0.3, abs=0.02)
    assert torch.allclose(found[~is_out], plain[~is_out] / 0.7)
    assert torch.allclose(found.mean(0), plain.mean(0), atol=0.02)


def test_rows_are_found_where_they_lie():
    class SequenceFirst(nn.Module):
        def __init__(self):
            super().__init__()
            self.into, self.mix, self.head = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 3)

        def forward(self, x):
            x = self.into(x.transpose(0, 1))
            return self.head((x + self.mix(torch.relu(x))).mean(0))

    run = put(fresh(3, model=SequenceFirst()), "stochastic_depth")
    assert next(iter(run.model.mix._forward_hooks.values())).rows == 1


def test_a_plain_net_has_no_branch():
    assert "no residual branch" in SLOT["stochastic_depth"].unfit(fresh())


class Activated(nn.Module):
    """Branches that end in an activation: a function, a module, and one that bends factors."""

    def __init__(self):
        super().__init__()
        self.one, self.two, self.three = (nn.Linear(6, 6) for _ in range(3))
        self.act, self.head = nn.GELU(), nn.Linear(6, 3)

    def forward(self, x):
        x = x + torch.relu(self.one(x))
        x = x + self.act(self.two(x))
        x = x + torch.tanh(self.three(x))
        return self.head(x)


def test_a_branch_may_end_in_an_activation():
    run = fresh(model=Activated())
    ends = {layer.name: layer.ends_branch for layer in run.anatomy.layers}
    assert ends == {"one": True, "two": True, "three": True, "head": False}
    said = put(run, "stochastic_depth", rate=0.4)
    hooked = {name for name, each in run.model.named_modules() if each._forward_hooks}
    # The result of tanh can be left out only where a module gives it.
    assert hooked == {"one", "act"}
    assert not any(layer.closes_branch for layer in run.anatomy.layers)
    x = rows(run)[0]
    model = run.model.train()
    torch.manual_seed(0)
    passed = x + torch.relu(model.one(x))
    is_out = (passed == x).all(1)
    plain = x + torch.relu(nn.functional.linear(x, model.one.weight, model.one.bias)) / 0.8
    torch.testing.assert_close(passed[~is_out], plain[~is_out])
    assert 0 < is_out.float().mean() < 1
    assert said


def test_a_residual_net_with_activated_branches_is_no_plain_net():
    from advisor_plugins.activation.tailored import no_plain_net

    assert "residual branches" in no_plain_net(fresh(model=Activated()))


def test_an_activation_behind_the_sum_ends_no_branch():
    class After(Residual):
        def forward(self, x):
            x = self.first(x)
            for branch in self.branches:
                x = torch.relu(x + branch(x))
            return self.head(x)

    layers = fresh(model=After()).anatomy.layers
    assert [layer.name for layer in layers if layer.ends_branch] == [
        layer.name for layer in layers if layer.closes_branch
    ]
    assert sum(layer.closes_branch for layer in layers) == 4


def test_hooks_go_with_a_copy_of_the_model():
    run = put(fresh(model=Residual()), "stochastic_depth", rate=0.5)
    copied = copy.deepcopy(run.model)
    assert (
        copied.branches[3][2]._forward_hooks.keys()
        == run.model.branches[3][2]._forward_hooks.keys()
    )


# --- weight decay ---------------------------------------------------------------------------------


def test_tables_are_not_decayed():
    run = put(fresh(4), "decay_matrices")
    apart = parameter_groups(run)[1]
    assert any(each is run.model.table.weight for each in apart["params"])
    assert apart["weight_decay"] == 0.0


def test_where_only_matrices_are_decayed_there_is_nothing_to_do():
    assert SLOT["decay_matrices"].unfit(fresh()) == "only matrices have weight decay already"


def test_a_recipe_that_decays_biases_is_kept_from_it():
    run = fresh()
    run.optimizer = lambda groups, lr, weight_decay: torch.optim.SGD(
        [{"params": [each for group in groups for each in group["params"]]}], lr, weight_decay=0.1
    )
    assert SLOT["decay_matrices"].unfit(run) is None
