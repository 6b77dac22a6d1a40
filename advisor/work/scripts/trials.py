"""A job of a script: it is run whole, in a process of its own, with the techniques of its arm."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from advisor.errors import InputError
from advisor.host.host import Host, load
from advisor.randomness import mix, preserved
from advisor.technique import DECAY, RATE
from advisor.training.by_loop import StepHooks
from advisor.training.costs import check_costs, writable_costs
from advisor.training.criterion import LAST_EPOCHS, Criterion, count_last, mean_of_last
from advisor.training.ended import Ended, StoppedEarly
from advisor.training.epoch import Epoch
from advisor.training.row_values import RowValues
from advisor.training.run import Run, apply
from advisor.user_code import user_faults
from advisor.work.in_order import techniques_in_order
from advisor.work.job import Job, Outcome, check_signal, note_problem, why_no_effect
from advisor.work.opened import refuse_other_content
from advisor.work.progress import TEST, why_cut
from advisor.work.scripts.arms import WorkingArm
from advisor.work.scripts.batches import run_of
from advisor.work.scripts.identity import digest_of_script
from advisor.work.scripts.named import TrainingScript
from advisor.work.scripts.running import run_script
from advisor.work.worker import tell_begun

ANY_EPOCHS = 2**31
"""The last epoch of a first training, which has as many as the script says."""


def seed_of(seed: int) -> int:
    """The seed that a script sees, of that of a job."""
    return mix(seed, "script")


def work_on_script(job: Job) -> Outcome:
    """Run a script with the techniques of a job, and note what it reports.

    Never raises for what a technique, the script or the machine does. The process is not to be used
    again.
    """
    outcome = Outcome(spoils=True)
    try:
        script = job.study.script
        assert script is not None  # this is a job of a script
        host = load(job.study.plugins, job.study.without)
        refuse_other_content(job.content, digest_of_script(script, host))
        tell_begun()
        train_into(outcome, job, script, host)
    except user_faults() as problem:  # a script may raise anything
        note_problem(outcome, problem)
    if outcome.ended is Ended.FAILED and job.printed is not None:
        outcome.why += f"; what it printed is in {job.printed}"
    return outcome


def train_into(outcome: Outcome, job: Job, script: TrainingScript, host: Host) -> None:
    """Run the script, and note in `outcome` what was reached even where it ends by an exception."""
    arm = TrialArm(outcome, job, script, host)
    started = time.perf_counter()
    try:
        run_script(script, arm, None if job.printed is None else Path(job.printed))
        if arm.problem is not None:
            raise arm.problem
        arm.finish()
    finally:
        outcome.curve = arm.curve
        seconds = time.perf_counter() - started - sum(outcome.costs.values())
        if job.to_epoch:
            outcome.costs["training"] = max(0.0, seconds)


class TrialArm(WorkingArm):
    """The arm of a job.

    Arguments:
        outcome: where to note what comes of it.
        job: what is asked.
        script: that is run.
        host: with the techniques.
    """

    def __init__(self, outcome: Outcome, job: Job, script: TrainingScript, host: Host) -> None:
        is_first = job.to_epoch == ANY_EPOCHS
        last = LAST_EPOCHS if is_first else count_last(job.to_epoch)
        study = job.study.load()
        asked = study.epochs if is_first else job.to_epoch
        super().__init__(seed_of(job.seed), last if job.measures or is_first else 0, asked)
        self._outcome, self._job, self._script, self._host = outcome, job, script, host
        self._task = study.task
        self._hooks = ExitStack()  # which the end of the process closes
        self._criterion = Criterion(script.measure(), study.reach)

    def changed(self, model: nn.Module, batch: Any) -> nn.Module:
        """The model with the techniques of the job."""
        job = self._job
        techniques = techniques_in_order(self._host, job.params)
        if techniques:
            # The script's own draws are those of the baseline.
            with preserved(), torch.random.fork_rng(accelerators(model)):
                cache = Path(job.cache) if job.cache else None
                metric = self._script.measure()
                run = run_of(model, batch, self._task, metric, job.seed, cache)
                self._apply(run, techniques)
                model = run.model
        if job.to_epoch == 0:
            self.end()
        return model

    def _apply(self, run: Run, techniques: Any) -> None:
        """Apply techniques, and look at the model where the job says so."""
        outcome, job = self._outcome, self._job
        loss, optimizer = run.loss, run.optimizer
        try:
            outcome.actions = apply(run, techniques)
            if job.needs_effect and run.no_effect:
                outcome.no_effect = tuple(run.no_effect)
                raise StoppedEarly(Ended.NO_EFFECT, why_no_effect(outcome, job))
            if run.loss is not loss or run.optimizer is not optimizer:
                names = ", ".join(f"{each.slot} {each.name}" for each, _ in techniques)
                raise StoppedEarly(
                    Ended.FAILED,
                    f"{names} changes the loss or the optimizer, which are the script's own",
                )
            steps = StepHooks(run)
            steps.epoch = lambda: len(self.curve)
            self._hooks.enter_context(steps.called())
            # A script's loop knows of no parts of a training.
            for parameter, _ in run.later:
                parameter.requires_grad_(True)
            if job.precheck:
                check_signal(outcome, run)
            check_costs("the techniques", run.costs)
        finally:
            outcome.costs = writable_costs(run.costs)

    def rate_factor(self, first: float) -> float:
        """How many times the script's own rate the job asks for."""
        return float(self._job.params[RATE]) / first

    def decay_factor(self, first: float) -> float:
        """How many times the script's own weight decay the job asks for."""
        return float(self._job.params[DECAY]) / first if first else 1.0

    def reported(self) -> None:
        """End a script that goes on longer than it was asked to, or is worse than others were."""
        most = self._job.to_epoch
        if len(self.curve) > most:
            raise InputError(
                f"this is epoch {len(self.curve)}, and its first training had {most}; ask for the "
                "number with arm.epochs(…), or report once an epoch"
            )
        why = why_cut(self._criterion, self.curve, len(self.curve), self._job.cuts)
        if why:
            raise StoppedEarly(Ended.OUTRANKED, why)

    def finish(self) -> None:
        """Keep the rows, and fill in the epochs that a script left out which stopped early itself.

        Raises `StoppedEarly` where the script never asked, or never reported.
        """
        name = Path(self._script.path).name
        if not self.is_applied:
            raise StoppedEarly(Ended.FAILED, f"{name} ended without arm.apply(model, batch)")
        job = self._job
        if job.to_epoch == 0:
            return
        if not self.curve:
            raise StoppedEarly(
                Ended.FAILED,
                f"{name} ended without arm.report(score); report the score after each epoch",
            )
        if job.to_epoch != ANY_EPOCHS:
            mean = mean_of_last([epoch.score for epoch in self.curve])
            for epoch in range(len(self.curve) + 1, job.to_epoch + 1):
                self.curve.append(Epoch(epoch, mean, mean, 0.0))
        if job.measures and self.given:
            values = row_values(self.given[-count_last(job.to_epoch) :])
            self._outcome.rows = {TEST: values}
            self._outcome.test = float(values.added.mean())


def row_values(given: Sequence[tuple[Tensor, Tensor]]) -> RowValues:
    """The mean of what the last epochs have said of rows; each has the values and their numbers.

    Raises `InputError` where they are not about the same rows.
    """
    numbers = given[-1][1]
    if not all(torch.equal(named, numbers) for _, named in given):
        raise InputError(
            "arm.rows(values) was given other rows after other epochs; give the same rows in the "
            "same order"
        )
    mean = torch.stack([values for values, _ in given]).mean(0)
    order = numbers.argsort()
    return RowValues(numbers[order].numpy(), mean[order].numpy())


def accelerators(model: nn.Module) -> list[int]:
    """The numbers of the GPUs that a model is on, whose random states are kept."""
    devices = {parameter.device for parameter in nn.Module.parameters(model)}
    return sorted(each.index or 0 for each in devices if each.type == "cuda")
