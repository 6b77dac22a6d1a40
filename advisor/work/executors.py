"""Where jobs run: in this process, or in a pool of processes.

Any `concurrent.futures.Executor` will do.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterator, Mapping
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from advisor.training.ended import Ended
from advisor.work.job import Job, Outcome, without_trouble, work
from advisor.work.processes import local_pool

Key = TypeVar("Key", bound=Hashable)
"""What a job is called by whoever runs it, such as the number of its trial."""
DEATHS = 2
"""Attempts at a job by itself, after a worker died, before the job counts as failed."""
MOST_WORKERS = 8
"""Processes that train where the user gives no number, however many cores there are."""


class Serial(Executor):
    """Runs what is submitted at once, in this process."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run `fn` now; the future is done when this returns."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as problem:
            future.set_exception(problem)
        return future


class Crew:
    """Runs jobs on an executor and survives the death of its workers.

    Attributes:
        workers: how many jobs run at once.
    """

    def __init__(self, make: Callable[[], Executor], workers: int) -> None:
        self._make = make
        self._executor: Executor | None = None
        self.workers = workers

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the workers, also those that are busy."""
        executor, self._executor = self._executor, None
        if executor is None:
            return
        # A pool that shuts down lets its processes finish their jobs, so they are ended here.
        # Other processes of the user's program are not ours to end.
        processes: list[BaseProcess] = []
        if isinstance(executor, ProcessPoolExecutor):
            processes += (executor._processes or {}).values()
        executor.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()

    def run(
        self, jobs: Mapping[Key, Job], is_late: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[Key, Outcome]]:
        """Outcomes as they come. No new job is started once `is_late()` is true.

        When a worker dies, the jobs that were running run again, one at a time, on new workers; a
        job over which workers die again counts as failed. The other jobs are not affected.

        Arguments:
            jobs: by a key of the caller's, in the order in which they are started.
            is_late: whether the time for further jobs is up.
        """
        waiting = dict(jobs)
        while waiting:
            running: dict[Future[Outcome], Key] = {}
            try:
                yield from self._run_together(waiting, running, is_late)
                return
            except BrokenExecutor:
                # It is not known over which of the running jobs the worker died.
                suspects = list(running.values()) or list(waiting)[:1]
                for key in suspects:
                    if is_late():
                        return
                    yield key, self.run_by_itself(waiting.pop(key))

    def _run_together(
        self,
        waiting: dict[Key, Job],
        running: dict[Future[Outcome], Key],
        is_late: Callable[[], bool],
    ) -> Iterator[tuple[Key, Outcome]]:
        """Outcomes as they come, as many jobs at a time as there are workers.

        A job that is over is taken out of `waiting`; `running` has those that are under way.
        """
        order = list(waiting)
        queue = list(waiting)
        while queue or running:
            while queue and len(running) < self.workers and not is_late():
                key = queue.pop(0)
                running[self._submit(waiting[key])] = key
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            # Outcomes that came together are given in the order of their jobs.
            for future in sorted(done, key=lambda each: order.index(running[each])):
                outcome = without_trouble(future.result())
                key = running.pop(future)
                del waiting[key]
                yield key, outcome

    def run_by_itself(self, job: Job) -> Outcome:
        """Run one job on new workers, and again on other new ones when its worker dies."""
        for _ in range(DEATHS):
            # The pool of a worker that died takes no further jobs.
            self.stop()
            try:
                return without_trouble(self._submit(job).result())
            except BrokenExecutor:
                continue
        self.stop()
        why = f"the worker process died {DEATHS + 1} times (out of memory?)"
        return Outcome(ended=Ended.FAILED, why=why)

    def _submit(self, job: Job) -> Future[Outcome]:
        if self._executor is None:
            self._executor = self._make()
        return self._executor.submit(work, job)


def crew(workers: int) -> Crew:
    """A crew of this process alone for one worker, else of a local pool."""
    if workers <= 1:
        return Crew(Serial, 1)
    return Crew(lambda: local_pool(workers), workers)


def default_workers() -> int:
    """Processor cores that this process may use, at most `MOST_WORKERS`."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(1, min(MOST_WORKERS, cores))
