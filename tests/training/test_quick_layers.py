"""Layers that are computed by formulas while a model is called, and what is left of that."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.autograd import forward_ad
from torch.utils.checkpoint import checkpoint

import advisor
from advisor.training import loop
from advisor.training.loop import TrainingSettings, predict, train
from advisor.training.quick_layers import QUICK, Computed, QuickLayers, quick_copy
from advisor.work.prepare import prepare
from advisor.work.study_ref import StudyRef

LAYERS = [nn.Mish(), nn.Softsign()]
SHAPE = (16, 4, 8, 8)


def net(layer=LAYERS[0]):
    return nn.Sequential(
        *(nn.Conv2d(1, 4, 3, padding=1), copy.deepcopy(layer)),
        *(nn.Conv2d(4, 4, 3, padding=1), copy.deepcopy(layer), nn.Flatten()),
        *(nn.Linear(256, 64), copy.deepcopy(layer), nn.Linear(64, 3)),
    )


class Watching(nn.Module):
    """Keeps what it sees of its layers while it is called."""

    def __init__(self, layer, raises=False):
        super().__init__()
        self.net, self.raises, self.seen = net(layer), raises, []

    def forward(self, x):
        self.seen.append({type(each).__name__ for each in self.net.modules()})
        if self.raises:
            raise ValueError("no")
        return self.net(x)


def numbers(dtype=torch.float32):
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(0), dtype=dtype)


def run_of(build):
    x = torch.randn(120, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    task = advisor.Task(build, (x, torch.arange(120) % 3), batch=16)
    prepared = prepare(StudyRef.of(advisor.Study("quick", task, epochs=2)))
    return prepared.run(0, 0), prepared.splits(0).valid


def trained(layer, is_quick, monkeypatch):
    run, valid = run_of(lambda: net(layer))
    if not is_quick:
        monkeypatch.setattr(loop, "QuickLayers", lambda _: QuickLayers(nn.Identity()))
    # AdamW makes a step of rounding, where a gradient is nearly zero.
    curve = list(train(run, TrainingSettings(0.001, 1e-4, 16, 0, 1), valid))
    return [(each.loss, each.score) for each in curve], run.model.state_dict()


def is_computed(value):
    return type(value.grad_fn).__name__ == f"{Computed.__name__}Backward"


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_the_numbers_of_a_training_are_those_of_torch(layer, monkeypatch):
    ours, usual = (trained(layer, is_quick, monkeypatch) for is_quick in (True, False))
    torch.testing.assert_close(ours, usual, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_they_are_the_same_bits_when_it_is_trained_again(layer, monkeypatch):
    one, other = (trained(layer, True, monkeypatch) for _ in range(2))
    assert one[0] == other[0]
    assert all(torch.equal(each, other[1][name]) for name, each in one[1].items())


@pytest.mark.parametrize("raises", [False, True])
@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_nothing_is_left_in_a_model(layer, raises):
    run, valid = run_of(lambda: Watching(layer))
    model = run.model
    model.raises = raises
    before = repr(model), [*map(type, model.modules())], [*model.state_dict()]
    held = [sorted(vars(each)) for each in model.modules()]
    settings = TrainingSettings(0.01, 1e-4, 16, 0, 1)
    if raises:
        with pytest.raises(ValueError, match="no"):
            list(train(run, settings, valid))
    else:
        list(train(run, settings, valid))
        predict(run, valid, 16)
    usual, quick = type(layer).__name__, QUICK[type(layer)].__name__
    assert all(quick in seen and usual not in seen for seen in model.seen)
    assert before == (repr(model), [*map(type, model.modules())], [*model.state_dict()])
    assert held == [sorted(vars(each)) for each in model.modules()]
    torch.testing.assert_close(pickle.loads(pickle.dumps(model)).state_dict(), model.state_dict())


def test_copies_that_are_made_in_a_call_are_those_of_the_model():
    model = net()
    with QuickLayers(model).called():
        copies = copy.deepcopy(model), pickle.loads(pickle.dumps(model))
        assert repr(model) == repr(copies[0])
    x = numbers()[:, :1]
    for each in copies:
        assert [*map(type, each)] == [*map(type, model)]
        torch.testing.assert_close(each(x), model(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_hooks_of_a_layer_are_called(layer):
    model, heard = nn.Sequential(copy.deepcopy(layer)), []
    model[0].register_forward_hook(lambda module, given, value: heard.append((module, value)))
    model[0].register_full_backward_hook(lambda module, before, after: heard.append(after[0]))
    x = numbers().requires_grad_()
    with QuickLayers(model).called():
        value = model(x)
    value.sum().backward()
    assert heard[0][0] is model[0]
    assert torch.equal(heard[0][1], value)
    assert torch.equal(heard[1], torch.ones(SHAPE))
    torch.testing.assert_close(x.grad, grad_of(layer, x), rtol=1e-5, atol=1e-6)


def grad_of(layer, x):
    return torch.autograd.grad(layer(x).sum(), x)[0]


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_a_gradient_may_be_taken_twice_and_differentiated(layer):
    quick, x = quick_copy(layer), numbers(torch.float64).requires_grad_()
    value = quick(x)
    assert is_computed(value)
    twice = [torch.autograd.grad(value.sum(), x, retain_graph=True)[0] for _ in range(2)]
    assert torch.equal(*twice)
    (first,) = torch.autograd.grad(value.square().sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), x)
    (usual,) = torch.autograd.grad(layer(x).square().sum(), x, create_graph=True)
    torch.testing.assert_close((first, second), (usual, grad_of_squares(usual, x)))


def grad_of_squares(first, x):
    return torch.autograd.grad(first.square().sum(), x)[0]


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_those_who_look_at_operations_find_those_of_torch(layer):
    quick, x = quick_copy(layer), numbers()
    assert not is_computed(quick(x[:1].requires_grad_()))
    assert quick(x.bfloat16()).dtype is torch.bfloat16
    steep = torch.func.vmap(torch.func.grad(lambda each: quick(each).sum()))
    torch.testing.assert_close(steep(x), grad_of(layer, x.requires_grad_()))
    traced, usual = (torch.jit.trace(each, x.detach()).inlined_graph for each in (quick, layer))
    assert [each.kind() for each in traced.nodes()] == [each.kind() for each in usual.nodes()]
    with forward_ad.dual_level():
        pushed = quick(forward_ad.make_dual(x.detach(), torch.ones(SHAPE)))
        tangent = forward_ad.unpack_dual(pushed).tangent
    torch.testing.assert_close(tangent, grad_of(layer, x))


@pytest.mark.parametrize("use_reentrant", [False, True])
@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_what_is_computed_again_on_the_way_back_is_the_same(layer, use_reentrant):
    model, x = nn.Sequential(copy.deepcopy(layer)), numbers().requires_grad_()
    with QuickLayers(model).called():
        value = checkpoint(model, x, use_reentrant=use_reentrant)
    value.sum().backward()
    torch.testing.assert_close(x.grad, grad_of(layer, x), rtol=1e-5, atol=1e-6)


def test_where_torch_does_not_say_what_it_keeps_layers_are_its_own(monkeypatch):
    monkeypatch.setattr("advisor.training.quick_layers._HOOKS", None)
    assert not is_computed(quick_copy(LAYERS[0])(numbers().requires_grad_()))


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_a_compiled_model_is_called_as_it_is(layer):
    model, x = nn.Sequential(copy.deepcopy(layer)), numbers().requires_grad_()
    compiled = torch.compile(model, backend="eager")
    for _ in range(2):
        with QuickLayers(compiled).called():
            value = compiled(x)
        assert not is_computed(value)
        torch.testing.assert_close(value, layer(x))


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_what_is_read_may_not_be_changed_before_the_way_back(layer):
    x = numbers().requires_grad_()
    read = x * 1
    value = quick_copy(layer)(read)
    read.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        value.sum().backward()


def test_a_layer_of_somebodys_own_is_left_alone():
    class Own(nn.Mish):
        def forward(self, x):
            return 2 * x

    model = nn.Sequential(Own(), nn.ReLU(), nn.Mish(inplace=True))
    with QuickLayers(model).called():
        assert [*map(type, model)] == [Own, nn.ReLU, nn.Mish]
