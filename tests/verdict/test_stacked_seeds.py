"""Measuring seeds that are trained together give the answer that they give one by one."""

from __future__ import annotations

import json
import logging

import pytest
from models.small import Net

import advisor
from advisor.search import search
from advisor.verdict import fresh_seeds
from advisor.work import executors


def timeless(value):
    if isinstance(value, dict):
        return {key: timeless(part) for key, part in value.items() if key != "seconds"}
    return [timeless(part) for part in value] if isinstance(value, list) else value


@pytest.fixture
def ask(blobs, tmp_path):
    """The answer of a small study whose gain is measured on five pairs, as plain values."""

    def ask(name, on=lambda event: None, workers=0):
        only = {"activation": ["elu"], "initializer": [], "pretraining": []}
        study = advisor.Study(
            "blobs", advisor.Task(Net, blobs), trials=2, epochs=2, seeds=5, only=only
        )
        found = advisor.tune(study, storage=str(tmp_path / name), workers=workers, on=on)
        return timeless(json.loads(found.to_json()))

    return ask


@pytest.fixture
def stacks(monkeypatch):
    """How many jobs each stack had that was done in this process."""
    sizes, work = [], executors.work_on_stack

    def watched(stack):
        sizes.append(len(stack.jobs))
        return work(stack)

    monkeypatch.setattr(executors, "work_on_stack", watched)
    return sizes


def test_seeds_that_are_trained_together_give_the_answer_of_seeds_that_are_not(
    ask, stacks, monkeypatch, caplog
):
    together = ask("together.db")
    # Three seeds choose, and five measure, of each arm.
    assert stacks == [3, 3, 5, 5]
    for module in (fresh_seeds, search):
        monkeypatch.setattr(module, "why_no_stack", lambda *_, **__: "a test wants it so")
    with caplog.at_level(logging.INFO, "advisor.stacks"):
        assert ask("alone.db") == together
    assert stacks == [3, 3, 5, 5]
    assert "one by one: a test wants it so" in caplog.text


def test_a_study_that_is_stopped_between_the_seeds_of_a_stack_trains_the_whole_stack_again(
    ask, stacks
):
    whole = ask("whole.db")

    def stop(event):
        if "measuring" in event.text:
            told.append(event.text)
            if len(told) == 3:
                raise KeyboardInterrupt

    stacks.clear()
    told = []
    with pytest.raises(KeyboardInterrupt):
        ask("stopped.db", stop)
    assert stacks == [3, 3, 5]
    assert ask("stopped.db", stop) == whole
    assert stacks == [3, 3, 5, 5, 5]
    assert len(told) == 10, "each seed is told once"


@pytest.mark.proof
def test_the_answer_is_that_of_any_number_of_workers(ask):
    assert ask("two.db", workers=2) == ask("none.db") == ask("one.db", workers=1)
