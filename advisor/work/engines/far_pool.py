"""An executor over an engine: a job goes to a worker with what it needs; its files come back."""

from __future__ import annotations

import hashlib
import os
import pickle
import secrets
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from advisor.errors import InputError, MachineError, explain
from advisor.work.engines.collecting import Shipment
from advisor.work.engines.door import environment_here, versions_here
from advisor.work.engines.engine import Engine
from advisor.work.engines.errand import Came, Delivery, Errand, Reply
from advisor.work.engines.scratch import CACHE, Scratch
from advisor.work.job import Job
from advisor.work.pool import Turn
from advisor.work.stacked import StackedJob
from advisor.work.study_ref import StudyRef
from advisor.work.waiting import Waiting
from advisor.work.worker_process import WorkerDied

LOST = frozenset(
    {
        "KilledWorker",
        "CommClosedError",
        "ConnectionError",
        "EOFError",
        "TimeoutError",
        "WorkerLost",
        "TaskLost",
    }
)
"""Classes of exceptions by which engines say that a worker was lost, by name."""
ATTEMPTS = 5
"""How often a job is sent that the engine has dropped, which says nothing about the job."""
IN_SCRATCH = b"in the scratch folder"
"""What stands in the place of a training state that is there."""


class FarTurn(Turn):
    """A job on its way to a worker of an engine and back.

    Attributes:
        attempts: how often it was sent.
    """

    def __init__(self) -> None:
        super().__init__()
        self.attempts = 0

    def where(self) -> str | None:
        """Nothing: where it is only its worker knows."""
        return ""


class FarPool(Executor):
    """Has jobs done by the workers of an engine.

    Futures give what a job returned, or raise `WorkerDied` where it was lost with its worker,
    `InputError` where a worker has other versions, and `MachineError` where the engine is gone.

    Arguments:
        engine: has the workers.
        shipments: what goes along with a study.
        scratch: a folder that all reach; None where states travel with the jobs.
        tell: told what a person should know.
        folders: takes note of the folders of this machine whose files are in scratch, by their
            names there.
    """

    def __init__(
        self,
        engine: Engine,
        shipments: Mapping[StudyRef, Shipment],
        scratch: Scratch | None,
        tell: Waiting,
        folders: dict[str, Path],
    ) -> None:
        self._engine, self._shipments, self._scratch = engine, shipments, scratch
        self._tell, self._told_of_size = tell, False
        self._versions, self._environment = versions_here(), environment_here()
        # What an engine tells is told in a thread of its own, which must not wait.
        self._again = ThreadPoolExecutor(1, "advisor-engine")
        self._folders = folders
        self._is_stopped = False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> FarTurn:
        """Have `fn(*args)` done by a worker. Raises `MachineError` where the engine is gone."""
        if kwargs:
            raise TypeError("a worker takes no arguments by keyword")
        turn = FarTurn()
        self._send(turn, args[0], self._errand(fn, args))
        return turn

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let go of the engine: jobs that are under way are dropped."""
        self._is_stopped = True
        self._engine.stop()
        self._again.shutdown(wait=False, cancel_futures=True)

    # --- there ----------------------------------------------------------------------------------

    def _errand(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Errand:
        """What a worker needs for a call."""
        asked = arguments[0]
        ref = asked.study if isinstance(asked, Job) else asked
        shipment = self._shipments[ref]
        own = tuple(shipped(each, shipment.ref) for each in arguments)
        errand = Errand(
            task=pickle.dumps((function, own)),
            versions=self._versions,
            files=shipment.packed.digest,
            folder=str(Path.cwd()),
            home=str(Path.home()),
            imports=shipment.imports,
            environment=self._environment,
            scratch=None if self._scratch is None else self._scratch.place,
        )
        return self._with_states(errand, asked) if isinstance(asked, Job) else errand

    def _with_states(self, errand: Errand, job: Job) -> Errand:
        """An errand with the training states of its job."""
        state = None
        if job.load is not None:
            with suppress(OSError):
                state = Path(job.load).read_bytes()
        return replace(
            errand,
            seconds=job.seconds,
            cache=None if job.cache is None else self._cache_name(job),
            load=None if job.load is None or state != IN_SCRATCH else self._name(job.load),
            save=None if job.save is None else self._name(job.save),
            state=None if state == IN_SCRATCH else state,
            prints=job.printed is not None,
        )

    def _name(self, path: str) -> str:
        """The name of a training state: by the study, the trial and the epoch."""
        folder = Path(path).parent
        origin = f"{socket.gethostname()} {folder}"
        name = f"{folder.name}-{hashlib.sha256(origin.encode()).hexdigest()[:8]}"
        self._folders[name] = folder
        return f"{name}/{Path(path).name}"

    def _cache_name(self, job: Job) -> str:
        """The name of the folder of what pretrainings of a study have made, by its content."""
        content = hashlib.sha256(repr(job.content).encode()).hexdigest()[:12]
        return self._name(str(Path(job.cache or "").with_name(f"{CACHE}-{content}")))

    def _send(self, turn: FarTurn, asked: Any, errand: Errand) -> None:
        turn.attempts += 1
        inner = self._engine.submit(errand)
        inner.add_done_callback(partial(self._hear, turn, asked, errand))

    # --- and back -------------------------------------------------------------------------------

    def _hear(self, turn: FarTurn, asked: Any, errand: Errand, inner: Future[Any]) -> None:
        """Take note that the engine is done with an errand."""
        if self._is_stopped:
            return
        with suppress(RuntimeError):  # it is stopped now
            self._again.submit(self._settle, turn, asked, errand, inner)

    def _settle(self, turn: FarTurn, asked: Any, errand: Errand, inner: Future[Any]) -> None:
        """Give a turn what came of it, or send its errand again."""
        try:
            reply = self._reply_of(turn, inner)
            if reply is None:
                self._send(turn, asked, errand)
            elif reply.came is Came.WITHOUT_FILES:
                self._send(turn, asked, self._with_files(errand, asked))
            else:
                turn.set_result(self._result_of(turn, asked, reply))
        except BaseException as problem:  # it is for whoever waits for the turn
            turn.set_exception(problem)

    def _reply_of(self, turn: FarTurn, inner: Future[Any]) -> Reply | None:
        """The worker's reply; None where the engine has dropped the errand, which is sent again.

        Raises `WorkerDied` where the worker was lost, and `MachineError` where the engine is gone.
        """
        if inner.cancelled():
            self._engine.check()
            if turn.attempts >= ATTEMPTS:
                raise WorkerDied("dropped by the engine", from_outside=True)
            return None
        problem = inner.exception()
        if problem is None:
            reply: Reply = inner.result()
            return reply
        if isinstance(problem, BrokenExecutor):
            raise problem
        self._engine.check()
        if LOST.isdisjoint(each.__name__ for each in type(problem).__mro__):
            raise MachineError(
                f"A worker cannot do a job: {explain(problem)}. Workers, and the scheduler of "
                "Dask, need the packages that this command has."
            ) from problem
        raise WorkerDied(f"lost with its worker: {explain(problem)}", from_outside=True)

    def _with_files(self, errand: Errand, asked: Any) -> Errand:
        """An errand with the study's files, by the scratch folder where there is one."""
        ref = asked.study if isinstance(asked, Job) else asked
        data = self._shipments[ref].packed.data
        if self._scratch is None:
            return replace(errand, packed=data)
        self._scratch.write(f"files/{errand.files}.zip", data)
        return errand

    def _result_of(self, turn: FarTurn, asked: Any, reply: Reply) -> Any:
        """What the function returned, whose files are put where they belong. Raises what it did."""
        if reply.came is Came.REFUSED:
            raise InputError(reply.how)
        if reply.came is Came.DIED:
            turn.ended = reply.ended
            raise WorkerDied(reply.how, reply.from_outside)
        if reply.came is Came.RAISED:
            raise pickle.loads(reply.problem)  # noqa: S301  # of the own worker
        assert reply.delivery is not None  # it is done
        if isinstance(asked, Job):
            self._keep_files(asked, reply.delivery)
        return pickle.loads(reply.delivery.result)  # noqa: S301  # of the own worker

    def _keep_files(self, job: Job, delivery: Delivery) -> None:
        """Write what a job has left where this machine keeps it."""
        state = IN_SCRATCH if delivery.is_in_scratch else delivery.state
        if job.save is not None and state is not None:
            write_whole(Path(job.save), state)
        if job.printed is not None and delivery.printed is not None:
            write_whole(Path(job.printed), delivery.printed)
        if delivery.too_large and not self._told_of_size:
            self._told_of_size = True
            self._tell(
                f"training states have {delivery.too_large / 2**20:.0f} MB, too much to travel "
                "with a job, so trainings that go on begin anew; a folder that all workers reach "
                "keeps them: --scratch"
            )


def shipped(value: Any, ref: StudyRef) -> Any:
    """An argument of a job with the study as it is shipped."""
    if isinstance(value, StudyRef):
        return ref
    if not isinstance(value, Job):
        return value
    if isinstance(value, StackedJob):
        return replace(value, study=ref, jobs=tuple(shipped(each, ref) for each in value.jobs))
    return replace(value, study=ref)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or not at all. Raises `MachineError` where it cannot be written."""
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        os.replace(part, path)
    except OSError as problem:
        raise MachineError(f"The file {path} cannot be written: {explain(problem)}.") from problem
