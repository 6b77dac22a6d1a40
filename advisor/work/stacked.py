"""Jobs that are done as one computation: those that train one arm with several seeds.

jobs = {0: …, 1: …, 2: …}
for key, outcome in run_stacked(crew, jobs, stacks=[(0, 1, 2)]): …

A job has the same numbers in a stack and alone, up to what rounding does. What cannot be done so is
done alone.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, TypeVar

from advisor.errors import explain
from advisor.training.costs import check_costs, writable_costs
from advisor.training.ended import StoppedEarly
from advisor.training.run import Run
from advisor.training.stacks.fits import reason_of, why_alone, why_not_faster
from advisor.training.stacks.stack import Member, Stack
from advisor.training.stacks.traced import NotStackable
from advisor.user_code import user_faults
from advisor.work.job import Job, Outcome, applied, built_run, made_ready, note_problem
from advisor.work.opened import check_device, prepared_for
from advisor.work.prepare import Prepared
from advisor.work.process_settings import process_settings, settings_kept
from advisor.work.progress import Progress
from advisor.work.worker import tell_begun

if TYPE_CHECKING:
    from advisor.work.executors import Crew

Key = TypeVar("Key", bound=Hashable)
"""What a job is called by whoever runs it."""
MOST = 10
"""Jobs in a stack: more are hardly faster, and leave other workers without any."""
LOG = logging.getLogger("advisor.stacks")
"""Says why jobs that might have been a stack were done one by one."""


@dataclass(frozen=True)
class StackedJob(Job):
    """Several jobs of one arm and one study, which differ in their seeds and rows.

    Attributes:
        jobs: that are done together.
    """

    jobs: tuple[Job, ...] = ()

    @classmethod
    def of(cls, jobs: Sequence[Job]) -> StackedJob:
        """The job that does these together, which may take as long as they do."""
        first = jobs[0]
        values = {each.name: getattr(first, each.name) for each in fields(Job)}
        values["name"] = f"{first.name} and {len(jobs) - 1} beside it"
        if first.seconds is not None:
            values["seconds"] = first.seconds * len(jobs)
        return cls(**values, jobs=tuple(jobs))


@dataclass
class StackOutcome(Outcome):
    """What became of jobs that were to be done together.

    Attributes:
        outcomes: one of each job, in their order; none where they are to be done alone.
        alone: why that is, in a sentence.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    alone: str = ""


@dataclass
class StackedRun:
    """A job on its way, in a stack.

    Attributes:
        job: what is asked.
        outcome: what has come of it.
        run: with its techniques; None where it broke before.
        progress: notes its epochs.
        member: what is trained.
    """

    job: Job
    outcome: Outcome
    run: Run | None = None
    progress: Progress | None = None
    member: Member | None = None


# --- in a worker --------------------------------------------------------------------------------


def work_on_stack(stack: StackedJob) -> StackOutcome:
    """Do several jobs as one computation, or say why they are to be done alone.

    Never raises for what a technique, a model or the machine does.
    """
    found = StackOutcome()
    try:
        opening = prepared_for(stack.study, stack.device, stack.opening_id, stack.content)
        with opening as prepared, settings_kept():
            check_device(prepared)
            tell_begun()
            found.outcomes = trained_together(stack.jobs, prepared)
    except NotStackable as problem:
        found.alone = str(problem)
    except user_faults() as problem:  # each job says for itself what it breaks on
        found.alone = explain(problem)
    found.spoils = any(each.spoils or bool(each.trouble) for each in found.outcomes)
    return found


def trained_together(jobs: Sequence[Job], prepared: Prepared) -> list[Outcome]:
    """Train the arm of several jobs with the seed of each.

    Raises `NotStackable` where they are to be trained alone.
    """
    runs = [begun(job, prepared) for job in jobs]
    members = [each.member for each in runs if each.member is not None]
    if members:
        follow(Stack(members), runs)
    for each in runs:
        finish(each)
    return [each.outcome for each in runs]


def begun(job: Job, prepared: Prepared) -> StackedRun:
    """A job with its techniques applied; what it breaks on is noted.

    Raises `NotStackable` where its run is to be trained alone.
    """
    found = StackedRun(job, Outcome())
    settings = process_settings()
    try:
        found.run = run = built_run(job, prepared)
        found.outcome.actions = applied(run, job, prepared)
        how, valid, found.progress = made_ready(found.outcome, job, prepared, run)
        found.member = Member(run, how, valid)
    except user_faults() as problem:  # a technique or the user's model may raise anything
        note_problem(found.outcome, problem)
        return found
    if process_settings() != settings:
        raise NotStackable("a technique sets something for the whole process")
    reason = why_alone(run)
    if reason is not None:
        raise NotStackable(reason)
    return found


def follow(stack: Stack, runs: Sequence[StackedRun]) -> None:
    """Train a stack, and note each epoch of each run."""
    progress = {id(each.member): each.progress for each in runs if each.progress is not None}
    for member, epoch in stack.train():
        try:
            progress[id(member)].ended(epoch)
        except StoppedEarly as problem:
            member.problem = problem


def finish(done: StackedRun) -> None:
    """Note how a job of a stack has ended."""
    outcome, run = done.outcome, done.run
    if run is None:
        return
    try:
        if done.member is not None and done.progress is not None:
            if done.member.problem is not None:
                raise done.member.problem
            done.progress.finish()
            check_costs("the training", run.costs)
    except user_faults() as problem:  # a metric of the user's may raise anything
        note_problem(outcome, problem)
    outcome.costs = writable_costs(run.costs)


# --- where jobs are asked -----------------------------------------------------------------------


def why_no_stack(prepared: Prepared, copies: int, batch: int) -> str | None:
    """Why jobs of the user's model as it is are not done together, in a sentence, or None.

    Shapes decide, so that the answer is the same on any machine with any number of workers.
    """
    if not prepared.has_rows:
        return "a script trains by itself"
    if prepared.loop is not None:
        return "a training loop of the user's own trains by itself"
    seed = prepared.study.seed
    try:
        with settings_kept():
            run = prepared.run(seed, seed)
            return why_alone(run) or reason_of(lambda: why_not_faster(run.model, copies, batch))
    except user_faults() as problem:  # the jobs say for themselves what they break on
        return explain(problem)


def blocks_of_places(places: Sequence[int]) -> list[list[int]]:
    """Places of seeds in blocks, by their numbers alone: from 0, from 5, and then by tens."""
    blocks: dict[int, list[int]] = {}
    for place in places:
        blocks.setdefault(-1 if place < MOST // 2 else place // MOST, []).append(place)
    return list(blocks.values())


def run_stacked(
    crew: Crew, jobs: Mapping[Key, Job], stacks: Sequence[Sequence[Key]]
) -> Iterator[tuple[Key, Outcome]]:
    """Outcomes as they come, of which those of a stack come together.

    Arguments:
        crew: does the jobs.
        jobs: by a key of the caller's, in the order in which they are started.
        stacks: keys of those that are done together.

    Raises:
        MachineError: as `Crew.run` does.
    """
    if not stacks:
        yield from crew.run(jobs)
        return
    stack_of = {key: tuple(keys) for keys in stacks for key in keys}
    units: dict[tuple[Key, ...], Job] = {}
    for key in jobs:
        keys = stack_of.get(key, (key,))
        if keys not in units:
            own = [jobs[each] for each in keys]
            units[keys] = own[0] if len(own) == 1 else StackedJob.of(own)

    alone: dict[Key, Job] = {}
    for keys, outcome in crew.run(units):
        found = [outcome] if len(keys) == 1 else outcomes_of(outcome, len(keys))
        for key, each in zip(keys, found, strict=True):
            # What the machine has refused beside others is asked again alone.
            if each is None or (each.trouble and len(keys) > 1):
                alone[key] = jobs[key]
            else:
                yield key, each
    if alone:
        yield from crew.run(alone)


def outcomes_of(outcome: Outcome, jobs: int) -> Sequence[Outcome | None]:
    """What became of each of so many jobs of a stack; None of those that are to be done alone."""
    if isinstance(outcome, StackOutcome) and outcome.outcomes:
        return outcome.outcomes
    why = outcome.alone if isinstance(outcome, StackOutcome) else outcome.why
    LOG.info("%d trainings are done one by one: %s", jobs, why)
    return [None] * jobs
