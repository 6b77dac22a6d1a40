"""The training loop: one screen, the same for every arm."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from advisor.data import Part
from advisor.data.splits import TensorPart
from advisor.model import call
from advisor.randomness import mix, start_from
from advisor.training.batches import MiniBatch, mini_batches, steps_in, whole_batches
from advisor.training.ended import EARLY_STEPS, Ended, StoppedEarly
from advisor.training.epoch import Epoch
from advisor.training.hooks import changed_rows, scoring
from advisor.training.kept_file import KeptFile
from advisor.training.memory_format import in_its_memory_format
from advisor.training.metrics import LARGEST_SCORE
from advisor.training.noise import perturbed
from advisor.training.objective import to_device
from advisor.training.pooled import pooled_first
from advisor.training.quick_layers import QuickLayers
from advisor.training.run import Run
from advisor.training.stepping import Stepping
from advisor.training.weighing import weigh

FirstOutput = Callable[[Any, Tensor], object]
"""Hears what a model returned for the first rows that are scored, and their target."""


@dataclass(frozen=True)
class TrainingSettings:
    """How a run is trained.

    Attributes:
        lr: learning rate.
        weight_decay: of the parameters that get any.
        batch: rows in a mini-batch.
        from_epoch, to_epoch: what part of the training; epochs are counted from 0.
        state: the training state at `from_epoch`; None to start from the run as it is.
        save: file for the training state at `to_epoch`; None to keep none.
        loss_limit: a run whose mean training loss just before step 20 is above this stops there;
            None for no limit.
        epochs: length of a full training, of which this may be a part; None where it ends at
            `to_epoch`.
    """

    lr: float
    weight_decay: float
    batch: int
    from_epoch: int
    to_epoch: int
    state: Mapping[str, Any] | None = None
    save: KeptFile | None = None
    loss_limit: float | None = None
    epochs: int | None = None


def train(run: Run, settings: TrainingSettings, valid: Part) -> Iterator[Epoch]:
    """Train `run` from `settings.from_epoch` to `settings.to_epoch`, yielding the learning curve.

    The order of the rows and dropout depend on the run's seed and the epoch only, so a run that was
    stopped after an epoch and goes on from its saved state gives the same numbers. Raises
    `StoppedEarly` when the loss, the output or the score is not finite, the loss is above
    `settings.loss_limit`, or the saved state is that of another model.
    """
    # Techniques may have added parameters, so the optimizer is built after all of them.
    model = in_its_memory_format(run)
    called, quick = pooled_first(run), QuickLayers(run.model)
    rows = len(run.data.train)
    steps = math.ceil(rows / settings.batch)
    full_training = settings.epochs or settings.to_epoch
    together = run.recipe.accumulate
    total = full_training * run.recipe.steps_an_epoch(rows, settings.batch)
    stepping = Stepping(run, settings.lr, settings.weight_decay, total, full_training)
    if settings.state is not None:
        stepping.go_on_from(settings.state)

    for epoch in range(settings.from_epoch, settings.to_epoch):
        started = time.perf_counter()

        # All arms of one seed have the same dropout stream and the same order of rows.
        start_from(mix(run.seed, "dropout", epoch))
        order_generator = torch.Generator().manual_seed(mix(run.seed, "order", epoch))
        order = torch.randperm(rows, generator=order_generator)

        # A parameter that waits for its epoch has no gradient, so no optimizer moves it.
        for parameter, share in run.later:
            parameter.requires_grad_(epoch >= math.ceil(share * full_training))

        # One optimizer step for each mini-batch, or for so many of them.
        model.train()
        losses: list[Tensor] = []
        early_loss = None
        order = whole_batches(order, settings.batch)
        count = steps_in(order, settings.batch)
        batches = mini_batches(run.data.train, order, settings.batch, run.device)
        for step, batch in enumerate(batches):
            loss = loss_of(run, called, batch, epoch, step, quick)
            first = step - step % together
            size = min(together, count - first)
            stepping.take(loss, size, step == first + size - 1, epoch)
            losses.append(loss.detach())

            # Stop here when the loss is above the limit.
            if epoch * steps + step + 1 == EARLY_STEPS:
                early_loss = torch.stack(losses[-(EARLY_STEPS // 2) :]).mean().item()
                require_finite("the training loss", early_loss)
                require_below(settings.loss_limit, early_loss)

        # The epoch ends with a point of the curve.
        mean_loss = torch.stack(losses).mean().item()
        require_finite("the training loss", mean_loss)
        stepping.end_epoch(epoch, mean_loss)
        score = evaluate(run, valid, settings.batch)
        seconds = time.perf_counter() - started
        yield Epoch(epoch + 1, score, mean_loss, seconds, early_loss)

    if settings.save is not None:
        settings.save.write(stepping.state())


def loss_of(
    run: Run, model: nn.Module, batch: MiniBatch, epoch: int, step: int, quick: QuickLayers
) -> Tensor:
    """The loss of a mini-batch of training rows in a step of an epoch; `model` is called for it,
    with what it has of `quick` layers.
    """
    inputs, target = changed_batch(run, batch.inputs, batch.target, epoch, step)
    with run.recipe.precise(run.device):
        with quick.called():
            output = call(model, inputs)
        if run.data.weights is not None:
            weigh(output, run.task.output, run.data.weights.at(batch.index, batch.target))
        return run.loss(output, target)


def changed_batch(
    run: Run, inputs: tuple[Any, ...], target: Tensor, epoch: int, step: int
) -> tuple[tuple[Any, ...], Tensor]:
    """A mini-batch as the recipe's augmentation and the techniques change it.

    What they draw depends on the run's seed, the epoch and the step alone, so that it is the same
    for all arms of a seed.
    """
    if run.recipe.augment is not None:
        inputs, target = run.recipe.augment(inputs, target, mix(run.seed, "augment", epoch, step))
    return changed_rows(run, inputs, target, epoch, step)


def evaluate(run: Run, part: Part, batch: int, first: FirstOutput | None = None) -> float:
    """The run's metric over all rows of `part`, in evaluation mode, `batch` rows at a time.

    `first` is called with what the model returned for the first rows, and their target.

    Raises `StoppedEarly` when an output or the score is not finite.
    """
    return score_of(run, *predict(run, part, batch, first))


def score_of(run: Run, output: Tensor, target: Tensor) -> float:
    """The run's metric of what it reads. Raises `StoppedEarly` where it is not finite."""
    if not bool(torch.isfinite(output).all()):
        sentence = "the model's output on the validation rows is not finite"
        raise StoppedEarly(Ended.NOT_FINITE, sentence)
    metric = run.objective.metric
    score = metric.score(output, target)
    require_finite(f"{metric.name} on the validation rows", score)
    if abs(score) > LARGEST_SCORE:
        sentence = f"{metric.name} on the validation rows became {score:g}, too large to compare"
        raise StoppedEarly(Ended.NOT_FINITE, sentence)
    return score


def predict(
    run: Run, part: Part, batch: int, first: FirstOutput | None = None
) -> tuple[Tensor, Tensor]:
    """What the metric reads for every row of `part`, and the targets; both on the CPU. `first` is
    as in `evaluate`.
    """
    with scoring(run):
        return _predicted(run, part, batch, first)


@torch.inference_mode()
def _predicted(
    run: Run, part: Part, batch: int, first: FirstOutput | None
) -> tuple[Tensor, Tensor]:
    run.model.eval()
    answers: list[Tensor] = []
    targets: list[Tensor] = []
    # A part in memory costs less in larger batches.
    size = max(batch, run.scored_together) if isinstance(part, TensorPart) else batch
    quick = QuickLayers(run.model)
    for number, index in enumerate(torch.arange(len(part)).split(size)):
        inputs, target = to_device(part.take(index), run.device)
        # The noise depends on the batch's number only, so all arms are scored on equal inputs.
        if run.objective.noise:
            inputs = perturbed(inputs, run.objective.noise, number)
        with quick.called():
            output = call(run.model, inputs)
        if first is not None and not number:
            first(output, target)
        answer = run.objective.answer(output, target)
        answers.append(answer.float().cpu())
        targets.append(target.cpu())
    return torch.cat(answers), torch.cat(targets)


def count_parameters(model: nn.Module) -> int:
    """Number of trainable numbers in a model."""
    # A user's model may have an attribute that is called `parameters`, so the class is asked.
    return sum(p.numel() for p in nn.Module.parameters(model) if p.requires_grad)


def require_finite(name: str, value: float) -> None:
    """Raise `StoppedEarly` where a number, called so, is none."""
    if not math.isfinite(value):
        raise StoppedEarly(Ended.NOT_FINITE, f"{name} became {value}")


def require_below(limit: float | None, loss: float) -> None:
    """Raise `StoppedEarly` where the loss of the first steps is above a limit."""
    if limit is not None and loss > limit:
        comparison = f"no good trial was above {limit:.3g}"
        sentence = f"training loss {loss:.3g} after {EARLY_STEPS} steps; {comparison}"
        raise StoppedEarly(Ended.EARLY_LOSS, sentence)
