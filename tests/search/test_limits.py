"""How long trainings take, and what is begun first."""

from past_trials import finished, history

from advisor.search.limits import longest_first, seconds_of_an_epoch, seconds_of_arm
from advisor.training.epoch import Epoch


def curve(*seconds):
    return [Epoch(number + 1, 0.5, 1.0, each) for number, each in enumerate(seconds)]


def test_artefacts_are_begun_first_and_then_what_is_slow(plan, prepared):
    arms = [
        plan.baseline,
        {**plan.baseline, "activation": "elu"},
        {**plan.baseline, "activation": "elu"},
        {**plan.baseline, "activation": "gelu"},
        {**plan.baseline, "pretraining": "denoising"},
    ]
    curves = [curve(2.0, 1.0), curve(4.0), [], [], curve(0.1)]
    trials = [finished(plan, arm, 0.5, curve=own) for arm, own in zip(arms, curves, strict=True)]
    past = history(plan, trials)
    # Of an arm that was trained before, the last epoch is known; of another one nothing.
    assert [seconds_of_an_epoch(past, each) for each in trials] == [1.0, 4.0, 4.0, 0.0, 0.1]
    host = prepared.host
    assert [each.number for each in longest_first(past, host, trials, 0)] == [4, 1, 2, 0, 3]
    # An artefact is made once.
    assert [each.number for each in longest_first(past, host, trials, 2)] == [1, 2, 0, 4, 3]


def test_an_arm_that_was_never_trained_takes_as_long_as_with_others_beside_it(plan):
    elu = {**plan.baseline, "activation": "elu"}
    both = {**elu, "initializer": "he"}
    trials = [finished(plan, plan.baseline, 0.5, curve=curve(1.0))]
    trials += [finished(plan, both, 0.5, curve=curve(each)) for each in (3.0, 2.0)]
    past = history(plan, trials)
    assert seconds_of_arm(past, both) == 2.0
    assert seconds_of_arm(past, elu) == 3.0
    assert seconds_of_arm(past, {**plan.baseline, "activation": "gelu"}) == 0.0
