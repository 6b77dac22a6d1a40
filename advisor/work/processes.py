"""Processes that train are started here: warm, and never interrupted by Ctrl-C."""

from __future__ import annotations

import multiprocessing
import multiprocessing.resource_tracker
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from typing import Any

from advisor.errors import MachineError, explain

PRELOADED = [
    "advisor.work.server_start",
    "advisor.work.job",
    "advisor.work.worker",
    "advisor.slots.activation",
    "advisor.slots.embedding",
    "advisor.slots.initializer",
    "advisor.slots.pretraining",
    "advisor.work.scripts.trials",
    "advisor.work.scripts.rehearsal",
]
"""What every worker needs; on Linux it is imported once for all of them."""


def warm_up(libraries: Sequence[str] = ()) -> None:
    """Let the server that forks workers begin to import torch, beside this process.

    Elsewhere than on Linux there is none, and nothing happens.

    Arguments:
        libraries: names of further modules that all workers of this study need.
    """
    context = our_context(libraries)
    if context.get_start_method() == "forkserver":
        with _STARTING, interrupts_held_back(), main_module_hidden(), suppress(OSError):
            forkserver.ensure_running()


def our_context(libraries: Sequence[str] = ()) -> Any:
    """How processes are started: on Linux by a server that has imported torch already.

    `libraries` are as for `warm_up`; a server that runs has what it has.
    """
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*PRELOADED, *libraries])
    return context


_STARTING = threading.RLock()
"""Held by the one thread that starts a process or asks whether one is alive.

`multiprocessing` looks at all processes when one is started, and reads what became of each once.
"""


def start_process(target: Callable[..., None], *arguments: object) -> BaseProcess:
    """Start a process.

    Raises `MachineError` where the system does not let a process be started.
    """
    with _STARTING, interrupts_held_back(), main_module_hidden(), children_allowed():
        process: BaseProcess = our_context().Process(target=target, args=arguments)
        try:
            process.start()
        except (OSError, EOFError, AssertionError, RuntimeError) as problem:
            raise MachineError(
                f"No worker process can be started ({explain(problem)}). "
                "Give fewer --workers; 0 trains in this process."
            ) from problem
    return process


def exit_code(process: BaseProcess) -> int | None:
    """What a process ended with: minus the number of a signal; None while it is alive."""
    with _STARTING:
        return process.exitcode


def forget_process(process: BaseProcess) -> None:
    """Give back what a process that has ended still holds in this one."""
    with _STARTING:
        if process.exitcode is not None:
            process.close()


@contextmanager
def interrupts_held_back() -> Iterator[None]:
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
def children_allowed() -> Iterator[None]:
    """Start a process also from a worker of an engine that is to have none, as those of Dask.

    It is for processes that would outlive the worker; ours ends with it, however that ends.
    """
    config = multiprocessing.process.current_process()._config  # type: ignore[attr-defined]
    was_set = config.pop("daemon", None)
    try:
        yield
    finally:
        if was_set is not None:
            config["daemon"] = was_set


@contextmanager
def main_module_hidden() -> Iterator[None]:
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
