"""What a recommendation says on the terminal, about numbers that are hard to word."""

from __future__ import annotations

from dataclasses import replace

import pytest

from advisor.report.study_text import (
    key_numbers,
    pareto_front,
    show_recommendation,
    single_techniques,
)
from advisor.verdict.recommendation import Recommendation
from advisor.verdict.records import (
    ArmResult,
    BaselineResult,
    Cost,
    Interval,
    MeasuredGain,
    Seconds,
    SingleTechnique,
    Start,
    TrialCounts,
    Verdict,
)

SCORES = [0.9412345, 0.9312345, 0.9512345]
RATES = {"training.lr": 0.00316227766, "training.weight_decay": 0.01}
KEPT = {"activation": "keep"}


def technique(name, trials, alone, gain):
    interval = None if gain is None else Interval(gain, gain - 0.0312, gain + 0.0312)
    slot = None if name == "keep" else "activation"
    return SingleTechnique(slot, name, trials, alone, alone, name, False, {}, interval)


@pytest.fixture
def kept():
    """A model that is kept, though on the seeds that chose, and in the search, others beat it."""
    result = ArmResult(RATES, SCORES, 0.9412345, 0.94, 0.9312345, 1.25)
    gain = MeasuredGain(
        -0.005667, -0.036867, 0.025533, 0.6, 3, 0.0412345, arm={"activation": "elu"}, error=0.0072
    )
    return Recommendation(
        study="digits",
        verdict=Verdict.KEEP,
        metric="accuracy",
        direction="maximize",
        choices=KEPT,
        params=RATES,
        epochs=1,
        baseline=BaselineResult(**vars(result), given=Start(RATES, 0.94)),
        recommended=result,
        gain=gain,
        min_gain=0.005,
        isolation=[
            technique("keep", 3, 0.9412345, None),
            technique("elu", 3, 0.9512345, 0.01),
            technique("gelu", 1, 0.9312345, -0.01),
            technique("mish", 0, None, None),
        ],
        costs=[Cost({"activation": "elu"}, 0.9512345, 1.0), Cost(KEPT, 0.9412345, 1.25)],
        trials=TrialCounts(complete=1),
        seconds=Seconds(1.0, 1.0),
    )


def test_the_model_stands_in_the_table_of_techniques_that_beat_it(kept):
    assert single_techniques(kept)[:3] == [
        "activation elu: 0.9512, +0.01 to your model, 3 trials",
        "your model as it is: 0.9412, 3 trials",
        "activation gelu: 0.9312, -0.01 to your model, 1 trial",
    ]


def test_the_model_stands_among_the_costs_also_where_it_is_beaten(kept):
    first, second = pareto_front(kept)
    assert first == "activation=elu: 0.9512 in 1 s"
    assert second.startswith("your model as it is: 0.9412 in 1.2 s; beaten on the few seeds")


def test_techniques_that_had_no_trial_were_not_tried(kept):
    assert "2 of 3 techniques tried, each in at least 1 trial" in single_techniques(kept)
    none = [replace(each, trials=0, alone=None, gain=None) for each in kept.isolation]
    assert single_techniques(replace(kept, isolation=none)) == [
        "not judged, without a trial: activation elu, activation gelu, activation mish",
        "0 of 3 techniques tried",
    ]


def test_numbers_have_the_digits_of_their_error_and_rates_one_spelling(kept):
    numbers = dict(key_numbers(kept))
    assert numbers["accuracy"] == "0.9412 (test 0.9312)"
    assert numbers["best other"].startswith("activation=elu: gain -0.006; 95 % [-0.037, +0.026],")
    assert numbers["with"] == "lr 0.00316, weight decay 0.01, 1 epoch"


def test_one_trial_is_no_trials(kept, capsys):
    show_recommendation(kept, why=True)
    assert "1 trial (1 complete, 0 stopped early, 0 failed)" in capsys.readouterr().out
