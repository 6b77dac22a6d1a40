"""The losses that a task gets when the user names none, by what its model's output holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

Loss = Callable[[Tensor, Tensor], Tensor]
"""A function `(prediction, target) -> Tensor`."""


def cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of logits `(N, C)` with class numbers `(N,)`, or shares of classes `(N, C)`."""
    return F.cross_entropy(output, target)


def nll(output: Tensor, target: Tensor) -> Tensor:
    """Negative log-likelihood of log-probabilities `(N, C)`."""
    if target.is_floating_point():  # shares of the classes (N, C), where rows are mixed
        return -(target * output).sum(1).mean()
    return F.nll_loss(output, target)


def nll_of_probabilities(output: Tensor, target: Tensor) -> Tensor:
    """Negative log-likelihood of probabilities `(N, C)`, bounded away from log 0."""
    return nll(output.clamp_min(1e-12).log(), target)


def binary_cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy of one probability a row with classes 0 and 1."""
    truth = target.reshape(-1).to(output.dtype)
    return F.binary_cross_entropy(output.reshape(-1), truth)


def binary_cross_entropy_with_logits(output: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy of one logit a row with classes 0 and 1."""
    truth = target.reshape(-1).to(output.dtype)
    return F.binary_cross_entropy_with_logits(output.reshape(-1), truth)


def labels_cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy of a probability for each label `(N, k)` with 0 and 1 `(N, k)`."""
    truth = target.to(output.dtype)
    return F.binary_cross_entropy(output.reshape(target.shape), truth)


def labels_cross_entropy_with_logits(output: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy of a logit for each label `(N, k)` with 0 and 1 `(N, k)`."""
    truth = target.to(output.dtype)
    return F.binary_cross_entropy_with_logits(output.reshape(target.shape), truth)


def squared_error(output: Tensor, target: Tensor) -> Tensor:
    """Mean squared error; the output is shaped like the target."""
    return F.mse_loss(output.reshape(target.shape), target)


def unchanged(output: Tensor, _target: Tensor) -> Tensor:
    """The output as the model gives it."""
    return output


def shaped_like_target(output: Tensor, target: Tensor) -> Tensor:
    """The output in the shape of the target."""
    return output.reshape(target.shape)


def one_probability(output: Tensor, _target: Tensor) -> Tensor:
    """One probability a row `(N,)`, from a model that gives it."""
    return output.reshape(-1)


def probability_of_logit(output: Tensor, _target: Tensor) -> Tensor:
    """One probability a row `(N,)`, from a model that gives logits."""
    return output.reshape(-1).sigmoid()


def probabilities_of_logits(output: Tensor, target: Tensor) -> Tensor:
    """A probability for each label `(N, k)`, from a model that gives logits."""
    return output.reshape(target.shape).sigmoid()


@dataclass(frozen=True)
class Head:
    """How a kind of output is trained and read.

    Attributes:
        loss: what is minimized.
        answer: `(prediction, target) -> Tensor`, what a metric reads.
        warning: what the user should know about such an output, or None.
    """

    loss: Loss
    answer: Loss
    warning: str | None = None


_SOFTMAX = (
    "The model ends in a softmax, so its output is trained as log(probability); "
    "nn.CrossEntropyLoss would apply a second softmax. Better return logits."
)
_PROBABILITY = Head(binary_cross_entropy, one_probability)
_EXCLUSIVE = (
    "The model ends in a softmax, so its labels exclude each other; "
    "a row with several labels needs logits (no softmax at the end)."
)

# By the kind of task and by what `kind_of_output` says about the end of the model.
_HEADS = {
    ("classification", "log_probabilities"): Head(nll, unchanged),
    ("classification", "probabilities"): Head(nll_of_probabilities, unchanged, _SOFTMAX),
    ("binary", "probability"): _PROBABILITY,
    ("binary", "probabilities"): _PROBABILITY,
    ("multilabel", "probability"): Head(labels_cross_entropy, shaped_like_target),
    ("multilabel", "probabilities"): Head(labels_cross_entropy, shaped_like_target, _EXCLUSIVE),
}
# For every other output.
_RAW_HEADS = {
    "classification": Head(cross_entropy, unchanged),
    "binary": Head(binary_cross_entropy_with_logits, probability_of_logit),
    "regression": Head(squared_error, shaped_like_target),
    "multilabel": Head(labels_cross_entropy_with_logits, probabilities_of_logits),
}


def head_of(kind: str, output_kind: str) -> Head:
    """How an output is trained and read in a task of `kind`; `output_kind` is that of
    `Anatomy.output`.
    """
    return _HEADS.get((kind, output_kind), _RAW_HEADS[kind])
