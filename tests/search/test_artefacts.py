"""What a study pays for pretraining and word vectors, and at which of their numbers they share it."""

import time
from dataclasses import replace

import pytest
import torch
from past_trials import finished, history
from torch import nn

import advisor
from advisor.search.artefacts import bounded, coarse, told_of_artefacts
from advisor.search.decisions import numbers_of_artefacts
from advisor.search.estimate import costs_of, estimate, seconds_with_artefacts
from advisor.search.plan import Plan, make_plan
from advisor.search.ranges import distribution_of
from advisor.search.sampler import Sampler
from advisor.search.trial import Round, Stage
from advisor.slots.pretraining import descend
from advisor.training.loop import TrainingSettings
from advisor.training.stacks.alone import trained
from advisor.work.kept_memory import keep_freed_memory
from advisor.work.prepare import prepare
from advisor.work.study_ref import StudyRef
from advisor.work.threads import one_thread

EXPLORING = Round(Stage.EXPLORE, 6, 8)


class Learnt(advisor.Technique):
    """Makes an artefact by passes of a second each, of which each step takes one more."""

    name, slot, cite, passes = "learnt", "pretraining", "nobody", "rounds"
    space = {
        "rounds": advisor.Int(4, 40, default=20),
        "steps": advisor.Int(1, 5, default=2),
        "rate": advisor.Float(0.1, 10.0, default=1.0, log=True),
        "noise": advisor.Choice("none", "some", "much"),
    }

    def pass_seconds(self, run, *, steps=2, **params):
        return steps / 2

    def apply(self, run, **params):
        return None


class Broken(Learnt):
    def pass_seconds(self, run, **params):
        raise ValueError("no idea")


@pytest.mark.parametrize(
    ("seconds", "rounds", "steps", "told"),
    [
        (1000, (4, 40, 20), (1, 5, 2), ""),
        (30, (4, 30, 20), (1, 2, 2), "30 passes at most"),
        (10.9, (4, 10, 10), (1, 2, 2), "10 passes at most"),
        (2, (4, 4, 4), (1, 2, 2), "4 passes, its fewest"),
    ],
)
def test_passes_are_bounded_by_the_seconds_that_are_counted(seconds, rounds, steps, told):
    space, why = bounded(Learnt(), None, seconds)
    ends = {
        name: (each.low, each.high, each.default) for name, each in space.items() if name != "noise"
    }
    assert (ends["rounds"], ends["steps"], why) == (rounds, steps, told)
    assert space["rate"] == Learnt.space["rate"]


def test_a_technique_that_cannot_count_is_not_bounded_and_says_so():
    space, why = bounded(Broken(), None, 1.0)
    assert space == Broken.space
    assert "no idea" in why


def test_the_plan_of_a_study_has_fewer_passes_for_a_smaller_share_and_keeps_them(study):
    shares = (0.01, 2.0, 1e6)
    passes, plans = [], []
    for share in shares:
        plan = make_plan(prepare(StudyRef.of(study(artefact_share=share))))
        plans.append(plan)
        passes.append(plan.space["pretraining.denoising.epochs"].high)
        assert Plan.from_json(plan.to_json()) == plan
    assert passes == sorted(passes)
    assert (passes[0], passes[-1]) == (5, 30)
    told = told_of_artefacts(plans[0].artefacts, 0.01)
    assert "pretraining denoising has 5 passes, its fewest" in told
    assert not told_of_artefacts(plans[-1].artefacts, 1e6)
    with pytest.raises(advisor.InputError, match="artefact_share must be a number above 0"):
        study(artefact_share=0)


def test_numbers_of_an_artefact_have_three_values_each():
    for name, values in {
        "rounds": [20, 13, 31],
        "rate": [1.0, 0.316, 3.16],
        "noise": ["none", "some", "much"],
    }.items():
        parameter = Learnt.space[name]
        space = distribution_of(parameter)
        assert [coarse(space, parameter.first, turn) for turn in range(3)] == values


def test_trials_of_an_arm_share_artefacts_until_it_leads(plan):
    arm = {**plan.baseline, "activation": "elu", "pretraining": "denoising"}
    own = "pretraining.denoising."
    firsts = {name: value for name, value in plan.first.items() if name.startswith(own)}
    before = [finished(plan, plan.baseline, 0.9)]
    before += [
        finished(plan, {**plan.baseline, "initializer": name}, 0.95)
        for name in ("he", "xavier", "lsuv")
    ]
    past = history(plan, before)
    assert numbers_of_artefacts(past, EXPLORING, arm) == firsts
    sampler = Sampler(plan, "maximize")
    sampler.follow(past.trials)
    for seed in range(4):
        decided = lambda arm: numbers_of_artefacts(past, EXPLORING, arm)  # noqa: E731
        params = sampler.propose(seed, {"pretraining": "denoising"}, None, decided)
        assert firsts.items() <= params.items()

    # Another exploration of the arm has other values; one that leads is free.
    past = history(plan, [*before, finished(plan, arm, 0.5, stage=Stage.EXPLORE)])
    assert numbers_of_artefacts(past, EXPLORING, arm) != firsts
    past = history(plan, [*before, finished(plan, arm, 0.99, stage=Stage.EXPLORE)])
    assert numbers_of_artefacts(past, EXPLORING, arm) == {}
    # A study that was begun before has no artefacts in its plan, and searches as it did.
    past = history(replace(plan, artefacts={}), before)
    assert numbers_of_artefacts(past, EXPLORING, arm) == {}


def images(size=20):
    generator = torch.Generator().manual_seed(0)
    data = torch.rand(1200, 1, size, size, generator=generator), torch.arange(1200) % 4
    return advisor.Study(
        "images",
        advisor.Task(
            lambda: nn.Sequential(
                *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
                *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.AdaptiveMaxPool2d(4)),
                *(nn.Flatten(), nn.Linear(512, 4)),
            ),
            data,
        ),
        epochs=12,
    )


def table():
    generator = torch.Generator().manual_seed(0)
    data = torch.randn(1200, 64, generator=generator), torch.arange(1200) % 4
    return advisor.Study("table", advisor.Task(linear_layers, data), epochs=24)


def linear_layers():
    layers = nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 4)
    return nn.Sequential(*layers)


@pytest.mark.parametrize(
    ("build", "name"),
    [
        (images, "denoising"),
        (images, "sparse_autoencoder"),
        (table, "sparse_autoencoder"),
        (table, "contractive"),
    ],
)
def test_a_pretraining_costs_about_as_many_trainings_as_is_said(build, name, monkeypatch):
    """By processor time, of trainings and pretrainings in turn."""
    one_thread()
    keep_freed_memory()
    monkeypatch.setattr(descend, "PATIENCE", 1000)  # as many passes as the bound allows
    prepared = prepare(StudyRef.of(build()))
    technique = prepared.host.find("pretraining", name)
    seconds = prepared.study.artefact_share * seconds_with_artefacts(prepared)
    space, told = bounded(technique, prepared.run(0, 0), seconds)
    assert told

    def spent(work):
        began = time.process_time()
        work(prepared.run(0, 0))
        return time.process_time() - began

    def train(run):
        settings = TrainingSettings(1e-3, 1e-4, prepared.batch, 0, prepared.epochs)
        assert list(trained(run, settings, prepared.splits(0).valid))

    first = {key: each.first for key, each in space.items()}
    ratios = []
    for _ in range(3):
        training = spent(train)
        ratios.append(spent(lambda run: technique.apply(run, **first)) / training)
    assert 0.5 < sorted(ratios)[1] < 3


def test_pairs_rest_on_the_operations_that_they_always_did():
    prepared = prepare(StudyRef.of(table()))
    costs = costs_of(prepared)
    weights = 64 * 128 + 128 + 128 * 128 + 128 + 128 * 4 + 4
    assert costs.operations == {"linear": 6 * weights}
    rows = prepared.facts.sizes["train"]
    expected = 6 * weights * rows / 3e10 + prepared.steps * 3 * 1e-4
    assert estimate(prepared, 5) == pytest.approx(5 * expected)


def test_a_convolution_is_counted_by_its_operations_and_by_its_numbers():
    costs = costs_of(prepare(StudyRef.of(images(8))))
    assert costs.numbers["conv"] == 64 * (1 + 16) + 16 * (16 + 32)
    assert costs.operations["conv"] == 6 * (64 * 160 + 16 * 4640)
    assert costs.calls == {"conv": 2, "linear": 1}
    run = prepare(StudyRef.of(images(8))).run(0, 0)
    segments, _ = advisor.Pretraining().segments(run)
    assert [each.numbers for each in segments] == [64 * (1 + 16), 16 * (16 + 32)]
