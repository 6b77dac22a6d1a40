"""Processes that train: started warm, never interrupted, gone with their coordinator."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import multiprocessing.resource_tracker
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, wait
from contextlib import contextmanager
from typing import Any

import torch


def local_pool(workers: int) -> ProcessPoolExecutor:
    """A pool of processes with one torch thread each.

    On Linux they are forked from a server that has imported torch already.
    """
    is_linux = sys.platform == "linux"
    context = multiprocessing.get_context("forkserver" if is_linux else "spawn")
    if is_linux:
        context.set_forkserver_preload(["advisor.work.job"])
    with interrupts_held_back(), main_module_hidden():
        pool = ProcessPoolExecutor(
            workers, mp_context=context, initializer=start_worker, initargs=(list(sys.path),)
        )
        # Every worker starts here: each of these calls occupies one until the last has come.
        wait([pool.submit(time.sleep, 0.1 * workers) for _ in range(workers)])
    return pool


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


def one_thread() -> None:
    """Give this process one torch thread.

    Two processes with one thread each are faster than one with two, and no thread spins.
    """
    torch.set_num_threads(1)


def start_worker(path: list[str]) -> None:
    """Make a new process a worker, with the coordinator's import path."""
    sys.path[:] = path
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the coordinator handles Ctrl-C
    one_thread()
    threading.Thread(target=die_with_parent, daemon=True).start()


def die_with_parent() -> None:
    """End this process when the coordinator is gone, however it went."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)
