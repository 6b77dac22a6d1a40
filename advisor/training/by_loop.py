"""A run trained by a loop of the user's own, which is called, and listened to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, NoReturn

import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from advisor.data import Part
from advisor.errors import listing
from advisor.randomness import mix, start_from
from advisor.training.ended import Ended, Stop, StoppedEarly
from advisor.training.epoch import Epoch
from advisor.training.hooks import HOOKS, after_step, hooks_set
from advisor.training.loop import TrainingSettings, evaluate
from advisor.training.loop_run import LoopRun, Paused
from advisor.training.own_loop import OwnLoop
from advisor.training.run import Run
from advisor.user_code import user_faults


@dataclass(frozen=True)
class LoopFacts:
    """What a training showed of the loop that made it.

    Attributes:
        asked: which of `lr` and `weight_decay` it read.
        saves: whether it can go on from a state.
        has_model: whether there is a model whose answers can be scored row by row.
        honours: the hooks of techniques that it uses.
    """

    asked: tuple[str, ...]
    saves: bool
    has_model: bool
    honours: frozenset[str] = frozenset(HOOKS)


@dataclass(frozen=True)
class LoopEnd:
    """How a training by a loop of the user's own ended.

    Attributes:
        facts: of the loop.
        is_paused: whether it goes on in another job.
        epochs: that it reported.
        score: of the model that it returned; None where it returned none.
    """

    facts: LoopFacts
    is_paused: bool
    epochs: int
    score: float | None


def train_by_loop(
    run: Run,
    loop: OwnLoop,
    settings: TrainingSettings,
    valid: Part,
    ended: Callable[[Epoch, bool], object],
    cut: Callable[[int], str] | None = None,
) -> LoopEnd:
    """Train a run by the user's own loop; afterwards its model is the one to be scored.

    Arguments:
        run: with its techniques applied.
        loop: the user's.
        settings: how long, at which rate and from which state.
        valid: the rows that are scored after each epoch.
        ended: called after each epoch, with whether the model was scored here.
        cut: why a training need not go on after an epoch, or nothing.

    Raises:
        StoppedEarly: the training was given up, or the loop is at fault.
    """
    run.model.to(run.device)
    steps = StepHooks(run)
    training = LoopRun(run, settings, valid, loop.who, ended, cut)
    steps.epoch = lambda: training.epoch
    before = weights_sum(run.model)

    # All arms of a seed draw the same.
    start_from(mix(run.seed, "fit"))
    if settings.state is not None:
        for name, kept in run.keep.items():
            kept.load_state_dict(settings.state["keep"][name])
    with steps.called():
        returned = listened_to(loop, training)
    asked = tuple(sorted(training.asked | ({"lr", "weight_decay"} & set(loop.asked))))
    has_model = bool(training.is_scored_here or returned is not None)
    honours = frozenset(name for name, is_used in used_by(run, training, steps) if is_used)
    facts = LoopFacts(asked, training.saves, has_model, honours)
    if isinstance(training.over, Paused):
        return LoopEnd(facts, True, training.epoch, None)

    for is_wrong, what in faults_of(run, training, returned, steps):
        if is_wrong:
            fail(loop, what)
    if isinstance(returned, nn.Module):
        run.model = returned.to(run.device)
        score = evaluate(run, valid, settings.batch)
        return LoopEnd(facts, False, training.epoch, score)
    if training.is_scored_here and settings.state is None and weights_sum(run.model) == before:
        fail(loop, "run.model is what it was before training: train it, or return the model")
    return LoopEnd(facts, False, training.epoch, None)


def listened_to(loop: OwnLoop, training: LoopRun) -> Any:
    """Call the loop, take what it yields, and give what it returns.

    Raises what ended the training, whatever the loop made of it.
    """
    try:
        result = loop.call(training)
        if isinstance(result, Iterator):
            result = drained(result, training)
    except user_faults():
        # What the loop was told comes before what it, or its framework, says then.
        if training.over is None:
            raise
        result = None
    if training.over is not None and not isinstance(training.over, Paused):
        raise training.over
    return result


def drained(epochs: Iterator[Any], training: LoopRun) -> Any:
    """Take a score after each epoch of a generator, and give what it returns."""
    try:
        while True:
            try:
                score = next(epochs)
            except StopIteration as end:
                return end.value
            training.report(score)
    finally:
        # Its own `finally` blocks run now.
        close = getattr(epochs, "close", None)
        if close is not None:
            with suppress(Stop):
                close()


def used_by(run: Run, training: LoopRun, steps: StepHooks) -> Iterator[tuple[str, bool]]:
    """The hooks of techniques, each with whether a training that has gone well has used it."""
    yield "steps", steps.number * training.epochs == run.steps * training.epoch
    yield "each_step", bool(steps.number)
    yield "batch", training.draws_training_rows
    yield "scored", bool(training.is_scored_here)
    # What is kept goes on with the loop, or the loop is trained in one go.
    yield "keep", True
    # The loop makes its own optimizer, schedule and clipping.
    yield "optimizer", False
    yield "recipe", False
    yield "loss", training.took_loss


def faults_of(
    run: Run, training: LoopRun, returned: Any, steps: StepHooks
) -> Iterator[tuple[bool, str]]:
    """What a loop may have done wrong in all: whether it has, and what."""
    yield (
        returned is not None and not isinstance(returned, nn.Module),
        f"it returned {type(returned).__name__}: yield a score after each epoch, or call "
        "run.report(), and return the model or nothing",
    )
    yield (
        not training.reported,
        "it ended and reported no epoch: yield after each epoch, a score or nothing, or call "
        "run.report()",
    )
    yield (
        bool(run.each_step) and not steps.number,
        "a technique acts after each step of an optimizer, and the loop took none",
    )
    yield (
        run.batch is not None and not training.draws_training_rows,
        "a technique changes mini-batches, and the loop does not take its training rows from "
        "run.loader(run.train)",
    )
    # What it has made of its own is not what a technique has put into the run.
    own = {"optimizer", "recipe"} if training.took_loss else {"optimizer", "recipe", "loss"}
    unused = own.intersection(hooks_set(run))
    yield bool(unused), f"a technique sets {listing(map('run.{}'.format, sorted(unused)))} in vain"
    yield (
        training.is_scored_here is not None and not steps.trains(run.later),
        "a technique lets parameters wait for a later epoch, and the loop's optimizer leaves them "
        "out: build it for all of run.model.parameters(), whether they require a gradient or not",
    )
    yield (
        run.scored is not None and not training.is_scored_here,
        "a technique scores other weights than those that are trained, and the loop scores "
        "itself: yield nothing after an epoch",
    )


def fail(loop: OwnLoop, what: str) -> NoReturn:
    """Raise what is wrong with a loop."""
    raise StoppedEarly(Ended.FAILED, f"{loop.who}: {what}")


class StepHooks:
    """Calls what techniques do after each step of any optimizer of the model's parameters.

    Attributes:
        number: steps of the training until now.
        epoch: gives the number of epochs that are over.
    """

    def __init__(self, run: Run) -> None:
        self.number = 0
        self.epoch: Callable[[], int] = int
        self._run = run
        # Each that has stepped, which so keeps its number; whether it trains the model.
        self._known: dict[int, tuple[torch.optim.Optimizer, bool]] = {}

    @contextmanager
    def called(self) -> Iterator[None]:
        """While this is open, each optimizer's step is noticed."""
        handle = register_optimizer_step_post_hook(self._after_step)
        try:
            yield
        finally:
            handle.remove()

    def _after_step(self, optimizer: torch.optim.Optimizer, _args: Any, _kwargs: Any) -> None:
        if id(optimizer) not in self._known:
            own = {id(each) for each in nn.Module.parameters(self._run.model)}
            self._known[id(optimizer)] = optimizer, not own.isdisjoint(ids_in(optimizer))
        if self._known[id(optimizer)][1]:
            self.number += 1
            after_step(self._run, self.number, self.epoch(), optimizer)

    def trains(self, later: Sequence[tuple[nn.Parameter, float]]) -> bool:
        """Whether the optimizers that were noticed have all the parameters that wait; also where
        none was noticed.
        """
        trained = {number for each, _ in self._known.values() for number in ids_in(each)}
        return not trained or all(id(parameter) in trained for parameter, _ in later)


def ids_in(optimizer: torch.optim.Optimizer) -> set[int]:
    """The numbers of the parameters that an optimizer trains."""
    return {id(each) for group in optimizer.param_groups for each in group["params"]}


@torch.no_grad()
def weights_sum(model: nn.Module) -> float:
    """A number that is another one as soon as a model was trained a step."""
    sums = [each.double().abs().sum().cpu() for each in nn.Module.parameters(model)]
    return float(torch.stack(sums).sum()) if sums else 0.0
