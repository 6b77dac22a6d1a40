"""The signal per layer before training: of the model as it is, and with the chosen techniques."""

from __future__ import annotations

import math
from collections.abc import Sequence

from advisor.diagnosis.measure import LAYERS, Signal, measure
from advisor.randomness import preserved
from advisor.search.trial import Trial
from advisor.training.run import apply
from advisor.user_code import user_faults
from advisor.verdict.candidates import Candidate
from advisor.verdict.records import LayerSignal, LayerSignals
from advisor.work.in_order import techniques_in_order
from advisor.work.prepare import Prepared

LONGEST_APPLYING = 20.0
"""Seconds that techniques may take on a model to be applied once more, to see what they change."""


def signals_of(
    prepared: Prepared, own: Sequence[Signal], chosen: Candidate, trials: Sequence[Trial]
) -> LayerSignals:
    """What each layer gives before training, without and with the techniques that are recommended.

    Arguments:
        prepared: the study, opened.
        own: of the model as it is; empty where it was not looked at, as in a script.
        chosen: the arm that is recommended.
        trials: those of the search, which say how long its techniques take.
    """
    before = [_layer_signal(signal) for signal in own]
    if not before or not chosen.changes or _seconds_of(chosen, trials) > LONGEST_APPLYING:
        return LayerSignals(before, [])
    return LayerSignals(before, _with_techniques(prepared, chosen))


def _with_techniques(prepared: Prepared, chosen: Candidate) -> list[LayerSignal]:
    """The signal per layer with an arm's techniques; empty where one of them raises here."""
    seed = prepared.study.seed
    try:
        with preserved():
            run = prepared.run(seed, seed)
            apply(run, techniques_in_order(prepared.host, {**chosen.arm, **chosen.params}))
            measured = measure(run, LAYERS)
    except user_faults():  # it costs a picture; the arm was trained well in other processes
        return []
    return [_layer_signal(signal) for signal in measured.signals]


def _seconds_of(chosen: Candidate, trials: Sequence[Trial]) -> float:
    """The longest that the arm's techniques took in a trial."""
    seconds = [
        sum(spent for part, spent in trial.costs.items() if part in trial.arm)
        for trial in trials
        if trial.arm == chosen.arm
    ]
    return max(seconds, default=0.0)


def _layer_signal(signal: Signal) -> LayerSignal:
    return LayerSignal(signal.layer.name, _finite(signal.std), _finite(signal.gradient))


def _finite(value: float | None) -> float | None:
    """A number, or None where there is none: JSON has no NaN."""
    return value if value is not None and math.isfinite(value) else None
