"""Jobs on a pool of processes, some of which die."""

import multiprocessing
import textwrap
import time
from dataclasses import replace

from advisor.training.ended import Ended
from advisor.work.executors import Crew, Serial
from advisor.work.processes import local_pool


def test_a_dead_worker_costs_one_job_which_is_run_again(ref, job, tmp_path):
    marker = tmp_path / "died"
    plugin = tmp_path / "killer.py"
    plugin.write_text(
        textwrap.dedent(f"""
        import os, signal, pathlib, advisor
        class Killer(advisor.Technique):
            name, slot = "killer", "initializer"
            def apply(self, run):
                marker = pathlib.Path({str(marker)!r})
                if not marker.exists():
                    marker.touch()
                    os.kill(os.getpid(), signal.SIGKILL)
        @advisor.hookimpl
        def techniques():
            return [Killer()]
        """)
    )
    with_killer = replace(ref, plugins=(str(plugin),))
    jobs = {
        i: job(with_killer, initializer=name) for i, name in enumerate(["keep", "killer", "he"])
    }
    with Crew(lambda: local_pool(2), 2) as crew:
        outcomes = dict(crew.run(jobs))
    assert marker.exists()
    assert set(outcomes) == {0, 1, 2}
    assert all(each.ended is None and len(each.curve) == 2 for each in outcomes.values())


def test_no_new_job_is_started_when_the_time_is_up(job):
    late = iter([False, True, True]).__next__
    with Crew(Serial, 1) as crew:
        assert len(list(crew.run({i: job() for i in range(3)}, late))) == 1


def test_jobs_that_had_not_begun_when_a_worker_died_run_on_the_next_workers(ref, job, tmp_path):
    """Only those that were running are suspected, and run again one at a time."""
    plugin = tmp_path / "deadly.py"
    plugin.write_text(
        textwrap.dedent("""
        import os, signal, advisor
        class Deadly(advisor.Technique):
            name, slot = "deadly", "initializer"
            def apply(self, run):
                os.kill(os.getpid(), signal.SIGKILL)
        @advisor.hookimpl
        def techniques():
            return [Deadly()]
        """)
    )
    with_deadly = replace(ref, plugins=(str(plugin),))
    names = ["deadly", "keep", "he", "keep", "he"]
    jobs = {i: job(with_deadly, initializer=name) for i, name in enumerate(names)}
    pools = []

    def counted_pool():
        pools.append(1)
        return local_pool(1)

    with Crew(counted_pool, 1) as crew:
        outcomes = dict(crew.run(jobs))
    assert outcomes[0].ended is Ended.FAILED
    assert "the worker process died 3 times" in outcomes[0].why
    assert all(outcomes[i].ended is None for i in range(1, 5))
    assert len(pools) == 4, "one that died, two more over the same job, one for all the others"


def test_a_process_of_the_users_own_program_outlives_a_crew(job):
    own = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,))
    own.start()
    try:
        with Crew(lambda: local_pool(1), 1) as crew:
            list(crew.run({0: job()}))
        time.sleep(0.2)
        assert own.is_alive()
    finally:
        own.kill()
        own.join()
