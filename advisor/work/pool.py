"""An executor of worker processes of which each can die without harm to the others."""

from __future__ import annotations

import pickle
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

from advisor.errors import MachineError, explain
from advisor.work.worker_process import NotTaken, WorkerDied, WorkerProcess

STARTS = 3
"""How often a process is started for a task that ends before it has the task."""


class Turn(Future[Any]):
    """A task in the pool, as a future.

    Attributes:
        submitted: when it was, by `time.monotonic`.
        begun: when its training began, by its own word; None before, or where it has none.
        ended: why it was ended; empty where it was not.
        told: after how many seconds its long wait was told last; 0 where it was not.
    """

    def __init__(self) -> None:
        super().__init__()
        self.submitted = time.monotonic()
        self.begun: float | None = None
        self.ended = ""
        self.told = 0.0
        self.worker: WorkerProcess | None = None

    def begin(self) -> None:
        """Note that the training begins now."""
        self.begun = time.monotonic()

    def end(self, why: str) -> None:
        """End the worker that has this task."""
        self.ended = why
        if self.worker is not None:
            self.worker.kill()

    def end_if_late(self, seconds: float | None) -> None:
        """End the worker where its training takes longer than so many seconds, if a number."""
        if seconds is None or self.begun is None or self.ended:
            return
        if time.monotonic() - self.begun > seconds:
            place = self.where()
            where = f", in {place}" if place else ""
            minutes = f"{seconds / 60:.3g}"
            self.end(f"it took longer than {minutes} minutes{where} (--trial-minutes)")

    def where(self) -> str | None:
        """The line that the task is in; None where that cannot be said."""
        return self.worker.where() if self.worker is not None else None


@dataclass(eq=False)
class Place:
    """Where a task can be done.

    Attributes:
        device: that its process computes on; empty where the task says that.
        worker: the process; None while none is started.
    """

    device: str = ""
    worker: WorkerProcess | None = None


class WorkerPool(Executor):
    """Runs each task in one of so many processes, which are started when they are needed.

    A task whose process ends raises `WorkerDied`, and the next one gets a new process. Nothing is
    shared by the processes, so no death can hold up another task. A thread for each process waits
    for what it says.

    Arguments:
        workers: how many processes there are at most.
        spoils: whether a process that returned this is not to be used again.
        devices: over which the processes are spread, each of which has one for its life; empty
            where their tasks say where they compute.
    """

    def __init__(
        self,
        workers: int,
        spoils: Callable[[Any], bool] = lambda result: False,
        devices: Sequence[str] = (),
    ) -> None:
        self._threads = ThreadPoolExecutor(workers, "advisor-worker")
        self._spoils = spoils
        # What is free; each thread has one. What was used last comes last: it has the study open.
        names = [*islice(cycle(devices or [""]), workers)]
        self._free = [Place(name) for name in reversed(names)]
        self._taking = threading.Lock()
        self._turns: set[Turn] = set()
        self._stopped = False

    @property
    def is_busy(self) -> bool:
        """Whether a task is under way."""
        return bool(self._turns)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Turn:
        """Have `fn(*args)` done by a process. Raises `MachineError` where there is no thread."""
        if kwargs:
            raise TypeError("a worker takes no arguments by keyword")
        turn = Turn()
        task = pickle.dumps((fn, args))
        self._turns.add(turn)
        turn.add_done_callback(self._turns.discard)
        try:
            self._threads.submit(self._settle, turn, task)
        except RuntimeError as problem:
            raise MachineError(f"No thread can be started ({explain(problem)}).") from problem
        return turn

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes: after their tasks, or at once with `cancel_futures`."""
        self._stopped = cancel_futures
        if cancel_futures:
            for turn in list(self._turns):
                turn.end("the study was stopped")
        self._threads.shutdown(wait=True, cancel_futures=cancel_futures)
        # No thread has a process any more. All end at the same time.
        workers = [place.worker for place in self._free if place.worker is not None]
        for worker in workers:
            worker.let_go()
        for worker in workers:
            worker.stop()
        self._free.clear()

    def _settle(self, turn: Turn, task: bytes) -> None:
        """Give a turn what its task returns or raises."""
        if self._stopped or not turn.set_running_or_notify_cancel():
            return
        try:
            result = self._do(turn, task)
        except BaseException as problem:  # it is for whoever waits for the turn
            turn.set_exception(problem)
        else:
            turn.set_result(result)

    def _take(self) -> Place:
        """A free place, on the device that has most of them, and of those the one used last."""
        with self._taking:
            free = Counter(place.device for place in self._free)
            order = range(len(self._free))
            best = max(order, key=lambda at: (free[self._free[at].device], at))
            return self._free.pop(best)

    def _do(self, turn: Turn, task: bytes) -> Any:
        """Do a task in a free process. One that died, raised or is spoilt is not used again."""
        place = self._take()
        worker, place.worker = place.worker, None
        try:
            for start in range(STARTS):
                # A process may have ended while it was free, which is nobody's fault.
                worker = turn.worker = worker or WorkerProcess(place.device)
                if self._stopped:
                    raise WorkerDied(turn.ended, from_outside=True)
                try:
                    result = worker.do(task, turn.begin)
                except NotTaken as reason:
                    worker.stop()
                    worker = None
                    if start == STARTS - 1:
                        raise MachineError(
                            f"A worker process ends as soon as it is started: {reason}."
                        ) from None
                    continue
                if not self._spoils(result):
                    place.worker = worker
                return result
        finally:
            turn.worker = None
            if worker is not None and place.worker is None:
                worker.stop()
            with self._taking:
                self._free.append(place)


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
