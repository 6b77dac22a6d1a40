"""A job, a plain value, and the work that it describes: a function of the job alone."""

from __future__ import annotations

import gc
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from advisor.content.study_content import ContentDigest
from advisor.data import Part
from advisor.data.splits import Splits
from advisor.diagnosis.diagnose import glance
from advisor.errors import MachineError, explain
from advisor.faults import causes_of, is_out_of_memory, machine_fault
from advisor.technique import DECAY, RATE
from advisor.training.answers import Answering
from advisor.training.by_loop import LoopFacts, train_by_loop
from advisor.training.costs import check_costs, writable_costs
from advisor.training.ended import Ended, StoppedEarly
from advisor.training.epoch import Epoch
from advisor.training.hooks import depends_on_length
from advisor.training.kept_file import KeptFile
from advisor.training.loop import TrainingSettings
from advisor.training.precise import make_precise
from advisor.training.row_influence import blocks_of
from advisor.training.row_values import RowValues
from advisor.training.run import Run, apply, digest
from advisor.training.stacks.alone import trained
from advisor.user_code import user_faults
from advisor.work.devices import DeviceMemory, memory_of
from advisor.work.in_order import techniques_in_order
from advisor.work.opened import check_device, explain_with_place, prepared_for
from advisor.work.prepare import Prepared
from advisor.work.process_settings import process_settings, settings_kept
from advisor.work.progress import HELD_OUT, TEST, Progress
from advisor.work.study_ref import StudyRef
from advisor.work.worker import tell_begun


@dataclass(frozen=True)
class Job:
    """Train one arm with one seed from one epoch to another.

    It can run in any process that can open the study.

    Attributes:
        study: the study, by reference.
        opening_id: names the opening of the study that the job belongs to; a process opens it once.
        content: of that opening; a process that finds other content does not train.
        params: one technique per slot, and every parameter by its full name.
        seed: of initial draws, batch order and dropout.
        split: of the train and validation rows.
        batch: rows in a mini-batch.
        from_epoch, to_epoch: what part of the training; `load` holds the state at `from_epoch`.
            Up to epoch 0 the techniques are applied, and nothing is trained.
        epochs: of a full training; None where it ends at `to_epoch`.
        name: what it is called in messages, and where deaths of its workers are counted.
        seconds: that it may take, without the opening of the study; None for no limit.
        load, save: files of the training state; training starts anew where `load` is missing.
        load_epochs: of the full training that `load` is a part of, where those are others; a run
            that depends on its length starts anew. None where they are the same.
        loss_limit: training loss before step 20 above which the run gives up, or None.
        precheck: check the signal before training, and do not train a model where it dies.
        needs_effect: do not train where a technique changed nothing.
        cache: folder of shared artefacts.
        measures: score the rows that measure: the test rows, and those that the split holds out.
            Other jobs read no test rows.
        device: a torch device.
        precise: train in double precision, in which equal functions give equal numbers.
        cuts: scores, *higher is better*, below which a training in one go is given up, by epoch.
        rows: training rows of the share of the data that the study is done on; None for all.
        begin: values that the parameters begin with instead of their own draws, by name.
        printed: the file for what a script prints; None to drop that.
    """

    study: StudyRef
    opening_id: str
    content: ContentDigest
    params: Mapping[str, Any]
    seed: int
    split: int
    batch: int
    from_epoch: int
    to_epoch: int
    load: str | None = None
    save: str | None = None
    load_epochs: int | None = None
    loss_limit: float | None = None
    precheck: bool = False
    needs_effect: bool = False
    cache: str | None = None
    measures: bool = False
    device: str = "cpu"
    epochs: int | None = None
    name: str = "a training"
    seconds: float | None = None
    precise: bool = False
    begin: Mapping[str, Tensor] | None = None
    printed: str | None = None
    cuts: Mapping[int, float] = field(default_factory=dict)
    rows: int | None = None


@dataclass(frozen=True)
class LastSignal:
    """What reached the last layer of a changed model before training; None where not measured.

    Attributes:
        features: deviation across rows of what the last layer reads.
        cosine: mean cosine between its rows.
        gradient: norm of the gradient of the first layer.
    """

    features: float | None = None
    cosine: float | None = None
    gradient: float | None = None


@dataclass
class Outcome:
    """What became of a job.

    Attributes:
        curve: the epochs that were trained.
        costs: seconds by part: a slot, `training`, or `look` (the check before training).
        actions: what each slot's technique said it did.
        no_effect: slots whose techniques changed nothing, in a job that needs an effect.
        signal: what reached the last layer, where that was checked.
        test: score of the test rows, where the job measures.
        loop: what showed of the user's own loop, where that has trained.
        rows: what each measured row adds to the score, by what the rows are called; empty where
            how soon a score is reached is what counts.
        ended: why it ended before its last epoch; None where it did not.
        why: the reason in a sentence.
        seconds, computed: that the job took in all, but for opening the study, and the processor's
            part of them; 0 where that is not known.
        trouble: what the machine refused, in a sentence; such a job says nothing about its arm and
            is done again. Empty where there was none.
        spoils: whether its process is not to be used again.
        lacked_memory: whether it ended for want of memory.
        memory: what its process has taken of its device's; None where that is not known.
    """

    curve: list[Epoch] = field(default_factory=list)
    costs: dict[str, float] = field(default_factory=dict)
    actions: dict[str, str] = field(default_factory=dict)
    no_effect: tuple[str, ...] = ()
    signal: LastSignal | None = None
    test: float | None = None
    loop: LoopFacts | None = None
    rows: Mapping[str, RowValues] = field(default_factory=dict)
    ended: Ended | None = None
    why: str = ""
    seconds: float = 0.0
    computed: float = 0.0
    trouble: str = ""
    spoils: bool = False
    lacked_memory: bool = False
    memory: DeviceMemory | None = None

    def after(self, curve: Sequence[Epoch]) -> list[Epoch]:
        """A learning curve with the epochs of this job in place of those it has trained again."""
        again = {epoch.epoch for epoch in self.curve}
        return [epoch for epoch in curve if epoch.epoch not in again] + self.curve


def work(job: Job) -> Outcome:
    """Build the model, apply the techniques, train and score.

    Never raises for what a technique, a model or the machine does.
    """
    outcome = Outcome()
    try:
        # The next job in this process must not notice what this one has set.
        opening = prepared_for(job.study, job.device, job.opening_id, job.content, job.rows)
        with opening as prepared, settings_kept():
            check_device(prepared)
            tell_begun()
            began, computed = time.perf_counter(), time.process_time()
            train_into(outcome, job, prepared)
            outcome.seconds = time.perf_counter() - began
            outcome.computed = time.process_time() - computed
            outcome.memory = memory_of(prepared.device)
    except user_faults() as problem:  # a technique or the user's model may raise anything
        note_problem(outcome, problem)
    return outcome


def note_problem(outcome: Outcome, problem: BaseException) -> None:
    """Note in an outcome why its job ended: training was given up, the machine refused something,
    or the model or a technique raised.
    """
    if isinstance(problem, StoppedEarly):
        outcome.ended, outcome.why = problem.ended, str(problem)
        return
    refused = machine_fault(problem)
    if refused:
        outcome.trouble = refused
        return
    outcome.ended, outcome.why = Ended.FAILED, explain_with_place(problem)
    # What the job held would be missing for the next one.
    if is_out_of_memory(problem):
        outcome.why, outcome.lacked_memory = f"out of memory: {outcome.why}", True
        problem.__traceback__ = None
        gc.collect()


def train_into(outcome: Outcome, job: Job, prepared: Prepared) -> Run:
    """Do a job, and note in `outcome` what was reached even where it ends by an exception. The run
    that was trained is returned.

    Raises `StoppedEarly` where training is given up, `MachineError` where the machine refuses
    something, and whatever the user's code raises.
    """
    run = built_run(job, prepared)
    try:
        apply_into(outcome, job, prepared, run)
        if job.to_epoch > 0:
            train_run(outcome, job, prepared, run)
        # Code that training calls may have entered something, too.
        check_costs("the training", run.costs)
        return run
    finally:
        outcome.costs = writable_costs(run.costs)


def apply_into(outcome: Outcome, job: Job, prepared: Prepared, run: Run) -> None:
    """Apply the techniques of a job to its run, and note in `outcome` what they did.

    Raises `StoppedEarly` where the job needs an effect and one of them has none.
    """
    settings = process_settings()
    outcome.actions = applied(run, job, prepared)
    # What is set for the whole process is an effect, too, whoever has set it.
    if job.needs_effect and run.no_effect and process_settings() == settings:
        outcome.no_effect = tuple(run.no_effect)
        raise StoppedEarly(Ended.NO_EFFECT, why_no_effect(outcome, job))


def why_no_effect(outcome: Outcome, job: Job) -> str:
    """Which techniques changed nothing, each with what it says that it did."""
    parts = []
    for slot in outcome.no_effect:
        said = outcome.actions.get(slot)
        parts.append(f"{slot} {job.params[slot]} changed nothing" + (f" ({said})" if said else ""))
    return "; ".join(parts)


def built_run(job: Job, prepared: Prepared) -> Run:
    """The run of a job before its techniques.

    Raises `MachineError` where a file that the model is built from is gone: it was built when the
    study was opened.
    """
    cache = Path(job.cache) if job.cache else None
    splits = splits_of(job, prepared)
    try:
        run = prepared.run(job.seed, splits, cache)
        run.steps = run.recipe.steps_an_epoch(len(splits.train), job.batch)
        run.steps *= job.epochs or job.to_epoch
        return run
    except Exception as problem:  # the user's constructor may raise anything
        missing = [each for each in causes_of(problem) if isinstance(each, OSError)]
        if not missing or machine_fault(problem) or is_out_of_memory(problem):
            raise
        raise MachineError(
            "The model was built when the study was opened, and cannot be built now: "
            f"{explain_with_place(missing[-1])}. Bring back the file that it reads."
        ) from problem


def applied(run: Run, job: Job, prepared: Prepared) -> dict[str, str]:
    """Apply the techniques of a job, and return what each of them did, by slot.

    Raises `MachineError` where the study's word vectors are gone, which were there when it was
    opened.
    """
    try:
        return apply(run, techniques_in_order(prepared.host, job.params))
    except Exception as problem:  # a technique may raise anything
        vectors = prepared.study.task.vectors
        if vectors is not None and not Path(vectors).exists():
            raise MachineError(
                f"The word vectors {vectors} were there when the study was opened, and are gone: "
                f"{explain(problem)}. Bring the file back."
            ) from problem
        raise


def train_run(outcome: Outcome, job: Job, prepared: Prepared, run: Run) -> None:
    """Train a run with its techniques as a job says, and note each epoch as it ends."""
    settings, valid, progress = made_ready(outcome, job, prepared, run)
    if prepared.loop is None:
        for epoch in trained(run, settings, valid):
            progress.ended(epoch)
    else:
        cut = partial(progress.cut, job.cuts, prepared.criterion)
        end = train_by_loop(run, prepared.loop, settings, valid, progress.ended, cut)
        progress.loop_ended(end, prepared.criterion)
    progress.finish()


def made_ready(
    outcome: Outcome, job: Job, prepared: Prepared, run: Run
) -> tuple[TrainingSettings, Part, Progress]:
    """How a run with its techniques is trained, the rows that it is scored on, and what notes its
    epochs. A job that asks for it has the signal of the run checked here.
    """
    # A state that is gone or cannot be read is made again: the training then starts from its first
    # epoch.
    state = None
    if job.load is not None and (job.load_epochs is None or not depends_on_length(run)):
        saved = replace(job, epochs=job.load_epochs or job.epochs)
        state = kept_file(saved, job.load, job.from_epoch).read("cpu")
    if job.precheck and state is None:
        check_signal(outcome, run)

    if job.precise:
        make_precise(run, job.begin or {})

    # The losses of another loss function, of changed rows, or of another schedule, cannot be
    # compared with those of the study's own.
    has_other_losses = run.loss is not prepared.objective.loss or run.batch is not None
    has_other_losses |= run.recipe.schedule is not run.given.recipe.schedule
    settings = TrainingSettings(
        lr=job.params[RATE],
        weight_decay=job.params[DECAY],
        batch=job.batch,
        from_epoch=job.from_epoch if state else 0,
        to_epoch=job.to_epoch,
        state=state,
        save=kept_file(job, job.save, job.to_epoch) if job.save else None,
        loss_limit=None if has_other_losses else job.loss_limit,
        epochs=job.epochs,
    )

    splits = splits_of(job, prepared)
    valid = splits.valid if len(splits.valid) else splits.test
    answering = answering_of(job, prepared, run, splits) if job.measures else None
    progress = Progress(outcome, run, job.epochs or job.to_epoch, answering)
    return settings, valid, progress


def answering_of(job: Job, prepared: Prepared, run: Run, splits: Splits) -> Answering:
    """Takes what the model of a job answers on the rows that measure."""
    parts = {TEST: splits.test, HELD_OUT: splits.valid}
    if prepared.criterion.reach is not None:
        return Answering(run, parts, job.batch, None)
    source = prepared.source
    groups = None if source.groups is None else torch.from_numpy(source.groups)
    return Answering(run, parts, job.batch, blocks_of(source.total, groups))


def splits_of(job: Job, prepared: Prepared) -> Splits:
    """The rows of a job."""
    if job.measures:
        return prepared.measuring_splits(job.split)
    return prepared.splits(job.split)


def kept_file(job: Job, path: str, epoch: int) -> KeptFile:
    """A file of what the training of a job has after an epoch.

    Its content is what decides that, so that a file that an earlier study of this name has left is
    not taken for it.
    """
    params = sorted(job.params.items())
    study = [job.content.code, job.content.rows]
    rows = [] if job.rows is None else [job.rows]
    content = digest([*study, params, job.seed, job.split, job.batch, job.epochs, epoch, *rows])
    return KeptFile(Path(path), content)


def check_signal(outcome: Outcome, run: Run) -> None:
    """Note what reaches the last layer of a model that is not trained yet.

    Raises `StoppedEarly` where the signal dies: no learning rate trains such a model.
    """
    started = time.perf_counter()
    seen = glance(run)
    run.costs["look"] = time.perf_counter() - started
    outcome.signal = LastSignal(seen.features, seen.cosine, seen.gradient)
    if seen.untrainable:
        raise StoppedEarly(Ended.NOT_TRAINED, f"not trained: {seen.untrainable}")
