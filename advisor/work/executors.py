"""Where jobs run: in this process, or in a pool of warm worker processes. Any
`concurrent.futures.Executor` will do.
"""

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

from advisor.work.job import Job, Outcome, work

Key = TypeVar("Key", bound=Hashable)
DEATHS = 2
"""Times that a worker may die over one job, alone in the pool, before the job counts as failed."""


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
    """A pool of processes with one torch thread each, forked from a server that has imported torch
    already (on Linux).
    """
    method = "forkserver" if sys.platform == "linux" else "spawn"
    context = multiprocessing.get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload(["advisor.work.job"])
    with _uninterrupted(), _without_main():
        pool = ProcessPoolExecutor(
            workers, mp_context=context, initializer=_warm_up, initargs=(list(sys.path),)
        )
        # All of them start here: each of these holds one until the last has come.
        wait([pool.submit(time.sleep, 0.1 * workers) for _ in range(workers)])
    return pool


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back while workers start; it arrives afterwards. What is started here never sees
    it.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    multiprocessing.resource_tracker.ensure_running()  # first, because it lets Ctrl-C through again when it is started
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _without_main() -> Iterator[None]:
    """Start workers that do not run the user's script again: what they need of it is in the
    question, pickled by value.
    """
    main: dict[str, Any] = vars(sys.modules["__main__"])
    hidden: dict[str, Any] = {
        name: main.pop(name) for name in ("__file__", "__spec__") if name in main
    }
    main["__spec__"] = None
    try:
        yield
    finally:
        main.update(hidden)


def one_thread() -> None:
    """Give this process one torch thread: two processes with one thread each beat one with two, and
    never spin.
    """
    torch.set_num_threads(1)


def _warm_up(path: list[str]) -> None:
    sys.path[:] = path
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the coordinator's to handle
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
        self._make, self.workers = make, workers
        self._executor: Executor | None = None

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
        self, jobs: Mapping[Key, Job], late: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[Key, Outcome]]:
        """Outcomes as they come. No new job is started once `late()` is true.

        When a worker dies, the jobs that were in its pool run again, one at a time; a job over
        which a worker dies again counts as failed.
        """
        waiting = dict(jobs)
        try:
            yield from self._together(waiting, late)
        except BrokenExecutor:
            yield from self._one_by_one(waiting, late)

    def _together(
        self, waiting: dict[Key, Job], late: Callable[[], bool]
    ) -> Iterator[tuple[Key, Outcome]]:
        queue = list(waiting)
        running: dict[Future[Outcome], Key] = {}
        while queue or running:
            while queue and len(running) < self.workers and not late():
                key = queue.pop(0)
                running[self._submit(waiting[key])] = key
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in sorted(done, key=lambda f: list(waiting).index(running[f])):
                outcome = future.result()
                key = running.pop(future)
                del waiting[key]
                yield key, outcome

    def _one_by_one(
        self, waiting: dict[Key, Job], late: Callable[[], bool]
    ) -> Iterator[tuple[Key, Outcome]]:
        for key, job in list(waiting.items()):
            if late():
                return
            yield key, self._patiently(job)

    def _patiently(self, job: Job) -> Outcome:
        for _ in range(DEATHS):
            self.stop()
            try:
                return Outcome(**vars(self._submit(job).result()))
            except BrokenExecutor:
                continue
        self.stop()
        return Outcome(
            ended="failed", why=f"the worker process died {DEATHS + 1} times (out of memory?)"
        )

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
    """Processor cores that this process may use, at most 8."""
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    return max(1, min(8, cores))
