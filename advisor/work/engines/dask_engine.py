"""Dask as an engine: a scheduler with its workers, wherever they are."""

from __future__ import annotations

import logging
import time
from concurrent.futures import Future
from typing import Any

from advisor.errors import InputError, MachineError, explain
from advisor.work.engines.at_worker import at_worker
from advisor.work.engines.errand import Errand, Reply

ANSWER_SECONDS = 15.0
"""How long a scheduler is given to answer, also after its connection was lost."""
LOOK_SECONDS = 5.0
"""How often the number of workers is asked for."""
GONE = ("cancelled", "released", "forgotten")
"""States of a task at a worker for which nobody waits any more."""


def at_dask_worker(errand: Errand) -> Reply:
    """Do an errand at a worker of Dask, as long as the scheduler wants it done."""
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()

    def is_wanted() -> bool:
        """Whether the worker still has the task, and is not closing."""
        task = worker.state.tasks.get(key)
        is_open = worker.status.name in ("running", "paused")
        return is_open and task is not None and task.state not in GONE

    return at_worker(errand, worker.address, is_wanted)


def is_news(record: logging.LogRecord) -> bool:
    """Whether a line of Dask's log says more than our own message about the scheduler."""
    return "Failed to reconnect" not in record.getMessage()


class DaskEngine:
    """The workers of a Dask scheduler.

    Arguments:
        name: `dask://HOST:PORT`.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._client: Any = None
        self._asked, self._slots = 0.0, 1

    def slots(self) -> int:
        """Threads of all workers that there are now; 1 while there is none yet."""
        now = time.monotonic()
        if now - self._asked > LOOK_SECONDS:
            self._asked = now
            try:
                self._slots = max(1, sum(self._connected().nthreads().values()))
            except MachineError:
                raise
            except Exception:  # it is lost now, which the next job says in words
                self.check()
        return self._slots

    def submit(self, errand: Errand) -> Future[Any]:
        """Have a worker do an errand."""
        import dask

        self.check()
        # States travel with their jobs, which is meant.
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "4 GiB"}):
            executor = self._connected().get_executor(pure=False)
            future: Future[Any] = executor.submit(at_dask_worker, errand)
        return future

    def check(self) -> None:
        """Wait for a scheduler that was lost. Raises `MachineError` where it is gone."""
        deadline = time.monotonic() + ANSWER_SECONDS + 1
        client = self._connected()
        while client.status == "connecting" and time.monotonic() < deadline:
            time.sleep(0.05)
        if client.status != "running":
            self._client = None
            raise self._silent("it was there before")

    def stop(self) -> None:
        """Drop what was asked, and close the connection; the workers stay."""
        client, self._client = self._client, None
        if client is not None:
            client.close(timeout=2)

    def _connected(self) -> Any:
        if self._client is None:
            try:
                from distributed import Client
            except ImportError as problem:
                raise InputError(
                    f"--executor {self._name} needs Dask: pip install 'torch-advisor[dask]'"
                ) from problem
            logging.getLogger("distributed.client").addFilter(is_news)
            address = f"tcp://{self._name.removeprefix('dask://')}"
            try:
                self._client = Client(address, timeout=ANSWER_SECONDS, set_as_default=False)
            except (OSError, ValueError) as problem:
                raise self._silent(explain(problem)) from problem
        return self._client

    def _silent(self, why: str) -> MachineError:
        return MachineError(
            f"The Dask scheduler {self._name} does not answer ({why}). "
            "Start it, or name another with --executor."
        )
