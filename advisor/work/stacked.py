"""Jobs that are done as one computation: trainings of one study, of the same length.

jobs = {0: …, 1: …, 2: …}
for key, outcome in run_stacked(crew, jobs, stacks=[(0, 1, 2)]): …

A job has the same numbers in a stack and alone, up to what rounding does. What cannot be done so is
done alone.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, TypeVar

from advisor.errors import explain
from advisor.host.host import Host
from advisor.technique import KEEP
from advisor.training.costs import check_costs, writable_costs
from advisor.training.ended import StoppedEarly
from advisor.training.run import Run
from advisor.training.stacks.alone import trained
from advisor.training.stacks.fits import (
    FEWEST,
    parts_of,
    reason_of,
    why_alone,
    why_not_faster,
)
from advisor.training.stacks.member import Member, groups_of
from advisor.training.stacks.stack import Stack
from advisor.training.stacks.traced import NotStackable
from advisor.user_code import user_faults
from advisor.work.job import Job, Outcome, apply_into, built_run, made_ready, note_problem
from advisor.work.opened import check_device, prepared_for
from advisor.work.prepare import Prepared
from advisor.work.process_settings import process_settings, settings_kept
from advisor.work.progress import Progress
from advisor.work.worker import tell_begun

if TYPE_CHECKING:
    from advisor.work.executors import Crew, Spare

Key = TypeVar("Key", bound=Hashable)
"""What a job is called by whoever runs it."""
MOST = 10
"""Jobs in a stack: more are hardly faster, and leave other workers without any."""
LARGE = 7
"""Jobs from which on a stack takes longer than a training with its pretraining, which costs about
two trainings (`--artefact-share`).
"""
BESIDE = 6
"""Jobs from which on there are two stacks, for two workers."""
LOG = logging.getLogger("advisor.stacks")
"""Says why jobs that might have been a stack were done one by one."""


@dataclass(frozen=True)
class StackedJob(Job):
    """Several jobs of one study, which differ in their parameters, seeds and rows.

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
        outcomes: one of each job, in their order; None of those that are to be done alone.
        alone: why that is, in a sentence each.
    """

    outcomes: list[Outcome | None] = field(default_factory=list)
    alone: list[str] = field(default_factory=list)


@dataclass
class StackedRun:
    """A job on its way, in a stack.

    Attributes:
        job: what is asked.
        outcome: what has come of it.
        run: with its techniques; None where it broke before.
        progress: notes its epochs.
        member: what is trained; None where there is nothing to train.
        by_itself: why it is trained by itself, in a sentence; empty where it need not be.
        elsewhere: whether it is to be done by a job of its own.
    """

    job: Job
    outcome: Outcome
    run: Run | None = None
    progress: Progress | None = None
    member: Member | None = None
    by_itself: str = ""
    elsewhere: bool = False


# --- in a worker --------------------------------------------------------------------------------


def work_on_stack(stack: StackedJob) -> StackOutcome:
    """Do several jobs as one computation, or say why they are to be done alone.

    Never raises for what a technique, a model or the machine does.
    """
    found = StackOutcome()
    try:
        opening_of = (stack.study, stack.device, stack.opening_id, stack.content, stack.rows)
        opening = prepared_for(*opening_of)
        with opening as prepared, settings_kept():
            check_device(prepared)
            tell_begun()
            runs = done_together(stack.jobs, prepared)
    except user_faults() as problem:  # each job says for itself what it breaks on
        found.alone = [explain(problem)]
        found.outcomes = [None] * len(stack.jobs)
        return found
    found.alone = list(dict.fromkeys(each.by_itself for each in runs if each.by_itself))
    found.outcomes = [None if each.elsewhere else each.outcome for each in runs]
    found.spoils = any(
        each.outcome.spoils or bool(each.outcome.trouble) or each.outcome.lacked_memory
        for each in runs
    )
    return found


def done_together(jobs: Sequence[Job], prepared: Prepared) -> list[StackedRun]:
    """Do several jobs, those together whose models can be.

    A few that are left over are trained here one by one; more are left to jobs of their own, which
    other workers may do.
    """
    runs = [begun(job, prepared) for job in jobs]
    ready = [each for each in runs if each.member is not None and not each.by_itself]
    for group in groups_of([each.member for each in ready if each.member is not None]):
        for part in together_of(group):
            train_group([each for each in ready if any(each.member is own for own in part)])
    for each in ready:
        if each.member is not None and each.member.unreadable:
            each.by_itself = each.member.unreadable
    left = [each for each in runs if each.by_itself and not each.elsewhere]
    for each in left:
        each.elsewhere = len(left) >= FEWEST
        if not each.elsewhere:
            train_alone(each)
    for each in runs:
        finish(each)
    return runs


def begun(job: Job, prepared: Prepared) -> StackedRun:
    """A job with its techniques applied; what it breaks on is noted."""
    found = StackedRun(job, Outcome())
    settings = process_settings()
    # What a technique sets for the whole process must not reach the others.
    with settings_kept():
        try:
            found.run = run = built_run(job, prepared)
            apply_into(found.outcome, job, prepared, run)
            how, valid, found.progress = made_ready(found.outcome, job, prepared, run)
            found.member = Member(run, how, valid)
            found.by_itself = why_alone(run) or ""
        except user_faults() as problem:  # a technique or the user's model may raise anything
            note_problem(found.outcome, problem)
        if process_settings() != settings:
            found.by_itself, found.elsewhere = (
                "a technique sets something for the whole process",
                True,
            )
    return found


def together_of(group: Sequence[Member]) -> list[list[Member]]:
    """The runs of a group in the parts that are trained together."""
    try:
        return parts_of(group)
    except user_faults():  # whoever trains them hears of it again
        return [list(group)]


def train_group(runs: Sequence[StackedRun]) -> None:
    """Train runs whose models are computed together; why they are not is noted."""
    members = [each.member for each in runs if each.member is not None]
    first = members[0]
    graph = None if first.reading is None else first.reading.graph
    try:
        reason = why_not_faster(first.run, len(members), first.settings.batch, graph)
        if reason is None:
            follow(Stack(members), runs)
    except NotStackable as problem:
        reason = str(problem)
    except user_faults() as problem:  # each of them says for itself what it breaks on
        reason = explain(problem)
        for each in runs:
            each.elsewhere = True
    for each in runs:
        each.by_itself = reason or ""


def follow(stack: Stack, runs: Sequence[StackedRun]) -> None:
    """Train a stack, and note each epoch of each run."""
    progress = {id(each.member): each.progress for each in runs if each.progress is not None}
    for member, epoch in stack.train():
        try:
            progress[id(member)].ended(epoch)
        except StoppedEarly as problem:
            member.problem = problem


def train_alone(done: StackedRun) -> None:
    """Train a run of a stack by itself."""
    member, progress = done.member, done.progress
    if member is None or progress is None:
        return
    with settings_kept():
        try:
            for epoch in trained(member.run, member.settings, member.valid):
                progress.ended(epoch)
        except user_faults() as problem:  # a technique or the user's model may raise anything
            member.problem = problem


def finish(done: StackedRun) -> None:
    """Note how a job of a stack has ended."""
    outcome, run = done.outcome, done.run
    if run is None or done.elsewhere:
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
            return why_alone(run) or reason_of(lambda: why_not_faster(run, copies, batch))
    except user_faults() as problem:  # the jobs say for themselves what they break on
        return explain(problem)


class Worth:
    """Which trainings are done together; each number of them is asked for once.

    Arguments:
        what: they are called in the log, which says once why they are not.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._why: dict[Hashable, str | None] = {}

    def pays(self, key: Hashable, why_not: Callable[[], str | None]) -> bool:
        """Whether such trainings are done together; `why_not` says why they are not, or None."""
        if key not in self._why:
            self._why[key] = why = why_not()
            if why is not None:
                LOG.info("%s are trained one by one: %s", self._what, why)
        return self._why[key] is None


def is_by_itself(host: Host, choices: Mapping[str, Any], from_epoch: int = 0) -> bool:
    """Whether a job with one technique per slot begins with an artefact, which others should not
    wait for.
    """
    techniques = (host.find(slot, name) for slot, name in choices.items() if name != KEEP)
    return from_epoch == 0 and any(each is not None and each.passes for each in techniques)


def blocks_of(keys: Sequence[Key]) -> list[list[Key]]:
    """Jobs in blocks of at most ten, by how many there are alone: an even number of blocks, so that
    two workers have as many; none where they are too few for two.
    """
    if len(keys) < BESIDE:
        return []
    count = 2 * math.ceil(len(keys) / MOST / 2)
    size, more = divmod(len(keys), count)
    ends = list(accumulate((size + (place < more) for place in range(count)), initial=0))
    return [list(keys[start:end]) for start, end in pairwise(ends) if end > start]


def blocks_of_places(places: Sequence[int]) -> list[list[int]]:
    """Places of seeds in blocks, by their numbers alone: from 0, from 5, and then by tens."""
    blocks: dict[int, list[int]] = {}
    for place in places:
        blocks.setdefault(-1 if place < MOST // 2 else place // MOST, []).append(place)
    return list(blocks.values())


def run_stacked(
    crew: Crew,
    jobs: Mapping[Key, Job],
    stacks: Sequence[Sequence[Key]],
    is_late: Callable[[], bool] = lambda: False,
    spare: Spare = lambda: (),
) -> Iterator[tuple[Key, Outcome]]:
    """Outcomes as they come, of which those of a stack come together.

    Arguments:
        crew: does the jobs.
        jobs: by a key of the caller's, in the order in which they are started.
        stacks: keys of those that are done together.
        is_late: whether the time for further jobs is up.
        spare: jobs for workers that would wait, as for `Crew.run`.

    Raises:
        MachineError: as `Crew.run` does.
    """
    if not stacks:
        yield from crew.run(jobs, is_late, spare)
        return
    alone: dict[Key, Job] = {}
    for keys, outcome in crew.run(units_of(jobs, stacks), is_late, spare):
        found = [outcome] if len(keys) == 1 else outcomes_of(outcome, len(keys))
        for key, each in zip(keys, found, strict=True):
            # What the machine has refused beside others is asked again alone, as is what lacked
            # memory there.
            is_refused = each is not None and bool(each.trouble or each.lacked_memory)
            if each is None or (is_refused and len(keys) > 1):
                alone[key] = jobs[key]
            else:
                yield key, each
    if alone:
        yield from crew.run(alone, is_late, spare)


def units_of(
    jobs: Mapping[Key, Job], stacks: Sequence[Sequence[Key]]
) -> dict[tuple[Key, ...], Job]:
    """What is handed out, by the keys of the jobs in it: the longest first, which are large stacks,
    then what is done alone, as a pretraining, then small stacks.
    """
    stack_of = {key: tuple(keys) for keys in stacks for key in keys}
    units: dict[tuple[Key, ...], Job] = {}
    for key in jobs:
        keys = stack_of.get(key, (key,))
        if keys not in units:
            own = [jobs[each] for each in keys]
            units[keys] = own[0] if len(own) == 1 else StackedJob.of(own)
    return dict(sorted(units.items(), key=lambda unit: turn_of(len(unit[0]))))


def turn_of(jobs: int) -> int:
    """When a unit of so many jobs is begun: the lower, the earlier."""
    if jobs == 1:
        return 1
    return 0 if jobs >= LARGE else 2


def outcomes_of(outcome: Outcome, jobs: int) -> Sequence[Outcome | None]:
    """What became of each of so many jobs of a stack; None of those that are to be done alone."""
    if not isinstance(outcome, StackOutcome):
        outcome = StackOutcome(outcomes=[None] * jobs, alone=[outcome.why])
    elsewhere = outcome.outcomes.count(None)
    for why in outcome.alone:
        LOG.info("%d of %d trainings are done one by one: %s", elsewhere, jobs, why)
    return outcome.outcomes
