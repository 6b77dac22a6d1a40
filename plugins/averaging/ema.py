"""A running mean of the weights."""

from __future__ import annotations

from typing import Any

from advisor import Float, Run, Technique

from .mean import AFTER_SCHEDULE, HOOKS, Mean, score_with


class EMA(Technique):
    """A running mean of the weights, in which old steps are forgotten.

    w̄ₜ = d w̄ₜ₋₁ + (1 - d) wₜ from w̄₁ = w₁, with d = min(1 - 1 / (span · steps), (1 + t) / (10 + t))
    at step t, so that the mean soon forgets the first steps. Buffers are averaged likewise.
    Helps where the rate is constant, or the batches are small: the noise of single steps goes.

    Arguments:
        span: the share of a full training's steps that the mean looks back on.

    Reference: Polyak & Juditsky 1992, "Acceleration of stochastic approximation by averaging";
    Busbridge et al. 2023, "How to scale your EMA" (a span in place of a decay).
    """

    name = "ema"
    slot = "averaging"
    cite = "Polyak & Juditsky 1992; Busbridge et al. 2023"
    space = {"span": Float(0.005, 0.3, default=0.05, log=True)}
    fights = {"schedule": AFTER_SCHEDULE}

    def unfit(self, run: Run) -> str | None:
        """The training must tell its steps, and score what this gives it."""
        return run.lacks(*HOOKS)

    def apply(self, run: Run, span: float = 0.05, **params: Any) -> str:
        """Follow the weights step by step, and have their mean scored."""
        mean = Mean()
        decay = decay_of(span, run.steps)

        def follow(step: int, *_: object) -> None:
            """Take the weights of a step into the mean."""
            mean.take(run.model, 1 - min(decay, (1 + step) / (10 + step)))

        run.keep["mean of weights"] = mean
        run.each_step.append(follow)
        score_with(run, mean)
        return f"scored with a running mean of the weights, decay {decay:.5g}"

    def by_hand(self, lr: float, weight_decay: float, /, span: float = 0.05, **params: Any) -> str:
        """Torch's own."""
        return (
            f"score torch.optim.swa_utils.AveragedModel(model) with decay 1 - 1/({span:.3g} of all "
            "steps), updated after each step"
        )


def decay_of(span: float, steps: int) -> float:
    """The decay of a mean that looks back on a share of so many steps."""
    return max(0.0, 1 - 1 / max(1.0, span * steps))
