"""Trains several runs together, as `train` trains each."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from advisor.nested import elements
from advisor.randomness import mix, start_from
from advisor.training.batches import batches_together, steps_in, whole_batches
from advisor.training.ended import EARLY_STEPS, StoppedEarly
from advisor.training.epoch import Epoch
from advisor.training.loop import evaluate, require_below, require_finite, score_of
from advisor.training.stacks.bank import Bank
from advisor.training.stacks.computation import Computation
from advisor.training.stacks.joint import JointSteps
from advisor.training.stacks.losses_of_copies import LossOfCopies
from advisor.training.stacks.member import Member, common_readings
from advisor.training.stacks.program import Program, side_by_side
from advisor.training.stacks.proof import check_same
from advisor.training.stacks.rows_of_copies import rows_of_all
from advisor.training.stacks.scoring import Answer, Scoring
from advisor.training.stacks.traced import NotStackable
from advisor.training.stacks.written import WrittenStep
from advisor.user_code import user_faults


class Stack:
    """Runs that are trained as one computation.

    The order of rows, dropout, scores and the ways in which a run ends early are those of `train`.

    Arguments:
        members: the runs, at least one.
        is_written: whether their steps must be written out.

    Raises `NotStackable` where they cannot be computed together, or are not written out.
    """

    def __init__(self, members: Sequence[Member], is_written: bool = False) -> None:
        self._is_written = is_written
        readings = common_readings(members)
        self.members = [members[i] for i in side_by_side(readings)]
        for each in self.members:
            each.prepare()
        self._pack()
        try:
            if self._packed:
                self._note_costs(check(self._program, self._bank, self._packed))
        except BaseException:
            self._release()
            raise

    @property
    def active(self) -> list[Member]:
        """The runs that are still trained."""
        return [each for each in self.members if each.problem is None]

    def train(self) -> Iterator[tuple[Member, Epoch]]:
        """Points of the learning curves, those of an epoch after each other.

        A run whose `problem` is set, here or by whoever hears of its epochs, is taken out.
        """
        settings = self.members[0].settings
        for epoch in range(settings.from_epoch, settings.to_epoch):
            if not self._packed:
                return
            started = time.perf_counter()
            packed = self._packed
            losses = self._epoch(epoch)
            answers = self._scoring.answers()
            seconds = time.perf_counter() - started
            costs = sum(each.cost for each in packed)
            for place, each in enumerate(packed):
                own, share = losses[:, place].contiguous(), seconds * each.cost / costs
                yield from ended_epoch(each, epoch, own, share, answers[place])
            self._repack()
        self._release()
        for each in self.active:
            if each.settings.save is not None:
                each.settings.save.write(each.stepping.state())

    # --------------------------------------------------------------------------------------------

    def _pack(self) -> None:
        self._packed, self._bank = self.active, Bank()
        if not self._packed:
            return
        self._program, self._bank = computation_of(self._packed, self._is_written)
        settings = self._packed[0].settings
        epochs = settings.to_epoch - settings.from_epoch
        self._scoring = Scoring(self._program, self._packed, epochs)
        self._steps = JointSteps([each.stepping for each in self._packed], self._bank)
        # Those of layers that are computed one copy after the other.
        every = [each for member in self._packed for each in member.run.model.parameters()]
        self._own = [each for each in every if not self._bank.has(each)]

    def _note_costs(self, seconds: Sequence[float]) -> None:
        """Note what a step of each run takes; it is the same where the same is done."""
        forms = [reading.forms for reading in common_readings(self._packed)]
        for member, form in zip(self._packed, forms, strict=True):
            same = (own for own, other in zip(seconds, forms, strict=True) if other == form)
            member.cost = min(same)

    def _release(self) -> None:
        """Leave each run as if it had been trained alone."""
        self._steps.end()
        self._bank.release()

    def _repack(self) -> None:
        """Take out the runs that have ended."""
        if len(self.active) < len(self._packed):
            self._release()
            self._pack()

    def _epoch(self, epoch: int) -> Tensor:
        """Train through one epoch; the loss of each step `(steps, copies)` is returned."""
        packed = self._packed
        first, together = packed[0], packed[0].run.recipe.accumulate
        start_from(mix(first.run.seed, "dropout", epoch))
        self._program.begin(streams_of(packed, epoch))
        losses: list[Tensor] = []
        loss = LossOfCopies([each.run.loss for each in packed])
        rows = whole_batches(torch.arange(len(first.run.data.train)), first.settings.batch)
        count = steps_in(rows, first.settings.batch)
        last = last_early_step(first, epoch)
        for step, (inputs, target) in enumerate(batches_of(packed, epoch)):
            begun = step - step % together
            size = min(together, count - begun)
            if step == begun:
                self._drop_gradients()
            losses.append(self._program.step(inputs, target, loss, size))
            if step == begun + size - 1:
                self._steps.take(epoch)
            if step + 1 == last and all_end_early(packed, epoch, torch.stack(losses)):
                break
        return torch.stack(losses)

    def _drop_gradients(self) -> None:
        if self._bank.holds_gradients:
            return
        self._bank.begin_step()
        if not self._steps.is_joint:
            for each in self._packed:
                each.stepping.optimizer.zero_grad(set_to_none=True)
        for parameter in self._own:
            parameter.grad = None


def computation_of(members: Sequence[Member], is_written: bool) -> tuple[Computation, Bank]:
    """What computes the models of runs, and their parameters: with steps written out where all that
    they do is known, or else by autograd, which knows more. Raises `NotStackable` where they must
    be written out.
    """
    readings, models = common_readings(members), [each.run.model for each in members]
    bank = Bank()
    try:
        if members[0].run.recipe.accumulate > 1:
            raise NotStackable("a step is made of several mini-batches")
        return WrittenStep(readings, models, bank), bank
    except NotStackable:
        bank.release()
        if is_written:
            raise
    bank = Bank()
    return Program(readings, models, bank), bank


def ended_epoch(
    member: Member, epoch: int, losses: Tensor, seconds: float, answer: Answer | None
) -> Iterator[tuple[Member, Epoch]]:
    """The point of a run's curve after an epoch; none where it ends there, as `problem` says.

    Arguments:
        member: that is trained.
        epoch: counted from 0.
        losses: of its steps in this epoch.
        seconds: its share of the time that they took.
        answer: what its metric reads; None where its model is to be asked.
    """
    started = time.perf_counter()
    try:
        early = early_loss(member, epoch, losses)
        mean = losses.mean().item()
        require_finite("the training loss", mean)
        member.stepping.end_epoch(epoch, mean)
        if answer is None:
            score = evaluate(member.run, member.valid, member.settings.batch)
        else:
            score = score_of(member.run, *answer)
    except user_faults() as problem:  # a metric of the user's may raise anything
        member.problem = problem
        return
    seconds += time.perf_counter() - started
    yield member, Epoch(epoch + 1, score, mean, seconds, early)


def early_loss(member: Member, epoch: int, losses: Tensor) -> float | None:
    """The mean loss just before step 20, in the epoch that holds this step.

    Raises `StoppedEarly` where it is above the limit, or not finite.
    """
    last = last_early_step(member, epoch)
    if not 0 < last <= len(losses):
        return None
    early = losses[max(0, last - EARLY_STEPS // 2) : last].mean().item()
    require_finite("the training loss", early)
    require_below(member.settings.loss_limit, early)
    return early


def last_early_step(member: Member, epoch: int) -> int:
    """Which step of an epoch is the last of those that tell whether a run is worth going on with;
    it may be in another epoch.
    """
    steps = math.ceil(len(member.run.data.train) / member.settings.batch)
    return EARLY_STEPS - epoch * steps


def all_end_early(members: Sequence[Member], epoch: int, losses: Tensor) -> bool:
    """Whether no run is worth going on with, by its losses `(steps, copies)`."""
    for place, each in enumerate(members):
        try:
            early_loss(each, epoch, losses[:, place])
        except StoppedEarly:
            continue
        return False
    return True


def streams_of(members: Sequence[Member], epoch: int) -> list[torch.Generator]:
    """What dropout draws from in an epoch, for each run."""
    return [torch.Generator().manual_seed(mix(each.run.seed, "dropout", epoch)) for each in members]


def batches_of(
    members: Sequence[Member], epoch: int
) -> Iterator[tuple[tuple[Tensor, ...], Tensor]]:
    """The mini-batches of an epoch, those of all runs stacked: inputs and target."""
    rows, size = len(members[0].run.data.train), members[0].settings.batch
    orders = []
    for each in members:
        generator = torch.Generator().manual_seed(mix(each.run.seed, "order", epoch))
        orders.append(torch.randperm(rows, generator=generator))
    end = len(whole_batches(torch.arange(rows), size))
    block = size * batches_together(members[0].run.data.train, size * len(members))
    for start in range(0, end, block):
        stop = min(end, start + block)
        parts = [each.run.data.train for each in members]
        inputs, target = rows_of_all(parts, [order[start:stop] for order in orders])
        for at in range(0, stop - start, size):
            places = slice(at, at + size)
            yield tuple(part[:, places] for part in inputs), target[:, places]


def check(program: Computation, bank: Bank, members: Sequence[Member]) -> list[float]:
    """Seconds of a step of each run alone.

    Raises `NotStackable` where the models give other numbers together than alone.
    """
    epoch = members[0].settings.from_epoch
    inputs, _ = next(batches_of(members, epoch))
    if not all(isinstance(each, Tensor) for each in elements(inputs)):
        raise NotStackable("its inputs are no tensors")
    seeds = [mix(each.run.seed, "dropout", epoch) for each in members]
    seconds = check_same(program, bank, inputs, seeds)
    bank.hand_out()
    return seconds
