"""Jobs on a pool of processes, some of which die."""

import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing.connection import wait

import pytest

from advisor.errors import MachineError
from advisor.training.ended import Ended
from advisor.work.crews import crew, local_pool
from advisor.work.executors import Crew, Serial
from advisor.work.job import Outcome
from advisor.work.worker_process import WorkerDied

TECHNIQUE = """
import ctypes, os, pathlib, signal, sys, time, advisor
class Deadly(advisor.Technique):
    name, slot = "deadly", "initializer"
    def apply(self, run):
        {body}
@advisor.hookimpl
def techniques():
    return [Deadly()]
"""


@pytest.fixture
def deadly(ref, write):
    """A reference of the study with a technique that does what is given, on one line."""

    def deadly(body):
        return replace(ref, plugins=(write("mine.py", TECHNIQUE.format(body=body)),))

    return deadly


@pytest.fixture
def baseline(plan):
    return {**plan.baseline, **plan.defaults_of(plan.baseline)}


def ran_well(outcome):
    return outcome.ended is None and len(outcome.curve) == 2


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("os._exit(0)", "exit code 0: os._exit in Deadly.apply, mine.py:6"),
        ("ctypes.string_at(0)", "killed by SIGSEGV in apply, mine.py:6"),
    ],
    ids=["os._exit", "segfault"],
)
def test_a_job_whose_workers_end_by_its_own_doing_fails_at_the_third_and_costs_no_other(
    deadly, job, body, why
):
    study = deadly(body)
    jobs = {0: job(study, initializer="deadly"), 1: job(study), 2: job(study, initializer="he")}
    with crew(2) as workers:
        outcomes = dict(workers.run(jobs))
    assert outcomes[0].ended is Ended.FAILED
    assert outcomes[0].why == f"its worker process ended 3 times: {why}"
    assert ran_well(outcomes[1])
    assert ran_well(outcomes[2])


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("sys.exit(0)", "SystemExit: 0"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise BaseException('odd')", "BaseException: odd"),
        ("[0] * 10**15", "out of memory: MemoryError"),
    ],
    ids=["sys.exit", "KeyboardInterrupt", "BaseException", "MemoryError"],
)
@pytest.mark.parametrize("count", [0, 1])
def test_whatever_a_technique_raises_is_one_failed_job(deadly, job, body, why, count):
    study = deadly(body)
    jobs = {0: job(study, body, initializer="deadly"), 1: job(study, body)}
    with crew(count) as workers:
        outcomes = dict(workers.run(jobs))
    assert outcomes[0].ended is Ended.FAILED
    assert why in outcomes[0].why
    assert outcomes[0].why.endswith("(mine.py:6 in apply)")
    assert ran_well(outcomes[1])


def test_what_a_failed_job_leaves_in_its_process_is_gone_with_it(deadly, job):
    study = deadly("import torch; torch.set_default_dtype(torch.float64); raise ValueError")
    with crew(1) as workers:
        outcomes = dict(workers.run({0: job(study, initializer="deadly"), 1: job(study)}))
    assert outcomes[0].ended is Ended.FAILED
    assert ran_well(outcomes[1])


def test_a_job_whose_worker_was_killed_from_outside_runs_again(deadly, job, tmp_path):
    study = deadly(
        f"p = pathlib.Path({str(tmp_path / 'died')!r}); new = not p.exists(); p.touch();"
        " new and os.kill(os.getpid(), signal.SIGKILL)"
    )
    jobs = {i: job(study, initializer=name) for i, name in enumerate(["keep", "deadly", "he"])}
    with crew(2) as workers:
        outcomes = dict(workers.run(jobs))
        assert workers.deaths.count(jobs[1].name) == 0
    assert (tmp_path / "died").exists()
    assert set(outcomes) == {0, 1, 2}
    assert all(map(ran_well, outcomes.values()))


def test_a_job_that_is_always_killed_fails_where_the_model_as_it_is_lives(deadly, job, baseline):
    study = deadly("os.kill(os.getpid(), signal.SIGKILL)")
    jobs = {0: job(study, initializer="deadly"), 1: job(study, initializer="he")}
    with crew(1) as workers:
        workers.baseline = baseline
        outcomes = list(workers.run(jobs))
    assert [key for key, _ in outcomes] == [1, 0], "it runs again by itself, after the others"
    assert outcomes[1][1].ended is Ended.FAILED
    assert "ended 3 times: killed by SIGKILL (out of memory, or from outside)" in outcomes[1][1].why


@pytest.mark.parametrize("name", [signal.SIGKILL, signal.SIGTERM])
def test_where_whatever_runs_is_killed_nothing_is_booked(job, deadly, baseline, name):
    """Each is killed in the middle of its work, from another process."""
    study = deadly("pass")
    slow = deadly("time.sleep(60)")
    with crew(1) as workers:
        workers.baseline = {**baseline, "initializer": "deadly"}
        killer = threading.Thread(target=kill_tasks, args=(workers, name))
        killer.start()
        with pytest.raises(MachineError, match=f"killed by {name.name}.*Nothing of it counts"):
            list(workers.run({0: job(slow, initializer="deadly")}))
        assert workers.deaths.count(job(study).name) == 0
        killer.join()


def kill_tasks(workers, name):
    """Kill the worker of each task that has begun, four times."""
    for _ in range(4):
        turn = None
        while turn is None:
            time.sleep(0.02)
            pool = workers._executor
            begun = [
                each for each in (pool._turns if pool else ()) if each.begun and not each.done()
            ]
            turn = begun[0] if begun else None
        os.kill(turn.worker.pid, name)
        while not turn.done():
            time.sleep(0.02)


def test_a_worker_that_is_killed_while_it_is_free_costs_no_job_an_attempt(job):
    with crew(1) as workers:
        assert ran_well(workers.run_by_itself(job()))
        (place,) = workers._executor._free
        os.kill(place.worker.pid, signal.SIGKILL)
        wait([place.worker._process.sentinel], 10)
        assert ran_well(workers.run_by_itself(job()))
        assert workers.deaths.count(job().name) == 0


def test_deaths_that_were_counted_before_count(deadly, job):
    study = deadly("os._exit(3)")
    died = job(study, initializer="deadly")
    with crew(1) as workers:
        workers.deaths.add(died.name, "of something")
        workers.deaths.add(died.name, "of something")
        outcome = workers.run_by_itself(died)
    assert outcome.ended is Ended.FAILED
    assert "3 times: exit code 3" in outcome.why


def test_a_job_that_takes_longer_than_it_may_has_failed_and_says_where_it_was(deadly, job):
    study = deadly("time.sleep(600)")
    late = replace(job(study, initializer="deadly"), seconds=0.3)
    began = time.monotonic()
    with crew(2) as workers:
        outcomes = dict(workers.run({0: late, 1: job(study)}))
    assert time.monotonic() - began < 60
    assert outcomes[0].ended is Ended.FAILED
    why = "it took longer than 0.005 minutes, in Deadly.apply, mine.py:6 (--trial-minutes)"
    assert outcomes[0].why == why
    assert ran_well(outcomes[1])


@pytest.mark.parametrize("count", [0, 1])
def test_a_long_wait_says_which_line_is_waited_for(deadly, job, monkeypatch, count):
    monkeypatch.setattr("advisor.work.executors.WAIT_SECONDS", 0.2)
    monkeypatch.setattr("advisor.work.waiting.WAIT_SECONDS", 0.2)
    study = deadly("time.sleep(1.5)")
    told = []
    with crew(count, told.append) as workers:
        workers.run_by_itself(replace(job(study, "a wait", initializer="deadly"), name="trial 7"))
    assert any(
        text.startswith("waiting ")
        and text.endswith(": trial 7 (deadly) in Deadly.apply, mine.py:6")
        for text in told
    ), told


def test_stopping_ends_a_busy_worker_at_once_and_leaves_nothing(deadly, job):
    study = deadly("time.sleep(600)")
    threads = threading.active_count()
    began = time.monotonic()
    with crew(1) as workers:
        turn = workers._submit(os.getpid)
        pid = turn.result()
        workers._submit(time.sleep, 600)
        time.sleep(0.2)
    assert time.monotonic() - began < 30
    assert threading.active_count() == threads
    assert pid not in [process.pid for process in multiprocessing.active_children()]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert study


def test_what_a_worker_prints_is_not_on_stdout(capfd):
    with crew(1) as workers:
        workers.call(print, "printed in a worker", what="a test")
        workers.call(os.system, "echo printed by its child", what="a test")
    said = capfd.readouterr()
    assert said.out == ""


def test_a_job_that_the_machine_refused_something_twice_ends_the_command(job, monkeypatch):
    answers = iter([Outcome(trouble="the disk is full"), Outcome(), *[Outcome(trouble="full")] * 2])
    monkeypatch.setattr("advisor.work.executors.work", lambda job: next(answers))
    with Crew(Serial, 1) as workers:
        assert [outcome.trouble for _, outcome in workers.run({0: job()})] == [""]
        with pytest.raises(MachineError, match="full"):
            list(workers.run({0: job()}))


def test_where_no_process_can_be_started_the_machine_is_at_fault(job, monkeypatch):
    def refuse(self):
        raise OSError(11, "Resource temporarily unavailable")

    context = "multiprocessing.context.ForkServerProcess.start"
    monkeypatch.setattr(context, refuse)
    monkeypatch.setattr("multiprocessing.context.SpawnProcess.start", refuse)
    with crew(1) as workers, pytest.raises(MachineError, match="No worker process can be started"):
        workers.run_by_itself(job())


def test_no_new_job_is_started_when_the_time_is_up(job):
    late = iter([False, True, True]).__next__
    with Crew(Serial, 1) as workers:
        assert len(list(workers.run({i: job() for i in range(3)}, late))) == 1


# --- executors of other kinds -------------------------------------------------------------------


def other_pool():
    return ProcessPoolExecutor(1, multiprocessing.get_context("forkserver"))


def test_on_an_executor_of_another_kind_the_jobs_that_were_running_are_suspects(
    deadly, job, baseline
):
    """Only those run again one at a time; the others run on the next workers."""
    study = deadly("os.kill(os.getpid(), signal.SIGKILL)")
    names = ["deadly", "keep", "he", "keep", "he"]
    jobs = {i: replace(job(study, initializer=name), name=f"{i}") for i, name in enumerate(names)}
    pools = []

    def counted_pool():
        pools.append(1)
        return other_pool()

    with Crew(counted_pool, 1) as workers:
        workers.baseline = baseline
        outcomes = dict(workers.run(jobs))
    assert outcomes[0].ended is Ended.FAILED
    assert "worker process ended 3 times" in outcomes[0].why
    assert all(ran_well(outcomes[i]) for i in range(1, 5))
    assert len(pools) == 4, "one that died, one for the others and its next death, two more"


def test_a_process_of_the_users_own_program_outlives_a_crew(job):
    own = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,))
    own.start()
    try:
        with Crew(lambda: local_pool(1), 1) as workers:
            list(workers.run({0: job()}))
        time.sleep(0.2)
        assert own.is_alive()
    finally:
        own.kill()
        own.join()


def test_a_worker_that_died_says_how():
    with crew(1) as workers, pytest.raises(WorkerDied, match="exit code 7: os._exit"):
        workers.call(exit_now, what="a test")


def exit_now():
    os._exit(7)


def held_up(place):
    """Leaves a thread that Python waits for when the process ends."""
    threading.Thread(target=time.sleep, args=(60,)).start()
    time.sleep(0.2)  # so that each of them has a process of its own
    return place


def test_processes_that_are_held_up_end_at_the_same_time():
    pool = local_pool(3)
    turns = [pool.submit(held_up, place) for place in range(3)]
    assert [turn.result() for turn in turns] == [0, 1, 2]
    began = time.monotonic()
    pool.shutdown()
    assert time.monotonic() - began < 2.5, "a second for each of them would be three"
