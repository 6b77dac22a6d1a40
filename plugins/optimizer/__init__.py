"""Optimizers, each with a range of learning rates of its own."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import nn

import advisor
from advisor import Float, Run, Technique

from .muon import muon

HIDDEN = ("linear", "conv", "conv_transpose", "attention")
"""Kinds of layers whose weights are matrices from signals to signals."""


def sgd(
    groups: Any, lr: float, weight_decay: float, momentum: float = 0.9
) -> torch.optim.Optimizer:
    """Torch's, with momentum."""
    return torch.optim.SGD(groups, lr=lr, momentum=momentum, weight_decay=weight_decay)


def nadam(groups: Any, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    """Torch's, with the weight decay of AdamW."""
    return torch.optim.NAdam(groups, lr=lr, weight_decay=weight_decay, decoupled_weight_decay=True)


def adamw(groups: Any, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    """Torch's."""
    return torch.optim.AdamW(groups, lr=lr, weight_decay=weight_decay)


class OwnRate(Technique):
    """An optimizer that takes the place of the recipe's own, at a learning rate of its own."""

    slot = "optimizer"
    rate = "lr"

    def unfit(self, run: Run) -> str | None:
        """A loop of the user's own makes its own optimizer."""
        return run.lacks("optimizer")

    def put(self, run: Run, make: Any, lr: float) -> None:
        """Let a function `(groups, lr, weight_decay)` make the optimizer, at this rate."""
        run.optimizer, run.rate = make, lr


class SGD(OwnRate):
    """Gradient descent with momentum.

    m ← μ m + g + λ w, w ← w - η m. Helps convolutional nets with normalization, often to the better
    end where the training is long; it wants its rate tuned.

    Arguments:
        lr: the learning rate η.
        momentum: the share μ of the last step that goes on.

    Reference: Polyak 1964, "Some methods of speeding up the convergence of iteration methods";
    Sutskever et al. 2013, "On the importance of initialization and momentum in deep learning".
    """

    name = "sgd"
    cite = "Polyak 1964; Sutskever et al. 2013"
    space = {
        "lr": Float(1e-3, 1.0, default=0.03, log=True),
        "momentum": Float(0.0, 0.99, default=0.9),
    }

    def apply(self, run: Run, lr: float = 0.03, momentum: float = 0.9, **params: Any) -> str:
        """Put it in the place of the recipe's optimizer."""
        self.put(run, partial(sgd, momentum=momentum), lr)
        return f"SGD with momentum {momentum:.3g}"

    def by_hand(
        self, lr: float, weight_decay: float, /, momentum: float = 0.9, **params: Any
    ) -> str:
        """Torch's own."""
        return (
            f"train it by torch.optim.SGD(model.parameters(), lr={lr:.3g}, "
            f"momentum={momentum:.3g}, weight_decay={weight_decay:.3g})"
        )


class NAdam(OwnRate):
    """Adam whose momentum looks a step ahead, with decoupled weight decay.

    Adam's step from μₜ₊₁ m̂ + (1 - μₜ) ĝ in the place of m̂, with μₜ that grows towards β₁. Helps
    where AdamW does, a little faster in the first epochs.

    Arguments:
        lr: the learning rate.

    Reference: Dozat 2016, "Incorporating Nesterov momentum into Adam".
    """

    name = "nadam"
    cite = "Dozat 2016"
    space = {"lr": Float(1e-4, 0.1, default=1e-3, log=True)}

    def apply(self, run: Run, lr: float = 1e-3, **params: Any) -> str:
        """Put it in the place of the recipe's optimizer."""
        self.put(run, nadam, lr)
        return "NAdam with decoupled weight decay"

    def by_hand(self, lr: float, weight_decay: float, /, **params: Any) -> str:
        """Torch's own."""
        return (
            f"train it by torch.optim.NAdam(model.parameters(), lr={lr:.3g}, "
            f"weight_decay={weight_decay:.3g}, decoupled_weight_decay=True)"
        )


class AdamW(OwnRate):
    """Adam with decoupled weight decay, for models whose recipe has another optimizer.

    w ← w - η (m̂ / (√v̂ + ε) + λ w). Helps transformers and tables, and where nobody has tuned a
    rate.

    Arguments:
        lr: the learning rate η.

    Reference: Loshchilov & Hutter 2019, "Decoupled weight decay regularization".
    """

    name = "adamw"
    cite = "Loshchilov & Hutter 2019"
    space = {"lr": Float(1e-4, 0.1, default=1e-3, log=True)}

    def unfit(self, run: Run) -> str | None:
        """As every optimizer; and the recipe may have it."""
        why = super().unfit(run)
        if why is None and isinstance(run.built_optimizer(), torch.optim.AdamW):
            return "the model is trained by AdamW already"
        return why

    def apply(self, run: Run, lr: float = 1e-3, **params: Any) -> str:
        """Put it in the place of the recipe's optimizer."""
        self.put(run, adamw, lr)
        return "AdamW"

    def by_hand(self, lr: float, weight_decay: float, /, **params: Any) -> str:
        """Torch's own."""
        return (
            f"train it by torch.optim.AdamW(model.parameters(), lr={lr:.3g}, "
            f"weight_decay={weight_decay:.3g})"
        )


class MuonForMatrices(OwnRate):
    """Momentum made orthogonal, for the matrices of hidden layers; AdamW for all other parameters.

    w ← w - η (0.2 √max(n, m) O + λ w), where O has the singular vectors of the momentum g + μ m and
    singular values near 1, by five Newton-Schulz iterations. Tables, the output layer, recurrent
    layers, biases and gains are AdamW's. Helps nets with wide hidden layers; a step costs more.

    Arguments:
        lr: the learning rate η, of both.
        momentum: the share μ of the last steps that goes on.

    Reference: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; Liu et
    al. 2025, "Muon is scalable for LLM training" (the size of a step).
    """

    name = "muon"
    cite = "Jordan et al. 2024; Liu et al. 2025"
    space = {
        "lr": Float(1e-4, 0.1, default=2e-3, log=True),
        "momentum": Float(0.8, 0.98, default=0.95),
    }

    def unfit(self, run: Run) -> str | None:
        """As every optimizer; and there must be a matrix."""
        why = super().unfit(run)
        if why is None and not hidden_matrices(run):
            return "the model has no hidden matrix: all that it learns is output, table or vector"
        return why

    def apply(self, run: Run, lr: float = 2e-3, momentum: float = 0.95, **params: Any) -> str:
        """Put it in the place of the recipe's optimizer."""
        hidden = hidden_matrices(run)
        self.put(run, partial(muon, hidden=hidden, momentum=momentum), lr)
        shown = ", ".join(hidden[:3]) + (", …" if len(hidden) > 3 else "")
        return f"Muon for {shown}; AdamW for the rest"

    def by_hand(
        self, lr: float, weight_decay: float, /, momentum: float = 0.95, **params: Any
    ) -> str:
        """Torch's own, of which there are two."""
        return (
            f"train hidden matrices by torch.optim.Muon(matrices, lr={lr:.3g}, "
            f"momentum={momentum:.3g}, weight_decay={weight_decay:.3g}, "
            f'adjust_lr_fn="match_rms_adamw") and all else by torch.optim.AdamW at the same rate'
        )


def hidden_matrices(run: Run) -> tuple[str, ...]:
    """Names of the trained matrices between hidden layers, kernels among them."""
    apart = {id(each.module.weight) for each in run.anatomy.tables}
    wanted = set()
    for layer in run.anatomy.layers:
        own = {id(each) for each in nn.Module.parameters(layer.module, recurse=False)}
        if layer.is_output:
            apart |= own
        elif layer.kind in HIDDEN:
            wanted |= own
    return tuple(
        name
        for name, each in nn.Module.named_parameters(run.model)
        if id(each) in wanted - apart and each.ndim >= 2 and each.requires_grad
    )


@advisor.hookimpl
def slots() -> list[advisor.Slot]:
    """The slot for what moves the weights, which a study searches where it names it."""
    after = ("activation", "initializer", "embedding", "pretraining")
    return [advisor.Slot("optimizer", "what moves the weights", after=after, standard=False)]


@advisor.hookimpl
def techniques() -> list[advisor.Technique]:
    """The optimizers of this package."""
    return [SGD(), NAdam(), AdamW(), MuonForMatrices()]
