"""The training loop: one screen, the same for every arm."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from advisor.data import Part
from advisor.model import call
from advisor.randomness import mix
from advisor.training.noise import perturbed
from advisor.training.objective import to_device
from advisor.training.run import Run, parameter_groups, save

EARLY_STEPS = 20
"""Steps after which a trial's training loss is compared with what good trials had (as telling as a
whole epoch).
"""


@dataclass(frozen=True)
class Epoch:
    """One epoch of a learning curve: number from 1, score on the validation rows, mean training
    loss, seconds.

    `early` is the mean training loss just before step 20, in the epoch that holds this step, else
    None.
    """

    epoch: int
    score: float
    loss: float
    seconds: float
    early: float | None = None


@dataclass(frozen=True)
class Fit:
    """How a run is trained: rates, rows in a mini-batch, epochs from–to, where the state is kept,
    and when to give up.

    `epochs` is the length of a full training, of which this may be a part (None: it ends at
    `to_epoch`). `hopeless` is a training loss; a run whose mean loss just before step 20 is above
    it stops there.
    """

    lr: float
    weight_decay: float
    batch: int
    from_epoch: int
    to_epoch: int
    load: Path | None = None
    save: Path | None = None
    hopeless: float | None = None
    epochs: int | None = None


class Hopeless(Exception):  # not an error: a trial that need not go on
    """Training was given up; the text says after how many steps and by which number."""


def train(run: Run, fit: Fit, valid: Part) -> Iterator[Epoch]:
    """Train `run` from epoch `fit.from_epoch` to `fit.to_epoch`, yielding the curve.

    Batch order and dropout depend on the run's seed and the epoch only, so a run that was stopped
    after an epoch and goes on from its saved state gives the same numbers. Raises `Hopeless` when
    the loss is not finite or above `fit.hopeless`.
    """
    model = run.model.to(run.device)
    optimizer = run.optimizer(parameter_groups(run), fit.lr, fit.weight_decay)
    if fit.load is not None:
        state = torch.load(fit.load, weights_only=True, map_location=run.device)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
    steps = math.ceil(len(run.data.train) / fit.batch)
    for epoch in range(fit.from_epoch, fit.to_epoch):
        started = time.perf_counter()
        torch.manual_seed(mix(run.seed, "dropout", epoch))
        order = torch.randperm(
            len(run.data.train),
            generator=torch.Generator().manual_seed(mix(run.seed, "order", epoch)),
        )
        model.train()
        _wake(run, epoch, fit.epochs or fit.to_epoch)
        losses: list[Tensor] = []
        early = None
        for step, index in enumerate(order.split(fit.batch)):
            if len(index) == 1 and steps > 1:
                continue  # batch normalization cannot train on one row
            inputs, target = (to_device(part, run.device) for part in run.data.train.take(index))
            loss = run.loss(call(model, inputs), target)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
            if epoch * steps + step + 1 == EARLY_STEPS:
                early = torch.stack(losses[-EARLY_STEPS // 2 :]).mean().item()
                _give_up(early, fit.hopeless)
        mean_loss = torch.stack(losses).mean().item()
        _give_up(mean_loss, None)
        score = evaluate(run, valid, fit.batch)
        yield Epoch(epoch + 1, score, mean_loss, time.perf_counter() - started, early)
    if fit.save is not None:
        fit.save.parent.mkdir(parents=True, exist_ok=True)
        save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, fit.save)


def _wake(run: Run, epoch: int, epochs: int) -> None:
    """Let parameters train from their epoch on; before it they have no gradient, so no optimizer
    moves them.
    """
    for parameter, share in run.later:
        parameter.requires_grad_(epoch >= math.ceil(share * epochs))


def _give_up(loss: float, hopeless: float | None) -> None:
    if not math.isfinite(loss):
        raise Hopeless(f"the training loss became {loss}")
    if hopeless is not None and loss > hopeless:
        raise Hopeless(
            f"training loss {loss:.3g} after {EARLY_STEPS} steps; no good trial was above {hopeless:.3g}"
        )


def evaluate(run: Run, part: Part, batch: int, answers: Path | None = None) -> float:
    """The run's metric over all rows of `part`, in evaluation mode, a mini-batch at a time; what it
    read goes to `answers`.
    """
    output, target = predict(run, part, batch)
    if answers is not None:
        answers.parent.mkdir(parents=True, exist_ok=True)
        save({"output": output, "target": target}, answers)
    if not bool(torch.isfinite(output).all()):
        raise Hopeless("the model's output on the validation rows is not finite")
    score = run.objective.metric.score(output, target)
    if not math.isfinite(score):
        raise Hopeless(f"{run.objective.metric.name} on the validation rows became {score}")
    return score


@torch.inference_mode()
def predict(run: Run, part: Part, batch: int) -> tuple[Tensor, Tensor]:
    """What the metric reads for every row of `part`, and the targets; both on the CPU."""
    run.model.eval()
    answers, targets = [], []
    for number, index in enumerate(torch.arange(len(part)).split(batch)):
        inputs, target = (to_device(x, run.device) for x in part.take(index))
        if run.objective.noise:
            inputs = perturbed(inputs, run.objective.noise, number)
        answers.append(_answer(run, call(run.model, inputs), target))
        targets.append(target.cpu())
    return torch.cat(answers), torch.cat(targets)


def _answer(run: Run, output: Any, target: Tensor) -> Tensor:
    return run.objective.answer(output, target).float().cpu()


def parameters(model: nn.Module) -> int:
    """Number of trainable numbers in a model."""
    return sum(p.numel() for p in nn.Module.parameters(model) if p.requires_grad)
