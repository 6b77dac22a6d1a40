"""Several devices, for which those of one processor stand in: `cpu:0`, `cpu:1`, …"""

import json
from dataclasses import replace

import pytest
import torch
from models.small import Net

import advisor
from advisor.training.ended import Ended
from advisor.training.kept_file import KeptFile, to_this
from advisor.work.crews import crew, local_pool
from advisor.work.devices import CONTEXT, DeviceMemory, DeviceRoom, Staff, memory_of, staff_of
from advisor.work.executors import Crew
from advisor.work.job import Outcome
from advisor.work.opened import in_this_process, open_once
from advisor.work.pool import Serial
from advisor.work.prepare import prepare
from advisor.work.worker import own_device

FILE = """
import torch, advisor
from torch import nn
def net():
    return nn.Linear(4, 2)
study = advisor.Study("small", advisor.Task(net, (torch.randn(60, 4), torch.arange(60) % 2)))
"""
TWO = ("cpu:0", "cpu:1")


def device_of(study, device, opening_id):
    """In a worker: the device of the process, and the one on which it opens a study."""
    return own_device(), str(open_once(study, device, opening_id).prepared.device)


@pytest.fixture
def study(blobs):
    only = {"activation": ["elu"], "initializer": ["he"], "pretraining": ["denoising"]}
    return advisor.Study("small", advisor.Task(Net, blobs), trials=6, epochs=2, seeds=3, only=only)


def timeless(value):
    """A JSON without what clocks say."""
    if isinstance(value, dict):
        kept = {key: each for key, each in value.items() if "second" not in key}
        return {key: timeless(each) for key, each in kept.items()}
    return [timeless(each) for each in value] if isinstance(value, list) else value


def answer(study, place, **words):
    return timeless(json.loads(advisor.tune(study, storage=str(place), **words).to_json()))


def test_a_study_on_several_devices_has_the_answer_that_it_has_on_one(study, tmp_path):
    one = answer(study, tmp_path / "one.db", workers=0, device="cpu:0")
    several = answer(study, tmp_path / "several.db", device="cpu:0, cpu:1")
    assert several == one


def test_trainings_are_handed_out_to_the_devices_of_which_each_worker_has_one(ref):
    with crew(Staff(4, TWO)) as workers:
        turns = [workers.begin(device_of, ref, "cpu", "one opening") for _ in range(8)]
        found = [turn.result() for turn in turns]
    assert {own for own, _ in found} == set(TWO)
    assert all(own == opened for own, opened in found)
    # Without devices of their own they compute where the task says.
    with local_pool(1) as pool:
        assert pool.submit(device_of, ref, "cpu:0", "other").result() == ("", "cpu:0")


def test_the_device_with_the_fewest_trainings_gets_the_next_one():
    with local_pool(6, TWO) as pool:
        taken = [pool._take() for _ in range(3)]
        assert sorted(place.device for place in taken[:2]) == [*TWO]
        freed = next(place for place in taken if place.device == "cpu:1")
        others = [place.device for place in taken if place is not freed]
        pool._free.append(freed)
        # What was used last goes on, and never beside another one while a device has less to do.
        assert pool._take().device == ("cpu:1" if others.count("cpu:0") else "cpu:0")


def test_a_study_is_open_once_for_each_device(ref):
    prepared = prepare(ref)
    with in_this_process(prepared):
        there = open_once(ref, "cpu:1", prepared.opening_id)
        assert there.prepared.device == torch.device("cpu:1")
        assert open_once(ref, "cpu", prepared.opening_id).prepared is prepared
        assert open_once(ref, "cpu:1", prepared.opening_id) is there


def test_an_artefact_of_another_device_is_put_on_this_one(tmp_path):
    file = KeptFile(tmp_path / "made.pt", "content")
    file.write({"numbers": torch.arange(3)})
    assert file.read(to_this(torch.device("meta")))["numbers"].device.type == "cpu"
    storage = torch.arange(3).untyped_storage()
    assert to_this(torch.device("meta"))(storage, "cuda:1").device.type == "meta"


@pytest.mark.parametrize(
    ("device", "workers", "usual", "first", "staff"),
    [
        ("cpu", None, 2, "cpu", Staff(2)),
        ("cpu", 3, 2, "cpu", Staff(3)),
        ("cpu:0,cpu:1,cpu:2", None, 2, "cpu:0", Staff(3, (*TWO, "cpu:2"))),
        ("cpu:1,cpu:0", 4, 2, "cpu:1", Staff(4, TWO[::-1])),
        # One worker a device, until a training has shown how many have room.
        ("cuda", None, 8, "cuda", Staff(1, (), 8)),
        ("cuda", 4, 8, "cuda", Staff(4)),
    ],
)
def test_workers_by_devices(device, workers, usual, first, staff):
    assert staff_of(device, workers, usual) == (first, staff)


@pytest.mark.parametrize(
    ("device", "words", "message"),
    [
        ("cpu,cuda", [], "--device cpu,cuda has devices of several kinds (cpu, cuda)"),
        ("cpu,nonsense", [], "--device 'nonsense' cannot be used here"),
        ("cpu,", [], "--device '' cannot be used here"),
        ("meta:0,meta:1", [], "--device 'meta:0' cannot be used here"),
        ("cpu,cpu:0", [], "--device cpu,cpu:0 names cpu:0 2 times: name each device once"),
        ("cpu:0,cpu:1", ["--workers", "1"], "--workers 1 leaves a device of --device cpu:0,cpu:1"),
        ("cpu:0,cpu:1", ["--workers", "0"], "give --workers 2 or more, or fewer devices"),
        ("cpu:0,cpu:1", ["--executor", "a.py:b"], "is for the workers of this machine"),
    ],
)
def test_devices_that_are_no_choice_are_refused_in_one_message(
    advise, write, device, words, message
):
    small_study = write("small.py", FILE)
    said = advise("tune", small_study, "--device", device, *words)
    assert said.code == 2
    assert message in said.err
    assert "\n" not in said.err.strip()


def test_workers_are_as_many_as_the_memory_of_their_devices_has_room_for():
    gigabyte = 2**30
    room = DeviceRoom(devices=2, most=16)
    assert room.workers(DeviceMemory(3 * gigabyte - CONTEXT, 40 * gigabyte)) == 16
    assert room.workers(DeviceMemory(10 * gigabyte - CONTEXT, 40 * gigabyte)) == 6
    # What one has taken another may take again; there is always one.
    assert room.workers(DeviceMemory(gigabyte, 40 * gigabyte)) == 6
    assert room.workers(DeviceMemory(80 * gigabyte, 40 * gigabyte)) == 2
    assert memory_of(torch.device("cpu")) is None


class Lacking(Serial):
    """Each job ends for want of memory at first, and the one of trial 2 at all times."""

    def __init__(self):
        self.asked = []

    def submit(self, fn, job):
        self.asked.append(job.name)
        lacks = self.asked.count(job.name) == 1 or job.name == "trial 2"
        ended = Ended.FAILED if lacks else None
        return super().submit(lambda: Outcome(ended=ended, lacked_memory=lacks))


def test_a_job_that_lacked_memory_beside_others_runs_again_by_itself(job):
    executor = Lacking()
    jobs = {number: replace(job(), name=f"trial {number}") for number in range(3)}
    outcomes = dict(Crew(lambda: executor, 2).run(jobs))
    assert executor.asked == [f"trial {number}" for number in (0, 1, 2, 0, 1, 2)]
    assert [outcomes[number].ended for number in range(3)] == [None, None, Ended.FAILED]
    # One worker has all the memory the first time.
    executor = Lacking()
    assert all(each.ended for each in dict(Crew(lambda: executor, 1).run(jobs)).values())
    assert len(executor.asked) == 3


def test_there_are_more_workers_once_a_training_has_shown_that_they_have_room(job):
    room = DeviceRoom(devices=1, most=4)
    executor = Serial()
    executor.submit = lambda fn, job: Serial().submit(
        lambda: Outcome(memory=DeviceMemory(2**30, 2**32))
    )
    workers = Crew(lambda: executor, 1, room=room)
    dict(workers.run({0: job()}))
    assert workers.workers == 2
