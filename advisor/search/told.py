"""What is told of a trial that is over."""

from __future__ import annotations

from advisor.events import Event, TrialEnded
from advisor.search.trial import Trial


def end_of(trial: Trial, event: Event) -> TrialEnded:
    """An event, as one of a trial that is over."""
    return TrialEnded(
        **vars(event),
        number=trial.number,
        choices=dict(trial.arm),
        params={name: trial.params[name] for name in trial.params if name not in trial.arm},
        score=trial.value,
        epochs=trial.epochs,
        ended=None if trial.ended is None else trial.ended.value,
        why=trial.why,
        seconds=sum(trial.costs.values()),
        curve=tuple(trial.curve),
    )
