"""Where jobs run: in this process, or in a pool of processes.

Any `concurrent.futures.Executor` will do.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, TypeVar

from advisor.content.files_read import FilesRead
from advisor.errors import AdvisorError, MachineError, explain
from advisor.study import Study
from advisor.technique import KEEP
from advisor.training.ended import Ended
from advisor.work.ahead import Ahead
from advisor.work.deaths import Deaths, DeathsInMemory
from advisor.work.devices import DeviceRoom
from advisor.work.job import Job, Outcome, work
from advisor.work.pool import Serial, Turn
from advisor.work.scripts.trials import work_on_script
from advisor.work.second_tries import Again, as_it_is
from advisor.work.stacked import StackedJob, work_on_stack
from advisor.work.study_ref import StudyRef
from advisor.work.waiting import WAIT_SECONDS, Waiting, long_waits_told, sentence
from advisor.work.worker_process import WorkerDied

Key = TypeVar("Key", bound=Hashable)
"""What a job is called by whoever runs it, such as the number of its trial."""
DEATHS = 3
"""Workers that may die over a job before it is judged."""
LOOK_SECONDS = 0.25
"""How often the jobs that are running are looked at."""
Spare = Callable[[], Iterable[Job]]
"""Jobs that will be asked for whatever comes, the first ones first; for workers that would wait."""


class Crew:
    """Runs jobs on an executor and survives the death of its workers.

    The rule for a worker that ends over its job, while this process lives:

    - The other jobs go on. The job runs again, and each death is counted with the study, also over
      resumes. At the third the job has failed, with how its worker ended.
    - A worker may have been killed from outside: by a person, by the system, for want of memory.
      Then its job runs again by itself, after the others. At the third such death the model as it
      is is trained for as many epochs, by itself. If that lives, the job has failed. If that is
      killed too, the machine kills whatever runs: this is a `MachineError`, nothing is booked, and
      the deaths are forgotten.
    - A job that ran out of memory beside others runs again by itself. Without memory there, too, it
      has failed: how many workers there are decides nothing.
    - An executor of another kind says only that a worker ended. All jobs that were running are
      suspects, which run by themselves; where there was one alone, its death is counted.

    Attributes:
        workers: how many jobs run at once, which becomes more or less where the memory of devices
            turns out to have room for others.
        deaths: counts the deaths of workers.
        on_wait: told where a job is that takes long.
        baseline: the parameters of the model as it is; None where they are not known yet.
        printed: the folder for what scripts print; None where there is none.
    """

    def __init__(
        self,
        make: Callable[[], Executor],
        workers: int,
        on_wait: Waiting = lambda text: None,
        room: DeviceRoom | None = None,
    ) -> None:
        self._make = make
        self._executor: Executor | None = None
        self._refused: set[str] = set()  # jobs that the machine refused something once
        self._ahead = Ahead()
        self.workers, self._room = workers, room
        self.on_wait = on_wait
        self.deaths: Deaths = DeathsInMemory()
        self.baseline: Mapping[str, Any] | None = None
        self.printed: Path | None = None

    @property
    def is_this_process(self) -> bool:
        """Whether jobs run in the coordinator's own process."""
        return self._make is Serial

    @property
    def in_flight(self) -> int:
        """How many jobs are handed out at once."""
        return self.workers

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def refuse_scripts(self) -> None:
        """Raise `InputError` where these workers run no training scripts."""

    @contextmanager
    def near(self) -> Iterator[Crew]:
        """Workers on this machine, which try what may end a process: these are such ones."""
        yield self

    def send_along(self, ref: StudyRef, study: Study, read: FilesRead) -> None:
        """Have workers get a study that was loaded here, for which these files were read.

        These workers find them for themselves.
        """

    def stop(self) -> None:
        """End the workers, also those that are busy."""
        executor, self._executor = self._executor, None
        self._ahead.clear()
        if executor is None:
            return
        # A pool of Python's lets its processes finish their jobs, so they are ended here. Other
        # processes of the user's program are not ours to end.
        processes: list[BaseProcess] = []
        if isinstance(executor, ProcessPoolExecutor):
            processes += (executor._processes or {}).values()
        executor.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()

    def call(self, function: Callable[..., Any], *arguments: Any, what: str) -> Any:
        """What a function returns in a worker, or raises. A long wait is told.

        `what` says in words what it does. Raises `WorkerDied` where its worker ends.
        """
        return self.result_of(self.begin(function, *arguments), what)

    def begin(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Let a worker begin with a function; `result_of` gives what it returns."""
        return self._submit(function, *arguments)

    def result_of(self, future: Future[Any], what: str) -> Any:
        """What a function returns that was begun, or raises, as `call` does."""
        self._wait({future: what})
        return future.result()

    def begin_ahead(self, jobs: Mapping[Key, Job]) -> None:
        """Let workers begin with jobs that `run` will be given later, where they all may."""
        for job in () if self.is_this_process or self._room else jobs.values():
            if job.name not in self._ahead:
                self._ahead.note(job, self._begin(job))

    def begin_beside(self, function: Callable[[Job], Any], job: Job) -> None:
        """Let a worker begin with a function of a job, for `found_beside`, where a training by
        itself leaves one without work.
        """
        if self.workers > 1 and job.name not in self._ahead:
            self._ahead.note(job, self.begin(function, job))

    def found_beside(self, job: Job) -> Any:
        """What the function that was begun with a job returns, or raises; None where none was."""
        future = self._ahead.take(job)
        return None if future is None else self.result_of(future, job.name)

    def run(
        self,
        jobs: Mapping[Key, Job],
        is_late: Callable[[], bool] = lambda: False,
        spare: Spare = lambda: (),
    ) -> Iterator[tuple[Key, Outcome]]:
        """Outcomes as they come. No new job is started once `is_late()` is true.

        Arguments:
            jobs: by a key of the caller's, in the order in which they are started.
            is_late: whether the time for further jobs is up.
            spare: jobs for workers that would wait for the last of these; asked when there are
                such workers.

        Raises:
            MachineError: the machine refused something twice over one job, lets no worker start, or
                kills whatever runs.
        """
        # A study that is resumed may have a job whose worker died too often to run beside others.
        killed = [key for key, job in jobs.items() if self._has_died_out(job)]
        others = {key: job for key, job in jobs.items() if key not in killed}
        yield from self._run_together(others, killed, is_late, spare)
        for key in killed:
            if is_late():
                return
            yield key, self.run_by_itself(jobs[key])

    def _run_together(
        self,
        jobs: Mapping[Key, Job],
        killed: list[Key],
        is_late: Callable[[], bool],
        spare: Spare,
    ) -> Iterator[tuple[Key, Outcome]]:
        """Outcomes as they come, as many jobs at a time as there are workers.

        Jobs that are to run by themselves are added to `killed`.
        """
        order = list(jobs)
        # What is begun is a worker's already.
        queue = deque(sorted(order, key=lambda key: jobs[key].name not in self._ahead))
        running: dict[Future[Outcome], Key] = {}
        while queue or running:
            try:
                while queue and len(running) < self.in_flight and not is_late():
                    job = jobs[queue[0]]
                    running[self._begin(job)] = queue[0]
                    queue.popleft()
                if not running:
                    return
                if not queue and not is_late():
                    self._begin_spare(spare, len(running), jobs.values())
                done = self._wait({future: jobs[key] for future, key in running.items()})
                # Outcomes that came together are given in the order of their jobs.
                for future in sorted(done, key=lambda each: order.index(running[each])):
                    key = running[future]
                    outcome = self._outcome_of(future, jobs[key])
                    del running[future]
                    is_beside = self.workers > 1
                    if isinstance(outcome, Outcome) and outcome.lacked_memory and is_beside:
                        outcome = Again.BY_ITSELF
                    if outcome is Again.BESIDE_OTHERS:
                        queue.appendleft(key)
                    elif outcome is Again.BY_ITSELF:
                        killed.append(key)
                    else:
                        yield key, outcome
            except BrokenExecutor as problem:
                # It is not known over which of the running jobs a worker died.
                self.stop()
                suspects = list(running.values()) or [queue.popleft()]
                if len(suspects) == 1:
                    self.deaths.add(jobs[suspects[0]].name, str(problem))
                killed += suspects
                running.clear()

    def _begin_spare(self, spare: Spare, running: int, asked: Iterable[Job]) -> None:
        """Let workers that would wait begin with jobs that are none of those asked for now."""
        free = self.in_flight - running - self._ahead.busy
        if free > 0 and not self.is_this_process:
            known = {(job.name, job.from_epoch) for job in asked}
            later = (job for job in spare() if (job.name, job.from_epoch) not in known)
            new = (job for job in later if job.name not in self._ahead)
            self.begin_ahead({job.name: job for job in islice(new, free)})

    def run_by_itself(self, job: Job) -> Outcome:
        """Run one job while no other one runs, until it has an outcome or has had its attempts."""
        while self.deaths.count(job.name) < DEATHS:
            try:
                if self.deaths.count(job.name):
                    self._ahead.wait()
                future = self._begin(job)
                self._wait({future: job})
                outcome = self._outcome_of(future, job)
            except BrokenExecutor as problem:
                self.stop()
                self.deaths.add(job.name, str(problem))
                continue
            if isinstance(outcome, Outcome):
                return outcome
        # The jobs of a stack are judged alone.
        return self._failed(job) if isinstance(job, StackedJob) else self._judge(job)

    def _outcome_of(self, future: Future[Outcome], job: Job) -> Outcome | Again:
        """What a job that is over brought, or how it is run again.

        Raises `BrokenExecutor` where an executor of another kind lost a worker.
        """
        try:
            outcome = future.result()
        except WorkerDied as death:
            return self._after_death(future, job, death)
        except (BrokenExecutor, AdvisorError):
            raise
        except Exception as problem:  # what the job brought cannot be sent
            return Outcome(ended=Ended.FAILED, why=explain(problem))
        if outcome.trouble:
            if job.name in self._refused:
                raise MachineError(f"{job.name}: {outcome.trouble}")
            self._refused.add(job.name)
            return Again.BESIDE_OTHERS
        self._refused.discard(job.name)
        self.deaths.forget(job.name)
        if self._room is not None and outcome.memory is not None:
            self.workers = self._room.workers(outcome.memory)
        return outcome

    def _after_death(self, future: Future[Outcome], job: Job, death: WorkerDied) -> Outcome | Again:
        """What becomes of a job whose worker died."""
        if isinstance(future, Turn) and future.ended:
            return Outcome(ended=Ended.FAILED, why=future.ended)
        self.deaths.add(job.name, str(death))
        if death.from_outside:
            return Again.BY_ITSELF
        return self._failed(job) if self._has_died_out(job) else Again.BESIDE_OTHERS

    def _has_died_out(self, job: Job) -> bool:
        return self.deaths.count(job.name) >= DEATHS

    def _failed(self, job: Job) -> Outcome:
        """The outcome of a job whose workers have died too often."""
        count, why = self.deaths.count(job.name), self.deaths.why(job.name)
        return Outcome(ended=Ended.FAILED, why=f"its worker process ended {count} times: {why}")

    def _judge(self, job: Job) -> Outcome:
        """The outcome of a job that was killed too often, if the model as it is lives as long.

        Raises `MachineError` where it does not.
        """
        control = as_it_is(job, self.baseline or job.params)
        try:
            future = self._begin(control)
            self._wait({future: control})
            trouble = future.result().trouble
        except (WorkerDied, BrokenExecutor) as death:
            self.stop()
            self.deaths.forget()
            raise MachineError(
                f"The worker of {job.name} ended {DEATHS} times, and so did that of the model as "
                f"it is ({death}). Nothing of it counts. Free memory or give fewer --workers."
            ) from death
        if trouble:
            raise MachineError(f"{job.name}: {trouble}")
        return self._failed(job)

    def _begin(self, job: Job) -> Future[Outcome]:
        """Have a job done, or what was begun of it ahead."""
        begun = self._ahead.take(job)
        if begun is not None:
            return begun
        if isinstance(job, StackedJob):
            return self._submit(work_on_stack, job)
        if job.study.script is None:
            return self._submit(work, job)
        if self.printed is not None:
            name = re.sub(r"[^\w.-]+", "-", job.name).strip("-")
            job = replace(job, printed=str(self.printed / f"{name}.txt"))
        return self._submit(work_on_script, job)

    def _submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        if self._executor is None:
            self._executor = self._make()
        if isinstance(self._executor, Serial):
            with long_waits_told(self.on_wait, called(arguments[0])):
                return self._executor.submit(function, *arguments)
        return self._executor.submit(function, *arguments)

    def _wait(self, running: Mapping[Future[Any], Job | str]) -> set[Future[Any]]:
        """Those of the running jobs that are over, once there is one.

        Meanwhile those that are late are ended, and a long wait is told.
        """
        while True:
            done, _ = wait(running, LOOK_SECONDS, FIRST_COMPLETED)
            if done:
                return done
            for future, job in running.items():
                if isinstance(job, Job) and isinstance(future, Turn):
                    future.end_if_late(job.seconds)
            self._tell_long_waits(running)

    def _tell_long_waits(self, running: Mapping[Future[Any], Job | str]) -> None:
        """Tell where the jobs are that take long, each again when it has taken twice as long."""
        now = time.monotonic()
        for future, job in running.items():
            if not isinstance(future, Turn):
                continue
            waited = now - future.submitted
            if waited > max(WAIT_SECONDS, 2 * future.told):
                future.told = waited
                self.on_wait(sentence(waited, called(job), future.where()))


def called(job: object) -> str:
    """What a job is called in a message: its name and its techniques."""
    if not isinstance(job, Job):
        return str(job)
    techniques = [
        str(value) for name, value in job.params.items() if "." not in name and value != KEEP
    ]
    return f"{job.name} ({', '.join(techniques)})" if techniques else job.name
