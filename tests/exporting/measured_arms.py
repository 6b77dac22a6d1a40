"""Arms as a study would have measured them, without a search."""

from __future__ import annotations

from advisor.exporting.measured import MeasuredArm, trained
from advisor.search.arm import arm_of
from advisor.verdict.recommendation import Recommendation
from advisor.verdict.records import ArmResult, BaselineResult, MeasuredGain, Start, Verdict
from advisor.work.prepare import prepare
from advisor.work.replay import measuring_job
from advisor.work.study_ref import StudyRef

RATES = {"training.lr": 0.01, "training.weight_decay": 0.001}
SEED = 5


def measured(ref: StudyRef, epochs: int = 4, **params: object) -> MeasuredArm:
    """An arm of a study with the score that the seed 5 gives."""
    prepared = prepare(ref)
    every = {**RATES, **params}
    _, outcome = trained(prepared, measuring_job(prepared, every, 16, epochs, SEED))
    score = prepared.criterion.score(outcome.curve, epochs)
    scores = {"scores": [score], "mean": score, "searched": score, "test": None, "seconds": 1.0}
    answer = Recommendation(
        study=prepared.study.name,
        verdict=Verdict.CHANGE,
        metric=prepared.criterion.name,
        direction=prepared.criterion.direction,
        choices=arm_of(params),
        params={name: value for name, value in every.items() if "." in name},
        epochs=epochs,
        baseline=BaselineResult(params={}, given=Start({}, score), **scores),
        recommended=ArmResult(params={}, **scores),
        gain=MeasuredGain(0.1, 0.05, 0.15, p=0.01, seeds=3, detectable=0.1),
        min_gain=0.01,
    )
    return MeasuredArm(prepared, answer, answer.to_json(), every, 16, epochs, 1, SEED, score, None)
