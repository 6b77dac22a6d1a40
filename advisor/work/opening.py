"""The first opening of a study happens in a worker: what kills a process must not kill this one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from advisor.content.files_read import files_read
from advisor.errors import AdvisorError, InputError, MachineError, explain
from advisor.randomness import isolated
from advisor.technique import Technique, Wanted
from advisor.user_code import kept_from_exiting
from advisor.work.crews import crew as new_crew
from advisor.work.devices import Staff, staff_for
from advisor.work.executors import DEATHS, Crew
from advisor.work.opened import Opening, open_once, opened
from advisor.work.prepare import Prepared
from advisor.work.scripts.prepared import open_script
from advisor.work.study_ref import StudyRef
from advisor.work.waiting import long_waits_told
from advisor.work.worker_process import WorkerDied

WHAT = "opening the study"
"""What a long wait for the study's files, data, model and plugins is called."""


@dataclass(frozen=True)
class BegunOpening:
    """A study that a worker opens already, while this process does not need it yet.

    Attributes:
        crew: the workers.
        opening_id: what the opening is called.
        rehearsal: ends when the worker has opened it.
    """

    crew: Crew
    opening_id: str
    rehearsal: Future[Any]


@contextmanager
def begun_opening(
    ref: StudyRef, device: str, workers: int | Staff
) -> Iterator[BegunOpening | None]:
    """Let a worker open a study while the block runs, for `open_study`; then end the workers.

    None where no worker opens it: a script's, and one that is trained in this process.
    """
    if staff_for(workers).workers == 0 or ref.script is not None:
        yield None
        return
    with new_crew(workers) as crew:
        opening_id = uuid4().hex
        yield BegunOpening(crew, opening_id, crew.begin(rehearse, ref, device, opening_id))


def open_study(
    ref: StudyRef, device: str, crew: Crew, begun: BegunOpening | None = None
) -> Prepared:
    """Open a study in a worker, which keeps it open for its jobs, and then in this process.

    Arguments:
        ref: where the study comes from.
        device: a torch device.
        crew: the workers; where they are this process, it is opened here alone.
        begun: where one of these workers opens it already.

    Raises:
        InputError: the parts of the study do not fit together, or end the process that opens it.
        MachineError: no worker can be started, or each of them is killed.
    """
    opening_id = uuid4().hex if begun is None else begun.opening_id
    return open_beside(ref, device, crew, opening_id, begun=begun, everywhere=True).prepared


def open_beside(
    ref: StudyRef,
    device: str,
    crew: Crew,
    opening_id: str,
    others: Sequence[Prepared] = (),
    begun: BegunOpening | None = None,
    everywhere: bool = False,
) -> Opening:
    """Open a study as `open_study` does, beside those that the command has open.

    Arguments:
        ref: where the study comes from.
        device: a torch device.
        crew: the workers; where they are this process, it is opened here alone.
        opening_id: what the opening is called.
        others: studies of the command that are open here.
        begun: where one of these workers opens it already.
        everywhere: whether the other workers open it meanwhile, too.

    Raises:
        InputError: the parts of the study do not fit together, or end the process that opens it.
        MachineError: no worker can be started, or each of them is killed.
    """
    if ref.script is not None:
        crew.refuse_scripts()
        return Opening(replace(open_script(ref, crew), opening_id=opening_id))
    problem = None
    if not crew.is_this_process:
        with crew.near() as workers:
            problem = try_opening(ref, device, opening_id, workers, begun)
        # What one worker has lived through, the others open while this process does. Their first
        # jobs say what is wrong.
        if everywhere and problem is None and workers is crew:
            for _ in range(crew.workers):
                crew.begin(rehearse, ref, device, opening_id)
    with files_read() as read, long_waits_told(crew.on_wait, WHAT), kept_from_exiting():
        opening = opened(ref, device, opening_id, others)
    crew.send_along(ref, opening.prepared.study, read)
    if problem is not None:
        raise InputError(
            f"The study can be opened here and not in a worker process ({explain(problem)}). "
            "Put it in a study file, or give --workers 0 (workers=0), which trains here."
        ) from problem
    return opening


def try_opening(
    ref: StudyRef, device: str, opening_id: str, crew: Crew, begun: BegunOpening | None = None
) -> Exception | None:
    """Open a study in a worker. What is raised there, and no message for the user, is returned."""
    rehearsal = None if begun is None else begun.rehearsal
    for _ in range(DEATHS):
        try:
            crew.result_of(rehearsal or crew.begin(rehearse, ref, device, opening_id), WHAT)
        except AdvisorError:
            raise
        except WorkerDied as death:
            rehearsal = None
            if not death.from_outside:
                raise InputError(
                    f"Opening the study ended the process that did it: {death}. "
                    "The files of the study, its data, its model or a plugin did that."
                ) from death
            how = str(death)
        except Exception as problem:  # such as a module that is not found there
            return problem
        else:
            return None
    raise MachineError(f"Every worker process that opened the study was ended: {how}.")


def rehearse(ref: StudyRef, device: str, opening_id: str) -> None:
    """Open a study in this worker, and ask the plugins of others what will be asked of them."""
    with kept_from_exiting(), open_once(ref, device, opening_id).entered() as prepared:
        techniques = foreign_techniques(prepared)
        if not techniques:
            return
        # What they answer or raise is the coordinator's affair; only that they answer matters here.
        run = prepared.run(prepared.study.seed, prepared.study.seed)
        for technique in techniques:
            with suppress(Exception), isolated(run.seed) as run.generator:
                technique.unfit(run)


def foreign_techniques(prepared: Prepared) -> list[Technique]:
    """The techniques of plugins that are not built in which the study asks for."""
    built_in = {plugin.name for plugin in prepared.host.plugins if plugin.built_in}
    techniques = []
    for slot, asked in prepared.host.asked(Wanted.by(vars(prepared.study))).items():
        for technique in asked:
            if prepared.host.owner.get(f"{slot}.{technique.name}") not in built_in:
                techniques.append(technique)
    return techniques
