"""How long one training may take before it is ended."""

from __future__ import annotations

import statistics

from advisor.search.history import History
from advisor.study import Study

LEAST_MINUTES = 10.0
"""A training that the user sets no limit for may take this long at least."""
TRAININGS = 20
"""And as long as this many full trainings of the model as it is, by the time of its epochs."""


def trial_name(number: int) -> str:
    """What the jobs of a trial are called."""
    return f"trial {number}"


def asked_seconds(study: Study) -> float | None:
    """The limit that the user gave, in seconds, or None."""
    return None if study.trial_minutes is None else 60 * study.trial_minutes


def seconds_for_a_training(study: Study, history: History) -> float | None:
    """How long a job may train: as the user says, or so long that only one that hangs takes longer.

    None as long as nothing is known: a model that is slow is trained to its end once.
    """
    asked = asked_seconds(study)
    if asked is not None:
        return asked
    first = history.trials[0].curve if history.trials else []
    if not first:
        return None
    epoch = statistics.fmean(each.seconds for each in first)
    return max(60 * LEAST_MINUTES, TRAININGS * epoch * history.plan.epochs)
