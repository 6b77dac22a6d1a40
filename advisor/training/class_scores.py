"""Scores of classes by which class was said, or how sure the model was, with what each row adds."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from advisor.training.row_influence import of_balanced_accuracy, of_macro_f1


def predicted_class(output: Tensor) -> Tensor:
    """Class numbers `(N,)` from scores `(N, C)`, or from one probability a row `(N,)`, cut at one
    half.
    """
    if output.ndim > 1 and output.shape[1] > 1:
        return output.argmax(dim=1)
    # One number a row is the probability of the second class.
    return (output.reshape(-1) > 0.5).long()


def for_each_class(output: Tensor) -> Tensor:
    """How much speaks for each class `(N, C)`: the probabilities, also of logits, where one logit
    alone says nothing without the others of its row.
    """
    output = output.double()
    return output if are_probabilities(output) else output.log_softmax(1)


def are_probabilities(output: Tensor) -> bool:
    """Whether the numbers of each row `(N, C)` are shares of one."""
    is_positive = bool((output >= 0).all())
    return is_positive and torch.allclose(output.sum(1), output.new_ones(()), atol=1e-3)


def f1(output: Tensor, target: Tensor, positive: int = 1) -> float:
    """F1 of one class of two, in [0, 1]: the harmonic mean of its precision and recall. It is 0
    where no row has the class or is said to have it.
    """
    has, said = _of_class(output, target, positive)
    count = int(has.sum() + said.sum())
    return 2 * int((has & said).sum()) / count if count else 0.0


def influence_on_f1(output: Tensor, target: Tensor, positive: int = 1) -> Tensor:
    """What each row adds to `f1`, `(N,)`; NaN where no row has the class or is said to have it."""
    has, said = _of_class(output, target, positive)
    if not bool((has | said).any()):
        return torch.full((len(has),), math.nan, dtype=torch.double)
    return of_macro_f1(has[:, None], said[:, None])


def _of_class(output: Tensor, target: Tensor, positive: int) -> tuple[Tensor, Tensor]:
    """Which rows have a class, and which are said to have it, each `(N,)`."""
    return target.reshape(-1).long() == positive, predicted_class(output) == positive


def balanced_accuracy(output: Tensor, target: Tensor) -> float:
    """Mean over the classes that rows have of the share of their rows that is right, in [0, 1]."""
    return float(influence_on_balanced_accuracy(output, target).mean())


def influence_on_balanced_accuracy(output: Tensor, target: Tensor) -> Tensor:
    """What each row adds to `balanced_accuracy`, `(N,)`."""
    truth = target.reshape(-1).long()
    has = truth[:, None] == torch.arange(int(truth.max()) + 1)
    return of_balanced_accuracy(has, predicted_class(output) == truth)


def surprise(output: Tensor, target: Tensor) -> Tensor:
    """Minus the logarithm of the probability that a model gave to each row's own class, `(N,)`.

    Probabilities are kept away from 0 and 1 by the precision of `output`.
    """
    truth = target.reshape(-1).long()
    least = torch.finfo(output.dtype).eps
    # One number a row is the probability of the second class.
    if output.ndim == 1 or output.shape[1] == 1:
        chance = output.reshape(-1).double().clamp(least, 1 - least)
        return -torch.where(truth > 0, chance, 1 - chance).log()
    output = output.double()
    if not are_probabilities(output):
        return -output.log_softmax(1).gather(1, truth[:, None])[:, 0]
    return -output.clamp(least, 1 - least).log().gather(1, truth[:, None])[:, 0]


def log_loss(output: Tensor, target: Tensor) -> float:
    """Mean of `surprise`: the cross-entropy of the classes, 0 at best."""
    return float(surprise(output, target).mean())
