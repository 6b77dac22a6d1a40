"""Proposals: a function of the trials and the seed, and of nothing else."""

from dataclasses import replace

from optuna.trial import TrialState
from past_trials import finished, history

from advisor.search.sampler import Sampler


def sampler_after(plan, trials, direction="maximize"):
    sampler = Sampler(plan, direction)
    sampler.follow(history(plan, trials).trials)
    return sampler


def opened(plan):
    return [finished(plan, arm, 0.3 + i / 50) for i, arm in enumerate(plan.each_technique())]


def test_a_trial_asks_the_same_whatever_was_asked_before_it_in_this_process(plan):
    trials = opened(plan)
    one = sampler_after(plan, trials).propose(11, {})
    busy = sampler_after(plan, trials)
    busy.propose(12, {})
    busy._proposals.clear()  # a trial that was never begun
    assert sampler_after(plan, trials).propose(11, {}) == one
    assert busy.propose(11, {"initializer": "he"})["initializer"] == "he"


def test_a_search_that_was_resumed_in_a_round_proposes_what_one_that_was_not_proposes(plan):
    trials = opened(plan)
    whole = sampler_after(plan, trials)
    for number in range(4):
        params = whole.propose(100 + number, {})
        trial = finished(plan, plan.arm_in(params), None, state=TrialState.RUNNING)
        trial.params, trial.number = params, len(trials)
        trial.distributions = plan.distributions_of(params)
        trials.append(trial)
        resumed = Sampler(plan, "maximize")
        resumed.follow(trials)
        seed = 101 + number
        if number < 3:  # the whole one goes on in the same round
            assert resumed.propose(seed, {}) == _next(whole, seed)

    for trial, score in zip(trials[-4:], (0.5, 0.2, 0.9, 0.4), strict=True):
        trial.state, trial.value = TrialState.COMPLETE, score
    whole.follow(trials)
    resumed = Sampler(plan, "maximize")
    resumed.follow(trials)
    for seed in range(5):
        assert _next(whole, seed) == _next(resumed, seed)


def _next(sampler, seed):
    """A proposal that is taken back."""
    params = sampler.propose(seed, {})
    sampler._study.tell(sampler._proposals.pop(), state=TrialState.FAIL)
    return params


def test_a_package_is_never_proposed_beside_what_it_settles(plan):
    packages = [
        name.partition(".")[2] for name, slots in plan.settles.items() if "initializer" in slots
    ]
    assert packages
    decisions = (
        {"activation": packages[0]},
        {"initializer": "lsuv"},
        {"activation": packages[0], "initializer": "lsuv"},
    )
    sampler = sampler_after(plan, [finished(plan, arm, 0.5) for arm in plan.each_technique()])
    for seed in range(20):
        for decided in decisions:
            params = sampler.propose(seed, decided)
            both = (params["activation"], params["initializer"])
            assert "keep" in both or params["activation"] not in packages
            assert len(decided) == 2 or params.items() >= decided.items()


def test_a_technique_whose_plugin_is_gone_is_not_proposed(plan):
    gone = [(slot, name) for slot, name in plan.techniques if slot == "activation"]
    trials = [finished(plan, arm, 0.5) for arm in plan.each_technique()]
    sampler = sampler_after(replace(plan, absent=frozenset(gone)), trials)
    assert all(sampler.propose(seed, {})["activation"] == "keep" for seed in range(10))
