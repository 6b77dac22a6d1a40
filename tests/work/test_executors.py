"""Jobs on a pool of processes, some of which die."""

import textwrap
from dataclasses import replace

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
