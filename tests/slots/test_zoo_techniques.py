"""Initializers and pretraining on every example model: what they promise, measured."""

import functools
import random

import numpy
import pytest
import torch
from models import measures, zoo
from models.runs import put
from torch import nn

import advisor
from advisor.model.references import paths
from advisor.randomness import isolated, mix
from advisor.search.plan import make_plan
from advisor.technique import Keep
from advisor.training.run import apply
from advisor.work.prepare import prepare
from advisor.work.study_ref import StudyRef

CASES = sorted(zoo.CASES)
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*deprecated", "ignore:Sparse", "ignore:Using padding='same'"
)


@functools.cache
def lsuv(name):
    return measures.lsuv(zoo.CASES[name])


@functools.cache
def denoising(name):
    return measures.denoising(zoo.CASES[name])


def tensors(model):
    """Every parameter and buffer, those of modules in plain lists among them."""
    found = {}
    for path in paths(model).values():
        for name, tensor in (*path.module._parameters.items(), *path.module._buffers.items()):
            if tensor is not None and not nn.parameter.is_lazy(tensor):
                found[f"{path.name}.{name}"] = tensor.detach().clone()
    return found


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("name", CASES)
def test_looking_at_a_model_and_keeping_it_changes_no_bit_and_no_random_number(host, name):
    run = measures.run_of_case(zoo.CASES[name])
    states = torch.random.get_rng_state(), random.getstate(), numpy.random.get_state()[1].tolist()
    before = tensors(run.model)
    lazy = any(nn.parameter.is_lazy(p) for p in nn.Module.parameters(run.model))
    apply(run, [(Keep(slot), {}) for slot in host.slots])
    assert same(tensors(run.model), before)
    for slot in host.slots:
        for technique in host.techniques[slot].values():
            technique.unfit(run)
    modes = [module.training for module in run.model.modules()]
    assert lazy or same(tensors(run.model), before)
    assert all(modes)
    assert torch.equal(torch.random.get_rng_state(), states[0])
    assert (random.getstate(), numpy.random.get_state()[1].tolist()) == states[1:]


class Own(nn.Module):
    """Starts in its own way, in every slot's reach."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 2)
        )
        nn.init.orthogonal_(self.layers[0].weight, 0.3)
        nn.init.zeros_(self.layers[4].weight)

    def forward(self, x):
        return self.layers(x)


def test_what_a_study_trains_under_keep_is_what_the_factory_draws(host, blobs):
    prepared = prepare(
        StudyRef.of(advisor.Study("kept", advisor.Task(build=Own, data=blobs), trials=1))
    )
    make_plan(prepared)
    with isolated(mix(3, "model")):
        drawn = tensors(Own())
    run = prepared.run(3, 3)
    assert same(tensors(run.model), drawn)
    apply(run, [(host.find(slot, "keep"), {}) for slot in host.slots])
    assert same(tensors(run.model), drawn)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("rule", ["he", "lsuv"])
def test_an_initializer_leaves_every_tensor_that_it_does_not_name_and_restores_the_rest(
    host, name, rule
):
    run = measures.run_of_case(zoo.CASES[name])
    technique = host.find("initializer", rule)
    filled = {id(p) for layer in technique.layers(run) for p in nn.Module.parameters(layer.module)}
    left = {
        path.name: {
            k: v.detach().clone()
            for k, v in path.module._parameters.items()
            if v is not None and id(v) not in filled
        }
        for path in paths(run.model).values()
    }
    buffers = [buffer.clone() for buffer in run.model.buffers()]
    said = put(host, run, initializer=rule)["initializer"]
    now = {path.name: path.module._parameters for path in paths(run.model).values()}
    for owner, parameters in left.items():
        for key, value in parameters.items():
            assert torch.equal(now[owner][key], value), f"{owner}.{key}"
    assert all(torch.equal(one, two) for one, two in zip(run.model.buffers(), buffers, strict=True))
    assert all(bool(p.isfinite().all()) for p in nn.Module.parameters(run.model))
    assert "initialized" in said


@pytest.mark.parametrize("name", CASES)
def test_every_layer_is_scaled_or_has_a_reason(name):
    found = lsuv(name)
    assert len(found.again) + len(found.why) == found.layers


def test_lsuv_gives_nineteen_of_twenty_layers_unit_deviation():
    found = [lsuv(name) for name in CASES]
    scaled, within = sum(len(one.again) for one in found), sum(one.within for one in found)
    assert within >= 0.95 * scaled
    assert scaled >= 0.85 * sum(one.layers for one in found)


@pytest.mark.parametrize("name", CASES)
def test_every_layer_is_pretrained_or_has_a_reason_and_the_model_stays_finite(name):
    found = denoising(name)
    assert found.better + len(found.why) == found.layers
    assert found.finite


def test_pretraining_lowers_the_loss_of_nineteen_of_twenty_layers():
    found = [denoising(name) for name in CASES]
    trained = sum(len(one.losses) for one in found)
    assert sum(one.better for one in found) >= 0.95 * trained
    assert trained >= 0.6 * sum(one.layers for one in found)


@pytest.mark.parametrize("name", CASES)
def test_what_a_swap_leaves_is_what_a_trace_of_it_finds(host, name):
    run = measures.run_of_case(zoo.CASES[name])
    elu = host.find("activation", "elu")
    if elu.unfit(run) is not None:
        return
    put(host, run, activation="elu")
    left = run.anatomy
    run.changed()
    assert left == run.anatomy
    for one, other in zip(left.layers, run.anatomy.layers, strict=True):
        assert one.module is other.module or one.matrices
