"""Targets in the form in which a loss of the user's own reads them: one after the other, or as a
column.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from advisor.model.tracing.output import pick
from advisor.nested import mapped
from advisor.randomness import isolated
from advisor.training.first_values import in_silence
from advisor.training.objective import Objective

ROUNDING = 1e-4
"""Share of the largest loss by which sums of losses may differ."""
FAR = 10.0
"""How many times the largest target a prediction is moved, so that an absolute error bends."""


def in_columns(
    objective: Objective, output: Any, target: Tensor, which: int | str | None
) -> Objective:
    """The objective whose loss gets targets as a column, (rows, 1), where the predictions are one
    and the loss would compare each row with all others otherwise.

    Arguments:
        objective: with a loss of the user's own.
        output: of the model, for the rows of `target`.
        target: of a first batch.
        which: the prediction in `output`, as `Task.output` names it.
    """
    rows = len(target)
    if objective.kind not in ("regression", "binary") or target.ndim != 1 or rows < 2:
        return objective
    prediction = pick(output, rows, which)
    if prediction.shape != (rows, 1):
        return objective

    # A loss that means to compare rows does so with either form.
    column = partial(_of_column, objective.loss)
    if _compares_rows(objective.loss, output, prediction, target) is False:
        return objective
    if _compares_rows(column, output, prediction, target) is not False:
        return objective
    warning = (
        f"The loss {objective.loss_name} gets the targets as a column ({rows} × 1), as the model's "
        f"output is one: with {rows} numbers it would compare every row with every other."
    )
    return replace(objective, loss=column, warnings=(*objective.warnings, warning))


def _of_column(loss: Callable[[Any, Tensor], Tensor], output: Any, target: Tensor) -> Tensor:
    return loss(output, target.reshape(len(target), 1))


@torch.no_grad()
def _compares_rows(
    loss: Callable[[Any, Tensor], Tensor], output: Any, prediction: Tensor, target: Tensor
) -> bool | None:
    """Whether the prediction for one row and the target of another one act on a loss together; None
    where it cannot be computed.
    """
    other_target = target.clone()
    size = target.abs().max().clamp_min(1)
    other_target[1] = (
        1 - target[1] if not target.is_floating_point() else target[1] + 2 * FAR * size
    )

    def lost(step: float, target: Tensor) -> Tensor:
        """The loss with the first row's prediction moved."""
        moved = prediction.clone()
        moved[0] += step
        changed = mapped(lambda element: moved if element is prediction else element, output)
        return torch.as_tensor(loss(changed, target)).double().mean()

    # A far step may be too large for a loss that takes an exponential.
    for step in (float(FAR * size), 1.0):
        try:
            with isolated(0), in_silence():
                both, one = lost(step, other_target), lost(step, target)
                two, none = lost(0.0, other_target), lost(0.0, target)
        except Exception:  # the user's loss may refuse targets of this form
            return None
        together = (both - one - two + none).abs()
        if bool(torch.isfinite(together)):
            largest = torch.stack([both, one, two, none]).abs().max()
            return bool(together > ROUNDING * largest)
    return None
