"""A model that lacks memory for the usual mini-batches is trained with smaller ones, in all arms."""

import json
from dataclasses import replace

import pytest
import torch
from torch import nn

import advisor
from advisor.api.first_training import advice_on, may_halve
from advisor.errors import SearchError
from advisor.store.query import read
from advisor.training.ended import Ended
from advisor.work.job import Outcome
from advisor.work.prepare import prepare
from advisor.work.study_ref import StudyRef

ERRORS = {
    "torch": lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    "python": MemoryError,
    "allocator": lambda: RuntimeError("[enforce] DefaultCPUAllocator: can't allocate memory"),
}


class Hungry(nn.Module):
    """Has memory for so many rows at once while it trains, or does so with some activation."""

    def __init__(self, rows=40, kind="torch", hungry=None):
        super().__init__()
        self.first, self.last = nn.Linear(4, 8), nn.Linear(8, 2)
        self.act = nn.ReLU()
        self.rows, self.kind, self.hungry = rows, kind, hungry

    def forward(self, x):
        is_training = self.training and torch.is_grad_enabled()
        is_hungry = self.hungry is None or isinstance(self.act, self.hungry)
        if is_training and is_hungry and len(x) > self.rows:
            raise ERRORS[self.kind]()
        return self.last(self.act(self.first(x)))


@pytest.fixture
def many():
    """Two clouds of so many points that a mini-batch has 128 of them."""
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(20_000) % 2
    return torch.randn(len(y), 4, generator=generator) + 1.5 * y[:, None], y


def study_of(data, model=None, **words):
    only = {"activation": ["elu"], "initializer": ["keep"], "pretraining": ["keep"]}
    task = advisor.Task(Hungry, data, arguments=model or {}, **words)
    return advisor.Study("small", task, trials=4, epochs=1, seeds=3, only=only)


@pytest.mark.parametrize("kind", ERRORS)
def test_all_arms_are_trained_with_mini_batches_for_which_the_model_has_memory(
    many, tmp_path, kind
):
    url, seen = str(tmp_path / "a.db"), []
    found = advisor.tune(study_of(many, {"kind": kind}), storage=url, workers=0, on=seen.append)
    assert found.batch == 32
    assert found.trials.failed == 0
    told = [event.text for event in seen if "mini-batches" in event.text]
    assert [each.rpartition("; ")[2] for each in told] == [
        "now with mini-batches of 64 rows",
        "now with mini-batches of 32 rows",
    ]
    assert told[0].startswith("out of memory: ")
    warning = "ran out of memory with the usual mini-batches of 128 rows, so all arms are trained"
    assert sum(warning in each for each in found.warnings) == 1
    (plan,) = read(f"sqlite:///{url}", "SELECT plan FROM advisor_plans")[1]
    assert json.loads(plan[0])["batch"] == 32


def test_a_study_with_smaller_mini_batches_goes_on_with_them(many, tmp_path):
    study, whole = study_of(many), str(tmp_path / "whole.db")

    def stop(event):
        if isinstance(event, advisor.TrialEnded) and event.number == 1:
            raise KeyboardInterrupt

    url = str(tmp_path / "a.db")
    with pytest.raises(KeyboardInterrupt):
        advisor.tune(study, storage=url, workers=0, on=stop)
    again = advisor.tune(study, storage=url, workers=0)
    found = advisor.tune(study, storage=whole, workers=0)
    assert again.batch == found.batch == 32
    assert again.recommended.scores == found.recommended.scores
    assert again.warnings == found.warnings


def test_an_arm_that_lacks_memory_fails_and_the_others_keep_their_mini_batches(many, tmp_path):
    found = advisor.tune(
        study_of(many, {"hungry": nn.ELU}), storage=str(tmp_path / "a.db"), workers=0
    )
    assert found.batch == 128
    assert found.trials.failed
    assert found.choices["activation"] == "keep"


def test_a_number_that_the_study_says_is_kept_and_the_message_says_what_to_do(many, tmp_path):
    message = "out of memory: .*2.00 GiB.*The study says batch=60, which is kept: give a smaller"
    with pytest.raises(SearchError, match=f"{message}.*batch=30, accumulate=2"):
        advisor.tune(study_of(many, batch=60), storage=str(tmp_path / "a.db"), workers=0)


def test_mini_batches_are_halved_down_to_two_rows(many):
    prepared = prepare(StudyRef.of(study_of(many)))
    rows = [128, 64, 32, 16, 8, 4, 2]
    assert [may_halve(replace(prepared, batch=batch)) for batch in rows] == [True] * 6 + [False]
    lacking = Outcome(ended=Ended.FAILED, lacked_memory=True)
    smallest = advice_on(lacking, replace(prepared, batch=2))
    assert smallest.startswith("So it does with mini-batches of 2 rows, the smallest")
    assert "its loss" in advice_on(Outcome(ended=Ended.FAILED), prepared)


def fit(run):
    """A loop of the user's own."""
    yield 0.5


def test_the_mini_batches_of_a_loop_of_the_users_own_are_its_own(many):
    prepared = prepare(StudyRef.of(study_of(many, fit=fit)))
    assert not may_halve(prepared)
    lacking = Outcome(ended=Ended.FAILED, lacked_memory=True)
    assert "of its training loop smaller" in advice_on(lacking, prepared)
