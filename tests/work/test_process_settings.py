"""What a job sets for its whole process does not reach the next one."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import advisor
from advisor.training.ended import Ended
from advisor.work.job import work
from advisor.work.process_settings import SETTINGS, settings_kept
from advisor.work.study_ref import StudyRef

POISON = """
import advisor, os, random, signal, sys, warnings, numpy, torch

class Poison(advisor.Technique):
    name, slot = "poison", "initializer"
    def apply(self, run):
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        torch.set_num_threads(3)
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.set_float32_matmul_precision("medium")
        torch.set_default_device("meta")
        torch.autograd.set_detect_anomaly(True)
        torch.manual_seed(9), numpy.random.seed(9), random.seed(9)
        numpy.seterr(all="raise")
        warnings.simplefilter("error")
        sys.path.insert(0, "/nowhere")
        os.environ["ODD"] = "1"
        os.chdir("/")
        sys.setrecursionlimit(333)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        signal.signal(signal.SIGALRM, lambda *_: sys.exit("late"))
        raise ValueError("and then it fails")

@advisor.hookimpl
def techniques():
    return [Poison()]
"""


class Drawing(nn.Module):
    """Draws from every global random state, when it is built and when it runs."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(4, 8), nn.Linear(8, 2)
        self.factor = 1 + random.random() + np.random.rand()

    def forward(self, x):
        noise = random.random() + np.random.rand() if self.training else 0
        return self.last(torch.relu(self.first(x)) * (self.factor + noise))


@pytest.fixture
def ref(blobs, write) -> StudyRef:
    task = advisor.Task(build=Drawing, data=blobs)
    study = StudyRef.of(advisor.Study("drawing", task, epochs=3))
    return replace(study, plugins=(write("poison.py", POISON),))


def numbers(outcome):
    assert outcome.ended is None, outcome.why
    return [(epoch.epoch, epoch.score, epoch.loss) for epoch in outcome.curve]


def test_an_answer_does_not_depend_on_what_its_process_did_before(ref, job):
    before = [setting.read() for setting in SETTINGS]
    first = numbers(work(job(ref, "one")))
    poisoned = work(job(ref, "one", initializer="poison"))
    assert poisoned.ended is Ended.FAILED
    assert "and then it fails" in poisoned.why
    assert [setting.read() for setting in SETTINGS] == before
    time.sleep(0.6)  # an alarm that were left would end this process
    assert numbers(work(job(ref, "one"))) == first
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    assert numbers(work(job(ref, "one"))) == first
    assert numbers(work(job(ref, "as another process opens it"))) == first


def test_a_training_in_parts_draws_what_one_at_once_draws(ref, job, tmp_path):
    state = str(tmp_path / "0-1.pt")
    whole = numbers(work(job(ref, "one")))
    work(replace(job(ref, "one"), to_epoch=1, save=state))
    random.seed(5), np.random.seed(5)
    assert numbers(work(replace(job(ref, "one"), from_epoch=1, load=state))) == whole[1:]


def test_a_job_leaves_the_random_states_of_its_process_alone(ref, job):
    work(job(ref, "one"))
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    work(job(ref, "one"))
    after = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    assert before == after


def test_what_was_set_before_stays_as_it_was():
    before = np.geterr(), list(warnings.filters), signal.getsignal(signal.SIGTERM), sys.path[:]
    threads = torch.get_num_threads()
    with settings_kept():
        pass
    after = np.geterr(), list(warnings.filters), signal.getsignal(signal.SIGTERM), sys.path[:]
    assert before == after
    assert torch.get_num_threads() == threads


def test_settings_are_kept_in_a_thread_and_after_the_working_folder_is_gone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gone").mkdir()
    os.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    raised = []

    def inside():
        try:
            with settings_kept():
                os.chdir(tmp_path)
                torch.set_default_dtype(torch.float64)
        except BaseException as problem:
            raised.append(problem)

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert not raised
    assert torch.get_default_dtype() is torch.float32
