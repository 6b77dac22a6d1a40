"""Bounds on the gradient of a step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import advisor
from advisor import Float, Run, Technique


class ClipNorm(Technique):
    """The gradient of a step is shortened where it is longer than a bound; its direction stays.

    g ← g · min(1, c / ‖g‖), over all parameters together. Helps recurrent nets and transformers,
    and wherever single batches throw the weights far.

    Arguments:
        norm: the bound c.

    Reference: Pascanu et al. 2013, "On the difficulty of training recurrent neural networks".
    """

    name = "clip_by_norm"
    slot = "clipping"
    cite = "Pascanu et al. 2013"
    space = {"norm": Float(0.05, 10.0, default=1.0, log=True)}

    def unfit(self, run: Run) -> str | None:
        """A loop of the user's own makes its own steps."""
        return run.lacks("recipe")

    def apply(self, run: Run, norm: float = 1.0, **params: Any) -> str:
        """Bound the norm, in the place of the recipe's own bound."""
        run.recipe = replace(run.recipe, clip=norm, clip_value=None)
        return f"gradients of a step clipped to a norm of {norm:.4g}"

    def by_hand(self, lr: float, weight_decay: float, /, norm: float = 1.0, **params: Any) -> str:
        """Torch's own."""
        return (
            f"before each step torch.nn.utils.clip_grad_norm_(model.parameters(), {norm:.4g}), "
            "and no other clipping"
        )


class ClipValue(Technique):
    """Each number of the gradient is held between two bounds; its direction may change.

    gᵢ ← max(-c, min(c, gᵢ)). Helps where few weights have large gradients, for which a bound on the
    norm would slow down all others.

    Arguments:
        value: the bound c.

    Reference: Mikolov 2012, "Statistical language models based on neural networks".
    """

    name = "clip_by_value"
    slot = "clipping"
    cite = "Mikolov 2012"
    space = {"value": Float(1e-3, 1.0, default=0.1, log=True)}

    def unfit(self, run: Run) -> str | None:
        """A loop of the user's own makes its own steps."""
        return run.lacks("recipe")

    def apply(self, run: Run, value: float = 0.1, **params: Any) -> str:
        """Bound each number, in the place of the recipe's own bound."""
        run.recipe = replace(run.recipe, clip=None, clip_value=value)
        return f"each number of a step's gradient clipped to ±{value:.4g}"

    def by_hand(self, lr: float, weight_decay: float, /, value: float = 0.1, **params: Any) -> str:
        """Torch's own."""
        return (
            f"before each step torch.nn.utils.clip_grad_value_(model.parameters(), {value:.4g}), "
            "and no other clipping"
        )


@advisor.hookimpl
def slots() -> list[advisor.Slot]:
    """The slot for bounds on gradients, which a study searches where it names it."""
    about = "how the gradient of a step is bounded"
    return [advisor.Slot("clipping", about, after=("pretraining",), standard=False)]


@advisor.hookimpl
def techniques() -> list[advisor.Technique]:
    """The methods of this package."""
    return [ClipNorm(), ClipValue()]
