"""Workers that would wait begin with jobs that are asked for later."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from advisor.work.executors import Crew, Serial
from advisor.work.job import Outcome


class Paced(ThreadPoolExecutor):
    """Two workers; a job named `slow` ends when as many jobs as `until` were submitted."""

    def __init__(self, until):
        super().__init__(2)
        self.until, self.names, self.reached = until, [], threading.Event()

    def submit(self, fn, /, *args):
        self.names.append(args[0].name)
        if len(self.names) >= self.until:
            self.reached.set()
        return super().submit(self.answer, args[0])

    def answer(self, job):
        if job.name == "slow":
            assert self.reached.wait(20)
        return Outcome(why=job.name)


@pytest.fixture
def named(ref, job):
    """Jobs by their names."""
    return lambda *names: {name: replace(job(ref), name=name) for name in names}


def test_a_worker_that_would_wait_begins_with_the_first_spare_job(named):
    pool, later = Paced(until=3), named("c", "d")
    with Crew(lambda: pool, 2) as workers:
        first = dict(workers.run(named("slow", "b"), spare=later.values))
        assert pool.names == ["slow", "b", "c"]
        second = dict(workers.run(later))
    assert {key: each.why for key, each in (first | second).items()} == {
        name: name for name in ("slow", "b", "c", "d")
    }
    assert pool.names == ["slow", "b", "c", "d"], "each was done once"


def test_spare_jobs_wait_for_all_that_are_asked_for(named):
    pool = Paced(until=4)
    with Crew(lambda: pool, 2) as workers:
        dict(workers.run(named("slow", "b", "x"), spare=named("c").values))
    assert pool.names == ["slow", "b", "x", "c"]


def test_what_is_asked_for_now_is_no_spare_job(named):
    pool, jobs = Paced(until=3), named("slow", "b")
    spare = {**jobs, **named("c")}
    with Crew(lambda: pool, 2) as workers:
        dict(workers.run(jobs, spare=spare.values))
    assert pool.names == ["slow", "b", "c"]


def test_another_job_of_the_same_name_is_not_what_was_begun(named, job, ref):
    pool = Paced(until=3)
    with Crew(lambda: pool, 2) as workers:
        dict(workers.run(named("slow", "b"), spare=named("c").values))
        dict(workers.run({"c": replace(job(ref), seed=5, name="c")}))
    assert pool.names == ["slow", "b", "c", "c"]


def test_this_process_and_a_study_whose_time_is_up_begin_nothing(named):
    def spare():
        raise AssertionError("nobody would wait")

    pool = Paced(until=2)
    over = iter([False, False])
    with Crew(lambda: pool, 2) as workers:
        dict(workers.run(named("slow", "b"), lambda: next(over, True), spare))
    with Crew(Serial, 1) as alone:
        assert not dict(alone.run({}, spare=spare))
