"""In a worker of an engine: a thread of it has a process of the same machine do the errand.

So whatever a training does, it ends a process that is ours: the worker lives, says how that one
ended, and has a clean one for the next job. It imports no torch itself.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import socket
import threading
from collections.abc import Callable
from concurrent.futures import wait
from dataclasses import replace
from multiprocessing.util import Finalize
from pathlib import Path

from advisor.temporary import TemporaryFolder
from advisor.work.engines.door import versions_here, why_refused
from advisor.work.engines.errand import Came, Delivery, Errand, Reply
from advisor.work.engines.packed import unpack
from advisor.work.engines.scratch import Scratch
from advisor.work.pool import Turn, WorkerPool
from advisor.work.worker import portable
from advisor.work.worker_process import WorkerDied

LOOK_SECONDS = 0.1
"""How often an errand on its way is looked at."""
MOST_PROCESSES = 256
"""Errands at once; an engine gives a worker as many as it has threads."""

MOST_OPEN = 2
"""Studies for which processes are kept: those of a comparison come by turns."""

FIRST = 100
"""Before what else is done at the end of a worker."""

_lock = threading.Lock()
_places: list[TemporaryFolder] = []
"""The folder of this worker, once it has one."""
_pools: dict[str, WorkerPool] = {}
"""Processes that train, by the digest of the files that they have open."""


def coordinator_lives() -> bool:
    """Whether the process is there that has started this worker, where one has."""
    parent = multiprocessing.parent_process()
    return parent is None or parent.is_alive()


def at_worker(
    errand: Errand, where: str = "", is_wanted: Callable[[], bool] = coordinator_lives
) -> Reply:
    """Do an errand in a process of this machine.

    Arguments:
        errand: what is to be done.
        where: what this worker is called.
        is_wanted: whether somebody still waits for it.
    """
    where = where or f"{socket.gethostname()} (process {os.getpid()})"
    refusal = why_refused(where, errand.versions, versions_here())
    if refusal:
        return Reply(Came.REFUSED, where, how=refusal)
    try:
        root = unpacked(errand)
        if root is None:
            return Reply(Came.WITHOUT_FILES, where)
        turn = begin(replace(errand, packed=None), root)
    except Exception as problem:  # the machine refused a folder, or a process
        return Reply(Came.RAISED, where, problem=pickle.dumps(portable(problem)))
    while not wait([turn], LOOK_SECONDS).done:
        turn.end_if_late(errand.seconds)
        if not is_wanted():
            turn.end("nobody waits for it any more")
    return reply_of(turn, where)


def reply_of(turn: Turn, where: str) -> Reply:
    """What came of an errand that is over."""
    try:
        return Reply(Came.DONE, where, turn.result())
    except WorkerDied as death:
        outside = death.from_outside
        return Reply(
            Came.DIED, where, how=f"{death} on {where}", from_outside=outside, ended=turn.ended
        )
    except Exception as problem:  # whatever the function raised
        return Reply(Came.RAISED, where, problem=pickle.dumps(portable(problem)))


def unpacked(errand: Errand) -> Path | None:
    """Where the files of an errand lie on this machine; None where this worker has not got them."""
    with _lock:
        if not _places:
            _places.append(TemporaryFolder("advisor-worker-"))
            # Before Python waits for processes that wait for their next errand.
            Finalize(None, end_all, exitpriority=FIRST)
    place = _places[0].path
    root = place / errand.files
    if root.is_dir():
        return root
    data = errand.packed
    if data is None and errand.scratch is not None:
        data = Scratch(errand.scratch).read(f"files/{errand.files}.zip")
    return None if data is None else unpack(data, errand.files, place)


def begin(errand: Errand, root: Path) -> Turn:
    """Let a process begin with an errand: one that has the same files open, or a new one."""
    with _lock:
        # What another study has left in a process must not reach this one, which has its own.
        idle = [each for each in _pools if each != errand.files and not _pools[each].is_busy]
        for files in idle[: max(0, len(_pools) + (errand.files not in _pools) - MOST_OPEN)]:
            _pools.pop(files).shutdown(cancel_futures=True)
        if errand.files not in _pools:
            os.environ.update(errand.environment)
            _pools[errand.files] = WorkerPool(MOST_PROCESSES, spoils)
        _pools[errand.files] = _pools.pop(errand.files)  # the one used last comes last
        return _pools[errand.files].submit(do_errand, errand, str(root))


def do_errand(errand: Errand, root: str) -> Delivery:
    """Do an errand in a process that trains; `root` has the files of the study."""
    from advisor.work.engines.in_process import done  # torch is for that process alone

    return done(errand, root)


def end_all() -> None:
    """End the processes of this worker, which ends now, and remove its folder."""
    for pool in _pools.values():
        pool.shutdown(cancel_futures=True)
    for place in _places:
        place.remove()
    _pools.clear()
    _places.clear()


def spoils(delivery: object) -> bool:
    """Whether the process that brought this is not to be used again."""
    return isinstance(delivery, Delivery) and delivery.spoils
