"""What can be wrong with the output, and with the layer that makes it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from advisor.diagnosis.finding import BOUNDS, Finding, finding_of
from advisor.diagnosis.measure import Measured
from advisor.diagnosis.weight_rules import inputs_of_a_unit

SURE = 30.0
"""A logit that leaves no doubt."""
SIZES = (1.0, 0.7, 0.5, 0.35, 0.25, 0.17, 0.12, 0.08, 0.05, 0.02)
"""Shares of the largest size at which an output that is always right is tried: a smoothed or
penalized loss asks for a smaller one.
"""

TOGETHER = 1e-4
"""Share of a loss beyond rounding that two halves of a batch have together."""
FLAT = 0.05
"""Share of a loss by which it must still fall near its end to have none."""

_RANGES = {"probabilities": (0.0, 1.0), "probability": (0.0, 1.0), "bounded": (-1.0, 1.0)}
"""Lowest and highest number that an output of a kind can hold; other kinds have no ends."""

_MEND = {
    "raw": "End the model in log_softmax (or sigmoid), or use the loss that takes logits.",
    "log_probabilities": "Return logits, or use nn.NLLLoss.",
    "probabilities": "Return logits: leave the softmax to the loss.",
    "probability": (
        "Return logits: leave the sigmoid to the loss; for numbers, end in a linear layer."
    ),
    "bounded": "Leave out the bounded function at the end.",
}
"""By the kind of output, what to do where it does not fit the loss."""


def large_output(measured: Measured) -> Iterator[Finding]:
    """An output that is far larger than what the loss asks for, also where it happens to be right.

    The finding is `large_logits` where the loss shows it, with the labels or with shuffled ones,
    else `large_output`.
    """
    layers = measured.output_layers
    if any(measured.run.is_loaded(signal.layer.module) for signal in layers):
        return  # what was trained may be sure
    if not measured.failure and not math.isfinite(measured.loss):
        return  # that is a finding of its own
    place = layers[-1].layer.name if layers else "output"
    guess = guessing(measured)
    times = _worst_start(measured) / guess if guess else 0.0
    # The loss of numbers depends on their scale; there, only the size of the output counts.
    is_regression = measured.run.objective.kind == "regression"
    if not is_regression and times >= BOUNDS["large_logits"].value:
        sentence = (
            f"The loss at the start is {times:.1f} times that of a guess ({guess:.3g}): the "
            f"output's deviation is {measured.output_std:.2g}, and the first steps only shrink it."
        )
        yield finding_of("large_logits", place, round(times, 4), sentence)
    elif measured.output_std > BOUNDS["large_output"].value:
        sentence = f"The output's deviation at the start is {measured.output_std:.3g}."
        yield finding_of("large_output", place, measured.output_std, sentence)


def _worst_start(measured: Measured) -> float:
    """The loss at the start with the labels or with shuffled ones, whichever is larger: with these,
    an output that happens to be right does not hide its size.
    """
    order = torch.randperm(len(measured.target), generator=torch.Generator().manual_seed(0))
    shuffled = measured.target[order.to(measured.target.device)]
    return max(measured.loss, loss_of(measured, measured.output, shuffled) or measured.loss)


def large_head(measured: Measured) -> Iterator[Finding]:
    """Weights of the last layer that blow its input up."""
    for signal in measured.output_layers:
        layer = signal.layer
        weight = getattr(layer.module, "weight", None)
        if layer.tied or measured.run.is_loaded(layer.module):
            continue  # a table's weights have another size, and so have trained ones
        if not isinstance(weight, Tensor) or weight.ndim < 2:
            continue
        size = float(weight.detach().double().square().mean().sqrt())
        times = size * math.sqrt(inputs_of_a_unit(layer, weight))
        if times > BOUNDS["large_head"].value:
            sentence = (
                f"The weights of {layer.name}, the last layer, are {times:.0f} times as large "
                "as keeps a signal's size."
            )
            yield finding_of("large_head", layer.name, round(times, 4), sentence)


def output_misfit(measured: Measured) -> Iterator[Finding]:
    """An output whose kind keeps the loss from going where it should: its lowest possible loss is
    not low, or has no end.
    """
    output, loss = _output_and_loss(measured)
    mend = _MEND[measured.run.anatomy.output]
    if measured.failure:
        sentence = f"{output} makes {loss} fail: {measured.failure}. {mend}"
        yield finding_of("output_misfit", "output", math.nan, sentence)
        return

    reach = reach_of(measured)
    # A raw output has no end, so the end is the loss's; of one that compares rows it may be any.
    if measured.run.anatomy.output == "raw" and _compares_rows(measured):
        return
    if reach is not None and reach.misfits:
        sentence = f"{output} does not fit {loss}: {reach.why}. {mend}"
        yield finding_of("output_misfit", "output", reach.share, sentence)


def _compares_rows(measured: Measured) -> bool:
    """Whether the outputs for different rows act on the loss together, as in a contrastive one."""
    out, half = measured.output, len(measured.output) // 2
    noise = torch.randn(out.shape, generator=torch.Generator().manual_seed(0)).to(out)
    other = out + noise * out.std()
    first, second = torch.cat([other[:half], out[half:]]), torch.cat([out[:half], other[half:]])
    losses = [loss_of(measured, each) for each in (out, first, second, other)]
    if any(loss is None for loss in losses):
        return False
    none, one, two, both = (loss or 0.0 for loss in losses)
    return abs(both - one - two + none) > TOGETHER * max(map(abs, (none, one, two, both)))


def normalized_twice(measured: Measured) -> Iterator[Finding]:
    """Log-probabilities into a loss that normalizes them again, which is harmless."""
    reach = reach_of(measured) if measured.run.anatomy.output == "log_probabilities" else None
    if measured.failure or reach is None or reach.misfits:
        return
    # Such a loss does not change when all numbers of a row grow alike.
    loss_before = loss_of(measured, measured.output)
    loss_after = loss_of(measured, measured.output + 1)
    if loss_before is None or loss_after is None:
        return
    change = abs(loss_after - loss_before)
    if change < BOUNDS["normalized_twice"].value:
        output, loss = _output_and_loss(measured)
        end = f"{loss} does it again: harmless, one of the two can go."
        sentence = f"{output} is normalized already, and {end}"
        yield finding_of("normalized_twice", "output", change, sentence)


def _output_and_loss(measured: Measured) -> tuple[str, str]:
    """The kind of the output and the loss, as a sentence begins with them."""
    kind = measured.run.anatomy.output.replace("_", " ")
    return f"The output ({kind})", f"the loss {measured.run.objective.loss_name}"


@dataclass(frozen=True)
class Reach:
    """How low the loss can become with an output of the model's kind.

    Attributes:
        lowest: the loss of an output that is as right and as sure as this kind can be.
        guess: the loss of a model that knows nothing.
        share: the lowest loss as a share of a guess's; negative for a loss without an end.
        is_limit: whether it is the output that ends there, and not the loss.
    """

    lowest: float
    guess: float
    share: float
    is_limit: bool

    @property
    def misfits(self) -> bool:
        """Whether the output keeps the loss from going lower, and it is not near zero."""
        return self.is_limit and abs(self.share) > BOUNDS["output_misfit"].value

    @property
    def why(self) -> str:
        """What the loss of a sure output is, in words."""
        if self.share < 0:
            return f"a sure output has the loss {self.lowest:.2g}, and it can fall without end"
        right = f"a model that is always right still has the loss {self.lowest:.2g}"
        return f"{right} (a guess has {self.guess:.2g})"


def reach_of(measured: Measured) -> Reach | None:
    """How low the loss can become, or None where it cannot be computed."""
    losses, guess = _losses_by_size(measured), guessing(measured)
    if not losses or guess is None:
        return None
    lowest = min(losses)
    # Where a less sure output is better, the loss asks for no more than the output can give.
    is_limit = losses[0] <= lowest
    if lowest < 0:
        is_limit = is_limit and _falls_on(measured, losses)
    # A guess's loss that is not above zero is no measure; that of even classes is one.
    classes = max(2, measured.run.data.facts.outputs)
    share = lowest / (guess if guess > 0 else math.log(classes))
    return Reach(lowest, guess, share, is_limit)


def _falls_on(measured: Measured, losses: list[float]) -> bool:
    """Whether a loss below zero is proportional to the size of the output, and so has no end."""
    if _RANGES.get(measured.run.anatomy.output) is not None:
        return True
    return losses[0] < losses[1] - FLAT * abs(losses[0])


def guessing(measured: Measured) -> float | None:
    """The loss of a model that knows nothing: all classes alike, or the mean of the targets; None
    where it cannot be computed.
    """
    out, kind = measured.output, measured.run.anatomy.output
    task = measured.run.objective.kind
    if task == "regression":
        mean = measured.target.float().mean(0).expand_as(measured.target)
        return loss_of(measured, mean.reshape(out.shape))
    # Every class is as likely as the others.
    if task in ("binary", "multilabel"):
        number = 0.5 if kind.startswith("probabilit") else 0.0
    elif out.ndim == 2:
        classes = out.shape[1]
        numbers = {"log_probabilities": -math.log(classes), "probabilities": 1 / classes}
        number = numbers.get(kind, 0.5 if kind == "probability" else 0.0)
    else:
        return None
    return loss_of(measured, torch.full_like(out, number))


def _losses_by_size(measured: Measured) -> list[float]:
    """The loss of outputs that are always right, from as sure as the model's kind of output can be
    to hardly sure; empty where it cannot be computed.
    """
    out, target = measured.output, measured.target
    kind, task = measured.run.anatomy.output, measured.run.objective.kind
    low, high = _RANGES.get(kind, (-SURE, SURE))
    if task == "regression":
        if kind == "raw":
            return []
        closest = loss_of(measured, target.float().reshape(out.shape).clamp(low, high))
        return [] if closest is None else [closest]
    if task in ("binary", "multilabel"):
        is_right = target.reshape(out.shape) > 0
    # Each row is sure of its class; one number a row and class is all that this can build.
    elif target.ndim != 1 or out.ndim != 2 or int(target.max()) >= out.shape[1]:
        return []
    else:
        is_right = torch.zeros_like(out).scatter(1, target[:, None], 1) > 0

    # A smaller size is nearer to the output that knows nothing.
    even = _even(kind, task, out)
    losses = []
    for size in SIZES:
        answers = torch.where(is_right, even + size * (high - even), even + size * (low - even))
        answers = answers.to(out)
        loss = loss_of(measured, answers.log_softmax(1) if kind == "log_probabilities" else answers)
        if loss is None:
            return []
        losses.append(loss)
    # An error of numbers, which labels may be trained by, asks for 0 and 1 themselves.
    numbers = loss_of(measured, target.reshape(out.shape).to(out)) if task == "multilabel" else None
    return losses if numbers is None else [*losses, numbers]


def _even(kind: str, task: str, out: Tensor) -> float:
    """The number of an output of a kind that knows nothing."""
    if kind == "probabilities" and task == "classification":
        return 1 / out.shape[1]
    return 0.5 if kind.startswith("probabilit") else 0.0


def loss_of(measured: Measured, output: Tensor, target: Tensor | None = None) -> float | None:
    """The loss of another output, or None where it cannot be computed or is not finite."""
    try:
        with torch.no_grad():
            loss = measured.run.loss(output, measured.target if target is None else target).mean()
    except Exception:  # the user's loss may want the model's own output, or refuse these numbers
        return None
    value = float(loss)
    return value if math.isfinite(value) else None
