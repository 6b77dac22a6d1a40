"""Targets that are shares of several classes: label smoothing and mixup."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from advisor import Float, Run, Technique

KINDS = ("classification", "binary", "multilabel")
"""Kinds of tasks whose targets can be shares."""
ALIKE = 1e-3
"""Losses that differ by less than this share of their size are the same."""


def shares_of(target: Tensor, kind: str, classes: int) -> Tensor:
    """A target as shares: of each class `(N, classes)`, or between no and yes."""
    if target.is_floating_point():
        return target
    if kind == "classification":
        return F.one_hot(target, classes).float()
    return target.float()


def why_no_shares(run: Run) -> str | None:
    """Why a run's loss cannot be given shares of classes, in one sentence, or None.

    A loss can be given them where that of a mixture is the mixture of the losses, as cross-entropy.
    """
    kind, classes = run.objective.kind, run.data.facts.outputs
    if kind not in KINDS:
        return "it mixes classes, and the target is none"
    rows = min(8, len(run.data.train))
    inputs, target = run.data.train.take(torch.arange(rows))
    assert target is not None  # training rows have one
    target = target.to(run.device)
    modes = [(module, module.training) for module in nn.Module.modules(run.model)]
    try:
        with torch.no_grad():
            run.model.eval()
            output = run.call(inputs)
            one = shares_of(target, kind, classes)
            two = shares_of(target.roll(1, 0), kind, classes)
            plain, first, second, mixed = (
                float(run.loss(output, each))
                for each in (target, one, two, 0.75 * one + 0.25 * two)
            )
    except Exception as problem:  # whatever the user's loss raises
        said = " ".join(str(problem).split())[:120]
        return (
            f"the loss takes no shares of classes as its target ({type(problem).__name__}: {said})"
        )
    finally:
        for module, mode in modes:
            module.training = mode
    wanted = 0.75 * first + 0.25 * second
    if max(abs(plain - first), abs(mixed - wanted)) > ALIKE * max(1.0, abs(first), abs(second)):
        return "the loss of a mixture of two classes is not the mixture of their losses"
    return None


class Smoothed:
    """A loss whose targets are moved a little towards all classes alike.

    Arguments:
        loss: of an output and shares of classes.
        kind: of the task.
        classes: how many there are.
        share: of the target that all classes get together.
    """

    def __init__(
        self, loss: Callable[[Any, Tensor], Tensor], kind: str, classes: int, share: float
    ) -> None:
        self.loss, self.kind, self.classes, self.share = loss, kind, classes, share

    def __call__(self, output: Any, target: Tensor) -> Tensor:
        """The loss of the smoothed target."""
        alike = 1 / self.classes if self.kind == "classification" else 0.5
        shares = shares_of(target, self.kind, self.classes)
        return self.loss(output, (1 - self.share) * shares + self.share * alike)


class LabelSmoothing(Technique):
    """Targets that leave a little to every class, so that no answer is driven to certainty.

    y ← (1 - ε) y + ε / K for K classes. Helps accuracy where rows are mislabelled or classes alike;
    scores that are to be probabilities move towards each other.

    Arguments:
        share: the share ε.

    Reference: Szegedy et al. 2016, "Rethinking the Inception architecture for computer vision";
    Müller et al. 2019, "When does label smoothing help?".
    """

    name = "label_smoothing"
    slot = "regularization"
    cite = "Szegedy et al. 2016; Müller et al. 2019"
    space = {"share": Float(0.01, 0.3, default=0.1, log=True)}

    def unfit(self, run: Run) -> str | None:
        """The target must be classes, and the loss must take shares of them."""
        return run.lacks("loss") or why_no_shares(run)

    def apply(self, run: Run, share: float = 0.1, **params: Any) -> str:
        """Smooth what the loss is given."""
        run.loss = Smoothed(run.loss, run.objective.kind, run.data.facts.outputs, share)
        return f"targets with {share:.3g} for all classes alike"

    def by_hand(self, lr: float, weight_decay: float, /, share: float = 0.1, **params: Any) -> str:
        """Torch's own."""
        return f"the loss of targets smoothed by {share:.3g}, as label_smoothing in torch.nn"


class Mixup(Technique):
    """Each mini-batch is mixed with itself in another order, and so are its classes.

    x ← λ x + (1 - λ) x', y ← λ y + (1 - λ) y' with one λ ~ Beta(α, α) for a mini-batch, so that its
    loss is λ times that of y plus 1 - λ times that of y'. Helps images and tables with few rows;
    the training loss no longer falls to zero.

    Arguments:
        alpha: the α of λ; small ones mix little.

    Reference: Zhang et al. 2018, "mixup: Beyond empirical risk minimization".
    """

    name = "mixup"
    slot = "regularization"
    cite = "Zhang et al. 2018"
    space = {"alpha": Float(0.05, 1.0, default=0.2, log=True)}
    fights = {
        "normalization.batch_norm": (
            "batch statistics are those of mixed rows in training and of whole rows in use, which "
            "differ the more the larger alpha is"
        )
    }

    def unfit(self, run: Run) -> str | None:
        """Inputs must be numbers that can be mixed, and classes likewise."""
        why = run.lacks("batch", "loss")
        if why is None and not all(kind.startswith("float") for kind in run.data.facts.dtypes):
            why = "its inputs are ids, and rows of these cannot be mixed"
        if why is None and not all(isinstance(each, Tensor) for each in run.example()):
            why = "its inputs have names, or parts of their own"
        if why is None and run.data.weights is not None:
            why = "rows have weights, and a mixed row would have those of two"
        return why or why_no_shares(run)

    def apply(self, run: Run, alpha: float = 0.2, **params: Any) -> str:
        """Mix every mini-batch of training rows."""
        kind, classes = run.objective.kind, run.data.facts.outputs

        def mixed(
            inputs: tuple[Any, ...], target: Tensor, generator: torch.Generator
        ) -> tuple[tuple[Any, ...], Tensor]:
            """A mini-batch of mixed rows."""
            order = torch.randperm(len(target), generator=generator)
            seed = int(torch.randint(2**31, (), generator=generator))
            kept = float(np.random.default_rng(seed).beta(alpha, alpha))
            parts = (*inputs, shares_of(target, kind, classes))
            *inside, shares = (kept * each + (1 - kept) * each[order] for each in parts)
            return tuple(inside), shares

        run.batch = mixed
        return f"mini-batches mixed in pairs, alpha {alpha:.3g}"

    def by_hand(self, lr: float, weight_decay: float, /, alpha: float = 0.2, **params: Any) -> str:
        """In words."""
        return f"mix each mini-batch with a permutation of itself by Beta({alpha:.3g}, {alpha:.3g})"
