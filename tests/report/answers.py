"""Recommendations as a study would give them, made by hand."""

from __future__ import annotations

from dataclasses import replace

from advisor.verdict.recommendation import Recommendation
from advisor.verdict.records import (
    ArmResult,
    BaselineResult,
    MeasuredGain,
    RowGain,
    Start,
    Verdict,
)

RATES = {"training.lr": 0.001, "training.weight_decay": 0.0001}
KEPT = {"activation": "keep", "initializer": "keep"}
OWN = ArmResult(RATES, [0.94, 0.93, 0.95], 0.94, 0.94, 0.931, 1.25)
GAIN = MeasuredGain(
    0.021,
    0.011,
    0.031,
    p=0.0011,
    seeds=20,
    detectable=0.012,
    error=0.005,
    level=0.992,
    least=0.008,
    rows=900,
    rest=0.018,
    arm={"activation": "selu"},
    test=RowGain(0.024, 0.010, 0.038, rows=360),
)


def answer(evidence, verdict="keep", gain=GAIN, **more):
    is_change = verdict == "change"
    return Recommendation(
        study="digits",
        verdict=Verdict(verdict),
        evidence=evidence,
        metric="accuracy",
        direction="maximize",
        choices={**KEPT, "activation": "selu"} if is_change else KEPT,
        params=RATES,
        epochs=9,
        baseline=BaselineResult(**vars(OWN), given=Start(RATES, 0.94)),
        recommended=replace(OWN, scores=[0.96, 0.95, 0.97]) if is_change else OWN,
        gain=gain,
        min_gain=0.005,
        test_metric="accuracy",
        **more,
    )
