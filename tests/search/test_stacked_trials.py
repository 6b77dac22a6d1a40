"""Trials of a rung that are trained together give the search that they give one by one."""

from __future__ import annotations

import json
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

import advisor
from advisor.search import search
from advisor.verdict import fresh_seeds
from advisor.work import executors

PLUGIN = '''
import torch
from torch import nn
import advisor

class Normed(advisor.Technique):
    """Gives the model another structure."""
    name, slot = "normed", "odd"
    def apply(self, run):
        run.model = nn.Sequential(run.model[0], nn.LayerNorm(16), *run.model[1:])

class Hooked(advisor.Technique):
    """Reaches into the training."""
    name, slot = "hooked", "odd"
    def apply(self, run):
        run.each_step.append(lambda *_: None)

class Broken(advisor.Technique):
    """Raises."""
    name, slot = "broken", "odd"
    def apply(self, run):
        raise RuntimeError("not on this model")

class Hollow(advisor.Technique):
    """Changes nothing beside another technique."""
    name, slot = "hollow", "odd"
    def apply(self, run):
        if type(run.model[1]) is nn.ReLU:
            with torch.no_grad():
                run.model[0].weight.mul_(1.1)

@advisor.hookimpl
def slots():
    return [advisor.Slot("odd", "a test", after=("activation", "initializer"))]

@advisor.hookimpl
def techniques():
    return [Normed(), Hooked(), Broken(), Hollow()]
'''
STUDY = """
import torch
from torch import nn
import advisor

def net():
    return nn.Sequential(
        nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 3))

def data():
    y = torch.arange(240) % 3
    x = torch.randn(240, 6, generator=torch.Generator().manual_seed(0))
    return x + .8 * nn.functional.one_hot(y, 6), y

only = {"activation": ["elu", "gelu", "tanh", "leaky_relu"], "initializer": ["orthogonal", "he"],
        "pretraining": [], "embedding": []}
study = advisor.Study(
    "stacked", advisor.Task(build=net, data=data, batch=48), trials=26, epochs=6, seeds=5, only=only)
"""


@pytest.fixture
def tuned(write, tmp_path, monkeypatch):
    """Tune that study; gives the answer and the curves of its trials."""
    monkeypatch.setattr("advisor.search.pruning.LEAST_STEPS", 1)  # its trainings are short
    file, plugin = write("stacked.py", STUDY), write("odd.py", PLUGIN)

    def tuned(name, on=lambda event: None, workers=0):
        storage = tmp_path / f"{name}.db"
        answer = advisor.tune(
            str(file), storage=str(storage), plugins=[str(plugin)], on=on, workers=workers
        )
        return timeless(json.loads(answer.to_json())), curves_in(storage)

    return tuned


def timeless(value):
    if isinstance(value, dict):
        return {key: timeless(part) for key, part in value.items() if key != "seconds"}
    return [timeless(part) for part in value] if isinstance(value, list) else value


def curves_in(storage):
    with sqlite3.connect(storage) as connection:
        return connection.execute(
            "SELECT number, epoch, score, loss FROM advisor_curves ORDER BY number, epoch"
        ).fetchall()


@pytest.fixture
def stacks(monkeypatch):
    """What came of each stack that was done in this process: trials, and those left to others."""
    done, work = [], executors.work_on_stack

    def watched(stack):
        outcome = work(stack)
        done.append((len(stack.jobs), outcome.outcomes.count(None), outcome.alone))
        return outcome

    monkeypatch.setattr(executors, "work_on_stack", watched)
    return done


def test_trials_that_are_trained_together_are_those_that_are_trained_one_by_one(
    tuned, stacks, monkeypatch, caplog
):
    answer, curves = tuned("together")
    assert max(size for size, _, _ in stacks) >= 4
    assert any("each_step" in why for _, _, alone in stacks for why in alone)
    assert len(stacks) > 8
    stacks.clear()

    def alone(*_):
        return "a test wants it so"

    monkeypatch.setattr(search, "why_no_stack", alone)
    monkeypatch.setattr(fresh_seeds, "why_no_stack", alone)
    with caplog.at_level(logging.INFO, "advisor.stacks"):
        other, others = tuned("alone")
    assert not stacks
    assert "trials are trained one by one: a test wants it so" in caplog.text
    assert [row[:2] for row in curves] == [row[:2] for row in others]
    for mine, theirs in zip(curves, others, strict=True):
        assert mine[2:] == pytest.approx(theirs[2:], abs=1e-5)
    assert answer["choices"] == other["choices"]
    assert answer["trials"] == other["trials"]


def test_a_search_that_is_stopped_after_any_number_of_outcomes_gives_the_same(tuned):
    whole = tuned("whole")
    told, stops = 0, 0

    def stop(event):
        nonlocal told, stops
        told += 1
        # After 1, 2, 3, … outcomes more.
        if told > stops:
            told, stops = 0, stops + 1
            raise KeyboardInterrupt

    while True:
        try:
            pieces = tuned("pieces", stop)
            break
        except KeyboardInterrupt:
            assert stops < 100
    assert stops > 8
    assert pieces == whole


def test_the_answer_is_that_of_any_number_of_workers(tuned):
    assert tuned("two", workers=2) == tuned("none")


@pytest.mark.proof
@pytest.mark.parametrize("workers", [1, 2])
def test_a_study_that_is_killed_again_and_again_gives_the_same(tuned, tmp_path, workers):
    whole = tuned("whole")
    storage, file = tmp_path / "killed.db", tmp_path / "stacked.py"
    code = (
        f"import advisor; advisor.tune({str(file)!r}, storage={str(storage)!r}, "
        f"plugins=[{str(tmp_path / 'odd.py')!r}], workers={workers})"
    )
    for moment in range(12):
        before = rows_in(storage)
        process = subprocess.Popen(
            [sys.executable, "-c", code], start_new_session=True, stderr=subprocess.DEVNULL
        )
        while process.poll() is None and rows_in(storage) < before + 2:
            time.sleep(0.02)
        time.sleep(0.03 * moment)
        if process.poll() is not None:
            break
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert moment > 3
    assert tuned("killed", workers=workers) == whole


def rows_in(storage):
    """How much a study has written of its trainings."""
    try:
        with sqlite3.connect(f"file:{storage}?mode=ro", uri=True) as connection:
            tables = ("advisor_curves", "advisor_confirmations")
            return sum(
                connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                for table in tables
            )
    except sqlite3.OperationalError:  # there is none yet
        return 0
