"""How many epochs the pilot will settle on, found by its own first training where that is short."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from advisor.search.pilot import (
    doubled,
    first_job,
    is_settled_by_order,
    lasts_a_training,
    longest_training,
    still_improves,
    train_longer,
)
from advisor.search.plan import Plan
from advisor.work.executors import Crew
from advisor.work.job import Outcome
from advisor.work.prepare import Prepared

TRIED_SECONDS = 5.0
"""The first training is tried where it takes no longer than this."""
USUAL_DOUBLINGS = 1
"""How often the pilot doubles its epochs where nothing is known of the model."""


@dataclass(frozen=True)
class FreeEpochs:
    """The epochs of a full training that nobody has said.

    Attributes:
        low, about, high: the fewest, what is likely, and the most.
        seconds: of an epoch of the training that was tried; None where none was.
        tried: the epochs of that training.
    """

    low: int
    about: int
    high: int
    seconds: float | None = None
    tried: int = 0


def free_epochs(prepared: Prepared, plan: Plan, crew: Crew, seconds: float | None) -> FreeEpochs:
    """The epochs that the pilot of a study settles on; `seconds` are those of an epoch.

    The same training gives the same number in the study. A training that would take long, or
    depends on its length, is not tried: then the pilot's usual number is told. Whether the order of
    the leading arms asks for a longer one is not known before they are trained; it seldom does.
    """
    least, most = prepared.epochs, doubled(prepared.epochs, longest_training(prepared))
    doublings = 0 if is_settled_by_order(prepared) else USUAL_DOUBLINGS
    usual = FreeEpochs(least, min(most, least * 2**doublings), most)
    if seconds is None or least * seconds > TRIED_SECONDS or lasts_a_training(prepared):
        return usual
    with tempfile.TemporaryDirectory() as place:
        job = first_job(prepared, plan, Path(place))
        outcome = crew.run_by_itself(job)
        if outcome.ended or len(outcome.curve) < least:
            return usual
        metric = prepared.objective.metric
        if is_settled_by_order(prepared):
            high = most if still_improves(metric, outcome, least) else least
            return FreeEpochs(least, least, high, mean_seconds(outcome), least)
        bound = min(most, TRIED_SECONDS / seconds)
        found = train_longer(metric, job, outcome, Path(place), bound, crew)
        goes_on = 2 * found <= most and still_improves(metric, outcome, found)
    about, high = (min(most, 2 * found), most) if goes_on else (found, found)
    return FreeEpochs(found, about, high, mean_seconds(outcome), found)


def mean_seconds(outcome: Outcome) -> float | None:
    """Seconds of an epoch of a training; None where they are not known."""
    taken = outcome.costs.get("training", 0.0) / len(outcome.curve)
    return taken or None
