"""An activation after the last layer that the loss cannot use."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from advisor.diagnosis.finding import BOUNDS, Finding, finding_of
from advisor.diagnosis.measure import Measured
from advisor.diagnosis.output_rules import loss_of

FAR = 100.0
"""How far an activation is followed to see where its values end."""
DEEP = -5.0
"""An activation that reaches below this leaves a loss of logits enough room."""
EQUAL = 1e-4
"""Losses that differ by less are equal."""


def ends_in_activation(measured: Measured) -> Iterator[Finding]:
    """An activation after the last layer that keeps the output from what the loss asks for."""
    ends = [site for site in measured.run.anatomy.sites if site.label == "output"]
    if not ends or ends[-1].function is None or measured.run.anatomy.output != "raw":
        return
    reached = _range_of(ends[-1].function)
    out = measured.output
    # The output must be that of the activation, and not a sum that it is a part of.
    if reached is None or float(out.min()) < reached[0] - 1e-6:
        return
    share = _share_out_of_reach(measured, reached)
    if share > BOUNDS["ends_in_activation"].value:
        what = f"The model ends in {ends[-1].kind} ({ends[-1].id}), above {reached[0]:.2g} only"
        sentence = f"{what}: {share:.0%} of what the loss asks for lies below. Leave it out."
        yield finding_of("ends_in_activation", ends[-1].id, round(share, 4), sentence)


def _range_of(function: Callable[[Tensor], Tensor]) -> tuple[float, float] | None:
    """Lowest and highest value of an activation that has an end below and none above."""
    with torch.no_grad():
        try:
            values = function(torch.linspace(-FAR, FAR, 2001))
        except Exception:  # an unknown function may raise anything
            return None
    low, high = float(values.min()), float(values.max())
    return (low, high) if low > DEEP and high > FAR / 2 else None


def _share_out_of_reach(measured: Measured, reached: tuple[float, float]) -> float:
    """The share of the numbers that the loss asks for and that lie below the range.

    Of logits it is all classes but one; 0 for a loss of which it is not known what it asks for.
    """
    if measured.run.objective.kind == "regression":
        target = measured.target.float()
        return float((target < reached[0]).float().mean())
    if measured.run.objective.kind in ("binary", "multilabel"):
        return float((measured.target == 0).float().mean()) if _takes_logits(measured) else 0.0
    classes = measured.output.shape[-1]
    return 1 - 1 / classes if _takes_logits(measured) else 0.0


def _takes_logits(measured: Measured) -> bool:
    """Whether a loss asks for numbers of both signs, as one of logits does."""
    out = measured.output
    if measured.run.objective.kind in ("binary", "multilabel"):
        # With logits, the best answer for a class is far below zero.
        right = torch.where(measured.target.reshape(out.shape) > 0, 3.0, -3.0).to(out)
        signed, unsigned = loss_of(measured, right), loss_of(measured, right.clamp_min(0))
        return signed is not None and unsigned is not None and signed < unsigned - EQUAL
    # A softmax takes the same from every class.
    once, again = loss_of(measured, out), loss_of(measured, out + 1)
    return once is not None and again is not None and abs(once - again) < EQUAL
