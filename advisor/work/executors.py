"""Where jobs run: in this process, or in a pool of processes. Any executor will do."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import multiprocessing.resource_tracker
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from contextlib import contextmanager
from typing import Any, TypeVar

import torch

from advisor.training.ended import Ended
from advisor.work.job import Job, Outcome, work

Key = TypeVar("Key", bound=Hashable)
DEATHS = 2
"""Times that a worker may die over one job, alone in the pool, before the job counts as failed."""
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


def local_pool(workers: int) -> ProcessPoolExecutor:
    """A pool of processes with one torch thread each.

    On Linux they are forked from a server that has imported torch already.
    """
    is_linux = sys.platform == "linux"
    context = multiprocessing.get_context("forkserver" if is_linux else "spawn")
    if is_linux:
        context.set_forkserver_preload(["advisor.work.job"])
    with _interrupts_held_back(), _main_module_hidden():
        pool = ProcessPoolExecutor(
            workers, mp_context=context, initializer=_start_worker, initargs=(list(sys.path),)
        )
        # Every worker starts here: each of these calls occupies one until the last has come.
        wait([pool.submit(time.sleep, 0.1 * workers) for _ in range(workers)])
    return pool


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Hold Ctrl-C back while workers start, and deliver it afterwards; workers never see it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # The tracker lets Ctrl-C through again when it is started, so it is started first.
    multiprocessing.resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _main_module_hidden() -> Iterator[None]:
    """Start workers that do not run the user's script again.

    What they need of it is in the reference of the study, pickled by value.
    """
    main: dict[str, Any] = vars(sys.modules["__main__"])
    hidden: dict[str, Any] = {}
    for name in ("__file__", "__spec__"):
        if name in main:
            hidden[name] = main.pop(name)
    main["__spec__"] = None
    try:
        yield
    finally:
        main.update(hidden)


def one_thread() -> None:
    """Give this process one torch thread.

    Two processes with one thread each are faster than one with two, and no thread spins.
    """
    torch.set_num_threads(1)


def _start_worker(path: list[str]) -> None:
    sys.path[:] = path
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the coordinator handles Ctrl-C
    one_thread()
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    """End this process when the coordinator is gone, however it went."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


class Crew:
    """Runs jobs on an executor and survives the death of its workers."""

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
        executor.shutdown(wait=False, cancel_futures=True)
        if isinstance(executor, ProcessPoolExecutor):
            for process in multiprocessing.active_children():
                process.terminate()

    def run(
        self, jobs: Mapping[Key, Job], is_late: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[Key, Outcome]]:
        """Outcomes as they come. No new job is started once `is_late()` is true.

        When a worker dies, the jobs that were in its pool run again, one at a time; a job over
        which a worker dies again counts as failed.
        """
        waiting = dict(jobs)
        try:
            yield from self._together(waiting, is_late)
        except BrokenExecutor:
            yield from self._one_by_one(waiting, is_late)

    def _together(
        self, waiting: dict[Key, Job], is_late: Callable[[], bool]
    ) -> Iterator[tuple[Key, Outcome]]:
        order = list(waiting)
        queue = list(waiting)
        running: dict[Future[Outcome], Key] = {}
        while queue or running:
            while queue and len(running) < self.workers and not is_late():
                key = queue.pop(0)
                running[self._submit(waiting[key])] = key
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            # Outcomes that came together are given in the order of their jobs.
            for future in sorted(done, key=lambda each: order.index(running[each])):
                outcome = future.result()
                key = running.pop(future)
                del waiting[key]
                yield key, outcome

    def _one_by_one(
        self, waiting: dict[Key, Job], is_late: Callable[[], bool]
    ) -> Iterator[tuple[Key, Outcome]]:
        for key, job in waiting.items():
            if is_late():
                return
            yield key, self._with_new_workers(job)

    def _with_new_workers(self, job: Job) -> Outcome:
        for _ in range(DEATHS):
            self.stop()
            try:
                return self._submit(job).result()
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
