"""Schedules: how the learning rate moves in the course of a full training."""

from __future__ import annotations

from functools import partial
from typing import Any

import advisor
from advisor import Float, Run, Technique

from .shapes import one_cycle, shaped

FIRST_WARMUP = 0.05
"""The share of the steps in which the rate comes up, at first."""
WARMUP = Float(0.0, 0.3, default=FIRST_WARMUP)
"""The shares that a search may try."""


class Schedule(Technique):
    """A schedule that takes the place of the recipe's own.

    Attributes:
        shape: how the rate falls after the warm-up, as `shaped` calls it.
        in_words: the same, as a person is told of it.
    """

    slot = "schedule"
    space = {"warmup": WARMUP}
    shape = ""
    in_words = ""

    def unfit(self, run: Run) -> str | None:
        """A loop of the user's own has a schedule of its own, or none."""
        return run.lacks("recipe", "steps")

    def apply(self, run: Run, warmup: float = FIRST_WARMUP, **params: Any) -> str:
        """Put the schedule into the recipe."""
        run.recipe = run.recipe.scheduled(self.make(warmup))
        return f"learning rate: {self.in_words.format(warmup=warmup)}"

    def make(self, warmup: float) -> Any:
        """The function `(optimizer, steps)` that makes the scheduler."""
        return partial(shaped, shape=self.shape, warmup=warmup)

    def by_hand(
        self, lr: float, weight_decay: float, /, warmup: float = FIRST_WARMUP, **params: Any
    ) -> str:
        """The shape, in words."""
        shape = self.in_words.format(warmup=warmup)
        return f"learning rate {shape}, by torch.optim.lr_scheduler, and no other schedule"


class ConstantRate(Schedule):
    """The same rate in all steps, after a warm-up.

    ηₜ = η min(1, (t + 1) / (w + 1)) at step t from 0, with w = warmup · steps. The warm-up helps
    large rates and adaptive optimizers, whose first steps rest on few gradients.

    Arguments:
        warmup: the share of a full training's steps in which the rate comes up.

    Reference: Goyal et al. 2017, "Accurate, large minibatch SGD".
    """

    name, shape = "constant_rate", "constant"
    cite = "Goyal et al. 2017"
    in_words = "up in {warmup:.1%} of the steps, then constant"


class LinearDecay(Schedule):
    """Down to zero in a straight line, after a warm-up.

    ηₜ = η (T - t) / (T - w) after w = warmup · T of T steps. Helps most trainings whose length is
    fixed: the last small steps settle what the large ones have found.

    Arguments:
        warmup: the share of a full training's steps in which the rate comes up.

    Reference: Defazio et al. 2023, "Optimal linear decay learning rate schedules and further
    refinements".
    """

    name, shape = "linear_decay", "linear"
    cite = "Defazio et al. 2023"
    in_words = "up in {warmup:.1%} of the steps, then down to zero in a straight line"


class CosineDecay(Schedule):
    """Down to zero along half a cosine, after a warm-up.

    ηₜ = η (1 + cos(π (t - w) / (T - w))) / 2 after w = warmup · T of T steps. Helps as the straight
    line does; it stays large longer, and small longer.

    Arguments:
        warmup: the share of a full training's steps in which the rate comes up.

    Reference: Loshchilov & Hutter 2017, "SGDR: Stochastic gradient descent with warm restarts".
    """

    name, shape = "cosine_decay", "cosine"
    cite = "Loshchilov & Hutter 2017"
    in_words = "up in {warmup:.1%} of the steps, then down to zero along a cosine"


class OneCycle(Schedule):
    """Up from a 25th of the rate along a cosine and down to almost nothing, while the momentum goes
    down and up.

    η/25 → η in warmup · T of T steps, then η → η/250 000. Helps short trainings, at rates that
    would not last for a whole one.

    Arguments:
        warmup: the share of a full training's steps in which the rate comes up.

    Reference: Smith & Topin 2018, "Super-convergence: very fast training of neural networks using
    large learning rates".
    """

    name = "one_cycle"
    cite = "Smith & Topin 2018"
    space = {"warmup": Float(0.1, 0.5, default=0.3)}
    in_words = "by torch's OneCycleLR, up in {warmup:.1%} of the steps"

    def apply(self, run: Run, warmup: float = 0.3, **params: Any) -> str:
        """As every schedule."""
        return super().apply(run, warmup=warmup)

    def make(self, warmup: float) -> Any:
        """Torch's own."""
        return partial(one_cycle, warmup=warmup)


@advisor.hookimpl
def slots() -> list[advisor.Slot]:
    """The slot for how the rate moves, which a study searches where it names it."""
    about = "how the learning rate moves in the course of a training"
    return [advisor.Slot("schedule", about, after=("pretraining",), standard=False)]


@advisor.hookimpl
def techniques() -> list[advisor.Technique]:
    """The schedules of this package."""
    return [ConstantRate(), LinearDecay(), CosineDecay(), OneCycle()]
