"""Crews of this machine: so many of its processes, or this process alone."""

from __future__ import annotations

from collections.abc import Sequence

from advisor.training.ended import Ended
from advisor.work.devices import DeviceRoom, Staff
from advisor.work.executors import Crew
from advisor.work.job import Outcome
from advisor.work.pool import Serial, WorkerPool
from advisor.work.waiting import Waiting


def crew(workers: int | Staff, on_wait: Waiting = lambda text: None) -> Crew:
    """A crew of so many processes, or of this process alone for 0.

    Arguments:
        workers: processes that train, and on which devices.
        on_wait: told where a job is that takes long.
    """
    staff = workers if isinstance(workers, Staff) else Staff(workers)
    if staff.workers == 0:
        return Crew(Serial, 1, on_wait)
    room = DeviceRoom(max(1, len(staff.devices)), staff.most) if staff.most else None
    most = max(staff.workers, staff.most)
    return Crew(lambda: local_pool(most, staff.devices), staff.workers, on_wait, room)


def local_pool(workers: int, devices: Sequence[str] = ()) -> WorkerPool:
    """Processes of this machine with one torch thread each, spread over devices.

    One in which a job failed is not used again: it may be left in any state, such as that of a GPU
    after a failed assertion.
    """
    return WorkerPool(workers, has_failed, devices)


def has_failed(result: object) -> bool:
    """Whether a task is a job that failed, or has run what leaves its traces in a process."""
    if not isinstance(result, Outcome):
        return False
    return result.spoils or result.ended == Ended.FAILED or bool(result.trouble)
