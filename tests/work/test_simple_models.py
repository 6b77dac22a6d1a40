"""What simple models reach is found by a worker that would wait, or here at the end."""

import os
from dataclasses import replace

import pytest

from advisor.training.floor import Simple
from advisor.work import simple_models as module
from advisor.work.crews import crew
from advisor.work.prepare import prepare
from advisor.work.simple_models import begin_simple_models, simple_models
from advisor.work.study_ref import StudyRef

STUDY = """
import os, signal
import advisor, torch
from torch import nn

def metric(output, target):
    if os.getpid() != {here}:
        {there}
    return float((output.argmax(1) == target).float().mean())

def data():
    x = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    return x, (x[:, 0] > 0).long()

task = advisor.Task(lambda: nn.Linear(4, 2), data=data, metric=metric)
study = advisor.Study("simple", task, trials=4, epochs=1, minutes={minutes})
"""


@pytest.fixture
def prepared(write):
    """A study whose metric does in a worker what is given, on one line."""

    def prepared(there="pass", minutes=None):
        text = STUDY.format(here=os.getpid(), there=there, minutes=minutes)
        return prepare(StudyRef.of(write("simple.py", text)))

    return prepared


@pytest.fixture
def found_here(monkeypatch):
    """The studies whose simple models are found in this process."""
    found = []
    find = module.of_test_rows
    monkeypatch.setattr(
        module, "of_test_rows", lambda study, batch: found.append(study) or find(study, batch)
    )
    return found


def test_a_worker_that_would_wait_finds_what_this_process_would_find(prepared, found_here):
    study = prepared()
    with crew(2) as workers:
        begin_simple_models(study, workers)
        found = simple_models(study, workers)
    assert not found_here
    with crew(0) as workers:
        begin_simple_models(study, workers)
        assert simple_models(study, workers) == found
    assert found_here == [study]
    assert all(floor.score is not None for floor in found)


@pytest.mark.parametrize(("workers", "minutes"), [(0, None), (1, None), (2, 5)])
def test_where_no_worker_would_wait_or_time_is_short_they_are_found_here(
    prepared, found_here, workers, minutes
):
    study = prepared(minutes=minutes)
    with crew(workers) as some:
        begin_simple_models(study, some)
        assert len(simple_models(study, some)) == len(Simple)
    assert found_here == [study]


@pytest.mark.parametrize(
    "there", ["os.kill(os.getpid(), signal.SIGKILL)", "raise SystemExit", "raise BaseException"]
)
def test_what_a_worker_cannot_find_is_found_here(prepared, found_here, there):
    study = prepared(there)
    with crew(2) as workers:
        begin_simple_models(study, workers)
        found = simple_models(study, workers)
    assert all(floor.score is not None for floor in found)
    assert found_here == [study]


def test_what_ends_a_worker_is_not_done_here(prepared, found_here):
    study = prepared("os._exit(3)")
    with crew(2) as workers:
        begin_simple_models(study, workers)
        found = simple_models(study, workers)
    assert [floor.model for floor in found] == list(Simple)
    assert {floor.score for floor in found} == {None}
    assert "exit code 3: os._exit in metric" in found[0].why
    assert not found_here


def test_they_are_found_again_for_other_mini_batches_and_after_the_workers_were_stopped(
    prepared, found_here
):
    study = prepared()
    with crew(2) as workers:
        begin_simple_models(study, workers)
        smaller = replace(study, batch=study.batch // 2)
        simple_models(smaller, workers)
        begin_simple_models(study, workers)
        workers.stop()
        simple_models(study, workers)
    assert found_here == [smaller, study]
