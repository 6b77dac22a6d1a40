"""Work is a function of a job, and a process opens a study once for each opening of it."""

from dataclasses import replace

import numpy as np

import advisor
from advisor.search.plan import make_plan
from advisor.training.ended import Ended
from advisor.work import prepare as prepare_module
from advisor.work.job import Job, work
from advisor.work.opened import in_this_process
from advisor.work.prepare import prepare
from advisor.work.study_ref import StudyRef


def test_work_is_a_function_of_the_job_alone(job):
    one, two = work(job(initializer="he")), work(job(initializer="he"))
    assert [(e.score, e.loss) for e in one.curve] == [(e.score, e.loss) for e in two.curve]
    assert one.ended is None
    assert "initialized 2 layers" in one.actions["initializer"]
    assert {"initializer", "training"} <= set(one.costs)


def test_a_technique_that_is_not_loaded_fails_one_job_with_what_to_do(job):
    outcome = work(job(initializer="nobody_brings_this"))
    assert outcome.ended is Ended.FAILED
    assert "'nobody_brings_this' is not loaded; name its plugin with --plugin" in outcome.why


def test_a_loss_that_is_not_finite_ends_the_training_with_its_reason(job):
    outcome = work(job(**{"training.lr": 1e30}))
    assert outcome.ended is Ended.NOT_FINITE
    assert "became" in outcome.why or "not finite" in outcome.why


def counted(monkeypatch):
    """The number of times that data were opened, as a list that grows."""
    opened = []
    original = prepare_module.open_source

    def open_source(**options):
        opened.append(options)
        return original(**options)

    monkeypatch.setattr(prepare_module, "open_source", open_source)
    return opened


def test_a_process_reads_the_data_once_for_all_jobs_of_an_opening(monkeypatch, job, ref):
    opened = counted(monkeypatch)
    prepared = prepare(ref)
    prepared.splits(0)
    prepared.splits(1)
    with in_this_process(prepared):
        for _ in range(3):
            work(job(opening_id=prepared.opening_id))
    assert len(opened) == 1
    work(job(opening_id="another"))
    work(job(opening_id="another"))
    assert len(opened) == 2


def test_a_vocabulary_that_is_limited_does_not_read_the_data_again(monkeypatch):
    from torch import nn

    opened = counted(monkeypatch)
    words = np.array([f"word{i} word{i % 7} again" for i in range(60)])

    def net():
        return nn.Sequential(nn.EmbeddingBag(9, 4), nn.Linear(4, 2))

    task = advisor.Task(build=net, data=lambda: (words, np.arange(60) % 2))
    prepared = prepare(StudyRef.of(advisor.Study("words", task)))
    assert len(prepared.facts.vocabulary) == 9
    prepared.splits(3)
    assert len(opened) == 1


def test_a_process_that_finds_another_study_does_not_train(job):
    ours = job(opening_id="opened for its rows")
    outcome = work(replace(ours, content=replace(ours.content, rows="another digest")))
    assert "needs a seed" in outcome.trouble
    assert (outcome.ended, outcome.curve) == (None, [])
    assert work(ours).trouble == ""


READS_A_FILE = """\
from pathlib import Path

import torch
from torch import nn

import advisor

x = torch.arange(240.0).reshape(60, 4) % 7


def net():
    width = int(Path(__file__).with_name("width.txt").read_text())
    return nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 2))


study = advisor.Study("reads", advisor.Task(net, (x, torch.arange(60) % 2)), trials=2, epochs=1)
"""


def test_a_file_that_is_edited_while_a_study_runs_stops_its_workers(write):
    file = write("study.py", READS_A_FILE)
    write("width.txt", "4")
    ref = StudyRef(file=file)
    prepared = prepare(ref)
    plan = make_plan(prepared)
    params = {**plan.baseline, **plan.defaults_of(plan.baseline)}
    job = Job(ref, "begun", prepared.digest, params, 1, 0, batch=16, from_epoch=0, to_epoch=1)
    assert work(job).trouble == ""
    other = replace(job.content, code="another digest")
    assert "edited" in work(replace(job, opening_id="code", content=other)).trouble
    write("width.txt", "6")
    assert "A file that the study reads was edited" in work(replace(job, opening_id="new")).trouble
