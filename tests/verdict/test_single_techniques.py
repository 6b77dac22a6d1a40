"""What each technique did for itself, against rows computed by hand."""

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

from advisor.search.plan import DECAY, RATE, Plan
from advisor.search.sampler import distributions
from advisor.verdict.single_techniques import importance, isolation, pruned

SPACE = {
    RATE: FloatDistribution(1e-4, 1e-1, log=True),
    DECAY: FloatDistribution(1e-6, 1e-1, log=True),
}
PLAN = Plan(
    options={"a": ["keep", "one", "two"], "b": ["keep", "three"]},
    space={**SPACE, "a.one.x": FloatDistribution(0, 1)},
    first={RATE: 1e-3, DECAY: 1e-4, "a.one.x": 0.5},
    skipped=[],
    rungs=[1, 3],
    batch=8,
    identity={},
)


def trial(a, b, value, rate=1e-3, state=TrialState.COMPLETE, **noted):
    choices = {"a": a, "b": b}
    params = {**choices, **PLAN.defaults_of(choices), RATE: rate}
    return create_trial(
        params=params,
        distributions=distributions(PLAN, params),
        value=value,
        state=state,
        user_attrs=noted,
    )


TRIALS = [
    trial("keep", "keep", 0.5),
    trial("keep", "keep", 0.6, rate=0.01),
    trial("one", "keep", 0.7, rate=0.003),
    trial("one", "keep", 0.65),
    trial(
        "one", "keep", 0.99, state=TrialState.PRUNED, why="accuracy 0.99 after epoch 1"
    ),  # not a full trial
    trial("one", "three", 0.8),
    trial("two", "keep", None, state=TrialState.FAIL, why="ValueError: no"),
]


def test_each_row_counts_its_trials_and_takes_the_best_full_one_alone_and_anywhere():
    rates = {RATE: 0.003, DECAY: 1e-4, "a.one.x": 0.5}
    expected = [
        (None, "keep", 2, 0.6, 0.6, "keep", {RATE: 0.01, DECAY: 1e-4}),
        ("a", "one", 4, 0.7, 0.8, "a=one b=three", rates),
        ("a", "two", 1, None, None, None, {}),
        ("b", "three", 1, None, 0.8, "a=one b=three", {}),
    ]
    keys = ("slot", "technique", "trials", "alone", "best", "arm", "params")
    assert isolation(PLAN, TRIALS, 1.0) == [
        {**dict(zip(keys, row, strict=True)), "identical": False} for row in expected
    ]
    lower = isolation(PLAN, TRIALS, -1.0)
    assert [row["alone"] for row in lower] == [0.5, 0.65, None, None]


def test_what_was_cut_is_told_with_the_number_that_decided():
    optuna_study = optuna.create_study(direction="maximize")
    optuna_study.add_trials(TRIALS)
    assert pruned(PLAN, optuna_study.get_trials()) == [
        {"number": 4, "arm": "a=one", "why": "accuracy 0.99 after epoch 1", "score": 0.99},
        {"number": 6, "arm": "a=two", "why": "ValueError: no", "score": None},
    ]


@pytest.mark.parametrize(("direction", "sign"), [("maximize", 1), ("minimize", -1)])
def test_the_slot_that_decides_has_the_importance(direction, sign):
    trials = [
        trial(a, b, sign * ((a == "one") + i / 1000))
        for i in range(5)
        for a in ("keep", "one", "two")
        for b in ("keep", "three")
    ]
    found = importance(PLAN, trials, direction)
    assert found == importance(PLAN, trials, direction)
    assert sum(found.values()) == pytest.approx(1, abs=2e-4)
    assert found["a"] > 0.9 > found["b"]


def test_too_few_full_trials_or_equal_scores_have_no_importance():
    assert importance(PLAN, TRIALS, "maximize") == {}
    assert (
        importance(
            PLAN, [trial(a, "keep", 0.5) for a in ("keep", "one") for _ in range(5)], "maximize"
        )
        == {}
    )
