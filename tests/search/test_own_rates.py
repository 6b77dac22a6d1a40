"""A technique that brings a learning rate of its own is tuned by that, and the study's rate rests."""

from __future__ import annotations

from dataclasses import replace

import pytest
from optuna.distributions import FloatDistribution
from past_trials import finished, history

from advisor.search.decisions import decide, untried_pair, with_widened_rates
from advisor.search.plan import DECAY, RATE, Plan
from advisor.search.sampler import Sampler
from advisor.search.trial import Round, Stage

OWN = "mover.own.lr"


def plan():
    """A plan with a technique that brings a rate, and one that does not."""
    return Plan(
        options={"activation": ["keep", "a"], "mover": ["keep", "own"]},
        space={
            RATE: FloatDistribution(1e-4, 1e-1, log=True),
            DECAY: FloatDistribution(0.0, 0.0),
            OWN: FloatDistribution(1e-2, 10.0, log=True),
        },
        first={RATE: 1e-3, DECAY: 0.0, OWN: 0.5},
        skipped=[],
        rungs=[1],
        batch=32,
        identity={"only": {}},
        rates={"mover.own": OWN},
    )


ARM = {"activation": "keep", "mover": "own"}


def test_the_plan_is_kept_with_the_rates_and_is_as_before_without():
    assert Plan.from_json(plan().to_json()).rates == {"mover.own": OWN}
    assert plan().rate_of(ARM) == OWN
    assert plan().rate_of({"activation": "a", "mover": "keep"}) == RATE
    plain = plan()
    plain.rates.clear()
    assert "rates" not in plain.to_json()


def test_the_rate_that_is_not_used_has_its_first_value_whatever_the_sampler_draws():
    sampler = Sampler(plan(), "maximize")
    for seed in range(30):
        params = sampler.propose(seed, {})
        if params["mover"] == "own":
            assert params[RATE] == 1e-3
            assert 1e-2 <= params[OWN] <= 10.0
        else:
            assert OWN not in params
    fixed = sampler.propose(99, {**ARM, RATE: 1e-3, OWN: 0.25})
    assert (fixed[OWN], fixed[RATE]) == (0.25, 1e-3)


def test_the_ladder_climbs_the_own_rate():
    own = plan()
    baseline = own.baseline
    with_a = {**baseline, "activation": "a"}
    trials = [finished(own, baseline, 0.5), finished(own, with_a, 0.5), finished(own, ARM, 0.9)]
    past = history(own, trials)
    # The arms are behind one after the other, and each gets the next rate of its own ladder.
    current = Round(Stage.FAIR, 3, 6)
    for place, arm in enumerate((baseline, with_a, ARM)):
        name, first = own.rate_of(arm), own.first[own.rate_of(arm)]
        decided = decide(past, current, own)
        assert {slot: decided[slot] for slot in arm} == arm
        assert decided[name] == pytest.approx(first * 10**0.5)
        assert decided.get(RATE) == (1e-3 if arm is ARM else decided[name])
        past.add(replace(finished(own, arm, 0.4), number=3 + place))
    past = history(own, trials)
    # A pair of techniques starts with the own rate, or the first one of it.
    paired = untried_pair(past)
    assert paired["mover"] == "own"
    assert paired[OWN] == 0.5
    assert paired[RATE] == 1e-3
    # An own rate widens no range of the study's.
    assert with_widened_rates(past).space[RATE] == own.space[RATE]
