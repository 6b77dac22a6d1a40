"""Engines: where the executor comes from that has workers on other machines."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future
from typing import Any, Protocol

from advisor.errors import InputError, MachineError, explain
from advisor.loading.files import load_object
from advisor.loading.references import Reference
from advisor.work.engines.at_worker import at_worker
from advisor.work.engines.errand import Errand

DASK = "dask://"
"""How the name of a Dask scheduler begins."""


class Engine(Protocol):
    """An executor of any kind, as the command uses it."""

    def slots(self) -> int:
        """How many jobs run at once."""

    def submit(self, errand: Errand) -> Future[Any]:
        """Have a worker do an errand.

        Raises `MachineError` where the engine does not answer.
        """

    def check(self) -> None:
        """Raise `MachineError` where the engine does not answer."""

    def stop(self) -> None:
        """Let go of the workers: what is not begun is never done."""


class AnyExecutor:
    """An executor that the user's own function makes, or that the user gives.

    Arguments:
        make: makes the executor; called again where it broke.
        name: what it is called in messages.
        is_given: whether it is the user's own, which lives longer than the command.
    """

    def __init__(self, make: Callable[[], Executor], name: str, is_given: bool = False) -> None:
        self._make, self._name, self._is_given = make, name, is_given
        self._executor: Executor | None = None
        self._futures: set[Future[Any]] = set()

    def slots(self) -> int:
        """How many jobs run at once, as executors of Python's say it; else a job a core."""
        found = getattr(self._begun(), "_max_workers", None)
        return found if isinstance(found, int) and found > 0 else os.cpu_count() or 1

    def submit(self, errand: Errand) -> Future[Any]:
        """Have a worker do an errand.

        Raises `BrokenExecutor` where a worker of the user's executor has ended, which is made anew.
        """
        try:
            future = self._begun().submit(at_worker, errand)
        except (BrokenExecutor, RuntimeError) as problem:
            if not self._is_given:
                raise
            raise MachineError(
                f"The {self._name} that was given takes no more jobs: {explain(problem)}. "
                "The same call with a new one goes on where it stopped."
            ) from problem
        self._futures.add(future)
        future.add_done_callback(self._futures.discard)
        return future

    def check(self) -> None:
        """An executor says by its futures what goes wrong."""

    def stop(self) -> None:
        """Cancel what is not begun, and end what was made here."""
        for future in list(self._futures):
            future.cancel()
        executor, self._executor = self._executor, None
        if executor is not None and not self._is_given:
            executor.shutdown(wait=False)

    def _begun(self) -> Executor:
        if self._executor is None:
            try:
                made = self._make()
            except Exception as problem:  # the function is the user's
                raise MachineError(
                    f"The executor {self._name} cannot be made: {explain(problem)}."
                ) from problem
            if not hasattr(made, "submit"):
                raise InputError(
                    f"{self._name} gives {type(made).__name__}, which has no submit(); "
                    "give a concurrent.futures.Executor."
                )
            self._executor = made
        return self._executor


def engine_of(named: str | Executor) -> Engine:
    """The engine that `--executor` names, or of an executor that is given.

    Raises `InputError` where there is none of this name.
    """
    if not isinstance(named, str):
        return AnyExecutor(lambda: named, type(named).__name__, is_given=True)
    if named.startswith(DASK):
        from advisor.work.engines.dask_engine import DaskEngine

        return DaskEngine(named)
    if not Reference.parse(named).name:
        raise InputError(
            f"--executor {named!r}: write dask://HOST:PORT, or module:factory (FILE.py:factory) "
            "of a function that returns a concurrent.futures.Executor."
        )
    return AnyExecutor(load_object(named, "executor"), named)
