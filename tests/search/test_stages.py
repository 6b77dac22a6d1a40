"""The course of a search as a function of its trials: which round, which trial, who goes on."""

import math
import random
from dataclasses import replace

import optuna
import pytest
from optuna.trial import TrialState
from past_trials import finished, history

from advisor.api.begun import changed_settings
from advisor.search import decisions, pruning, stages
from advisor.search.plan import RATE, Plan, make_plan
from advisor.search.sampler import Sampler
from advisor.search.trial import Round, Stage
from advisor.training.ended import Ended
from advisor.training.epoch import Epoch

PRUNED, FAIL = TrialState.PRUNED, TrialState.FAIL


def died(plan, arm):
    """A trial whose model's signal dies before training."""
    return finished(plan, arm, None, state=PRUNED, ended=Ended.NOT_TRAINED)


def narrowed(plan, most):
    """The plan with this many of its techniques, and further ones that exist by name only."""
    techniques = plan.techniques[:most]
    techniques += [("initializer", f"more_{i}") for i in range(most - len(techniques))]
    options = {}
    for slot in plan.options:
        options[slot] = ["keep", *(name for other, name in techniques if other == slot)]
    return replace(plan, options=options)


def test_the_opening_is_the_model_as_it_is_and_then_each_technique_alone_at_its_defaults(plan):
    nothing = history(plan, [])
    current = stages.next_round(nothing, 60)
    assert (current.stage, current.size) == (Stage.OPEN, len(plan.each_technique()))
    first = decisions.decide(nothing, current)
    assert {name for name in first.values() if isinstance(name, str)} == {"keep"}
    assert first[RATE] == pytest.approx(1e-3)
    changes = [sum(name != "keep" for name in arm.values()) for arm in plan.each_technique()]
    assert changes == [0] + [1] * (len(changes) - 1)


def test_what_could_not_train_alone_is_tried_with_the_best_technique_of_another_slot(plan):
    def opening(ended):
        trials = []
        for arm in plan.each_technique():
            if arm["activation"] != "keep":
                trials.append(finished(plan, arm, None, state=PRUNED, ended=ended))
            else:
                score = {"lsuv": 0.9, "he": 0.8}.get(arm["initializer"], 0.1)
                trials.append(finished(plan, arm, score))
        return history(plan, trials)

    assert stages.joined_arms(opening(Ended.OUT_OF_TIME)) == []
    past = opening(Ended.NOT_FINITE)
    activations = [name for name in plan.options["activation"] if name != "keep"]
    pairs = {arm["activation"]: arm for arm in stages.joined_arms(past)}
    assert list(pairs) == activations
    for name, pair in pairs.items():
        own_start = "initializer" in plan.settles.get(f"activation.{name}", ())
        assert own_start or pair == {**plan.baseline, "activation": name, "initializer": "lsuv"}
        assert not plan.conflicts(pair)
    current = stages.next_round(past, 60)
    assert (current.stage, current.size) == (Stage.JOIN, len(activations))
    first = {"activation": activations[0], "initializer": "lsuv"}
    assert decisions.decide(past, current).items() >= first.items()


def test_techniques_are_not_joined_where_nothing_trained(plan):
    trials = [finished(plan, arm, None, state=PRUNED) for arm in plan.each_technique()]
    assert stages.next_round(history(plan, trials), 60).stage == Stage.FAIR


@pytest.mark.parametrize(
    ("techniques", "total", "quota"),
    [(3, 60, 3), (17, 60, 2), (17, 20, 1), (3, 8, 1), (17, 200, 3)],
)
def test_every_technique_and_the_baseline_get_the_same_number_of_trials_before_anything_else(
    plan, techniques, total, quota
):
    few, trials = narrowed(plan, techniques), []
    while True:
        past = history(few, trials)
        current = stages.next_round(past, total)
        if current is None or current.stage not in (Stage.OPEN, Stage.FAIR):
            break
        for _ in range(current.size):
            params = decisions.decide(past, current)
            trials.append(finished(few, few.arm_in(params), 0.5, params[RATE], stage=current.stage))
            past = history(few, trials)
    assert [len(past.of_arm(arm)) for arm in stages.judged_arms(past)] == [quota] * (1 + techniques)
    rates = [tuple(trial.params[RATE] for trial in past.of_arm(a)) for a in few.each_technique()]
    assert len(set(rates)) == 1, "all with the same learning rates"
    assert len(set(rates[0])) == quota
    assert current is None or current.stage == Stage.EXPLORE


def test_the_quota_skips_what_no_learning_rate_can_change(plan):
    few = narrowed(plan, 4)
    arms = few.each_technique()
    trials = [finished(few, arm, 0.5) for arm in arms]
    trials[1] = died(few, arms[1])
    trials[2] = finished(few, arms[2], None, state=FAIL, ended=Ended.FAILED)
    past = history(few, trials)
    assert stages.joined_arms(past) == []  # all four sit in one slot
    current = stages.next_round(past, 60)
    assert (current.stage, current.size) == (Stage.FAIR, 3)


def test_the_quota_counts_the_joined_pair_and_not_the_technique_alone(plan):
    arms = plan.each_technique()
    trials = [finished(plan, arm, 0.5) for arm in arms]
    trials[1] = finished(plan, arms[1], None, state=PRUNED, ended=Ended.NOT_FINITE)
    (pair,) = stages.joined_arms(history(plan, trials))
    trials.append(finished(plan, pair, 0.4))
    past = history(plan, trials)
    current = stages.next_round(past, 60)
    asked = []
    for _ in range(current.size):
        params = decisions.decide(past, current)
        asked.append(plan.arm_in(params))
        trials.append(finished(plan, asked[-1], 0.5, params[RATE], stage=Stage.FAIR))
        past = history(plan, trials)
    assert pair in asked
    assert arms[1] not in asked


def test_an_arm_whose_loss_became_infinite_is_tried_at_lower_rates(plan):
    few = narrowed(plan, 1)
    broke = finished(few, few.each_technique()[1], None, state=PRUNED, ended=Ended.NOT_FINITE)
    trials = [finished(few, few.baseline, 0.5), broke]
    past = history(few, trials)
    current = stages.next_round(past, 60)
    assert decisions.decide(past, current)[RATE] > 1e-3
    past = history(few, [*trials, finished(few, few.baseline, 0.5, 3e-3)])
    assert decisions.decide(past, current)[RATE] < 1e-3


def test_exploration_takes_turns_between_what_leads_together_what_was_tried_least_and_the_sampler(
    plan,
):
    scores = {"he": 0.9, "elu": 0.8}
    trials = []
    for arm in plan.each_technique():
        score = max(scores.get(name, 0.1) for name in arm.values())
        trials.append(finished(plan, arm, score, 2e-3))
    second = plan.each_technique()[1]
    trials += [finished(plan, second, 0.1) for _ in range(-len(trials) % 3)]
    current = Round(Stage.EXPLORE, len(trials), 8)

    together = decisions.decide(history(plan, trials), current)
    pair = {**plan.baseline, "activation": "elu", "initializer": "he"}
    assert together == {**pair, RATE: 2e-3}

    trials.append(finished(plan, pair, 0.1))
    counts = {
        (slot, name): sum(trial.arm[slot] == name for trial in trials)
        for slot, name in plan.techniques
    }
    least = min(counts, key=counts.get)
    assert decisions.decide(history(plan, trials), current) == dict([least])

    trials.append(finished(plan, second, 0.1))
    assert decisions.decide(history(plan, trials), current) == {}

    trials.append(finished(plan, second, 0.1))
    again = decisions.decide(history(plan, trials), current)
    assert plan.arm_in(again) != pair
    assert sum(again[slot] != "keep" for slot in plan.options) >= 2


def test_leaders_and_the_baseline_climb_from_their_best_rates_and_get_equally_many_trials(plan):
    arms = plan.each_technique()
    peaks = {str(arm): 1e-3 * 10 ** (i % 5 / 2 - 1) for i, arm in enumerate(arms)}
    height = {str(arm): i for i, arm in enumerate(arms)}

    def scored(arm, rate):
        away = abs(math.log10(rate / peaks[str(arm)]))
        return finished(plan, arm, height[str(arm)] - away / 10, rate=rate)

    trials = [scored(arm, 1e-3) for arm in arms]
    current = Round(Stage.TUNE, len(trials), 20)
    rates: dict[str, list[float]] = {}
    for _ in range(20):
        params = decisions.decide(history(plan, trials), current)
        arm = plan.arm_in(params)
        rates.setdefault(str(arm), []).append(params[RATE])
        trials.append(scored(arm, params[RATE]))
    leading = [plan.baseline, *reversed(arms[-stages.LEADERS :])]
    assert list(rates) == [str(arm) for arm in leading]
    for arm, tried in rates.items():
        assert len(tried) == 5
        nearest = min(abs(math.log10(rate / peaks[arm])) for rate in [1e-3, *tried])
        assert nearest < 0.01, (arm, peaks[arm], tried)


@pytest.mark.parametrize(
    ("scores", "ends"),
    [
        ([(1e-3, 0.5)], (-4, -1)),
        ([(0.09, 0.6), (1e-3, 0.5)], (-4, 0)),
        ([(0.09, 0.4), (1e-3, 0.5)], (-4, -1)),
        ([(1.05e-4, 0.6)], (-5, -1)),
        # A rate that was tried is always inside, and well inside if it is the best.
        ([(0.95, 0.6)], (-4, 1)),
        ([(9.9, 0.6)], (-4, 1)),
        ([(1.1e-6, 0.6)], (-6, -1)),
    ],
)
def test_a_best_rate_at_the_edge_widens_the_range_and_one_in_the_middle_does_not(
    plan, scores, ends
):
    wide = optuna.distributions.FloatDistribution(1e-7, 100.0, log=True)
    anything = replace(plan, space={**plan.space, RATE: wide})
    arm = plan.each_technique()[1]
    trials = [finished(anything, arm, score, rate) for rate, score in scores]
    space = decisions.with_widened_rates(history(plan, trials)).space[RATE]
    assert (round(math.log10(space.low), 6), round(math.log10(space.high), 6)) == ends


def test_rates_are_drawn_from_the_widened_range(plan):
    arm = plan.each_technique()[1]
    past = history(plan, [finished(plan, arm, 0.6, 0.09), finished(plan, arm, 0.5)])
    sampler = Sampler(decisions.with_widened_rates(past), "maximize")
    sampler.follow(past.trials)
    drawn = [sampler.propose(seed, {})[RATE] for seed in range(40)]
    assert max(drawn) > 0.1


def test_a_climb_goes_on_beyond_the_range_that_the_study_began_with(plan):
    """The step up was tried; the step down leaves the range of the plan, not the widened one."""
    arm = plan.each_technique()[1]
    trials = [finished(plan, plan.baseline, 0.5) for _ in range(3)]
    trials += [finished(plan, arm, 0.6, 1.05e-4), finished(plan, arm, 0.5, 3.32e-4)]
    past = history(plan, trials)
    current = Round(Stage.TUNE, len(trials), 2)
    rate = decisions.decide(past, current, decisions.with_widened_rates(past))[RATE]
    assert rate == pytest.approx(1.05e-4 * 10**-0.5)


def test_the_first_trial_and_the_best_of_each_slot_survive_the_opening(plan):
    trials = [finished(plan, arm, 0.0) for arm in plan.each_technique()]
    past = history(plan, trials)
    worst_first = [(trial, float(trial.number)) for trial in reversed(past.trials)]
    kept = pruning.survivors(plan, Round(Stage.OPEN, 0, len(trials)), worst_first)
    assert 0 in kept
    for slot in plan.options:
        if len(plan.options[slot]) > 1:
            assert any(trials[number].arm[slot] != "keep" for number in kept)
    assert len(kept) < len(trials)


def test_only_an_exploration_has_a_limit_for_the_early_loss_and_only_from_earlier_good_trials(plan):
    def scored(score, early_loss):
        epoch = Epoch(1, score, 1.0, 0.1, early_loss)
        return finished(plan, plan.baseline, score, curve=[epoch])

    past = history(plan, [scored(number / 10, 1.0 - number / 20) for number in range(8)])
    exploration = Round(Stage.EXPLORE, 8, 8)
    worst_of_better_half = 1.0 - 4 / 20
    assert pruning.loss_limit(past, exploration) == pytest.approx(1.1 * worst_of_better_half)
    assert pruning.loss_limit(past, Round(Stage.TUNE, 8, 8)) is None
    assert pruning.loss_limit(past, Round(Stage.EXPLORE, 5, 8)) is None, "too few before trial 5"


def test_a_technique_that_was_cut_each_time_gets_a_training_to_its_end_at_its_best_rate(plan):
    few = narrowed(plan, 3)
    openers, cut = few.each_technique(), {"state": PRUNED, "ended": Ended.OUTRANKED}
    trials = [finished(few, arm, 0.5) for arm in openers[:2] for _ in range(3)]
    trials += [finished(few, openers[2], 0.3, **cut), finished(few, openers[2], 0.4, 0.01, **cut)]
    trials += [finished(few, openers[2], 0.35, 0.003, **cut)]
    trials += [finished(few, openers[3], None, state=FAIL, ended=Ended.FAILED)]
    # The opening comes first, in the order of the plan.
    trials = [trials[0], trials[3], trials[6], trials[9], *trials[1:3], *trials[4:6], *trials[7:9]]
    past = history(few, trials)
    current = stages.next_round(past, 60)
    assert (current.stage, current.start, current.size) == (Stage.WHOLE, 10, 1)
    decision = decisions.decide(past, current)
    assert decision.items() >= {**openers[2], RATE: 0.01}.items()

    # While the round is asked, and when it is over, whatever came of it.
    for state, value in ((TrialState.COMPLETE, 0.4), (PRUNED, None)):
        whole = finished(few, openers[2], value, 0.01, state=state, stage=Stage.WHOLE)
        after = history(few, [*trials, whole])
        assert stages.unfinished_arms(after, before=10) == [openers[2]]
        assert stages.unfinished_arms(after) == []
        assert stages.next_round(after, 60).stage is Stage.EXPLORE
    assert stages.next_round(past, 10) is None, "what the budget does not reach is not judged"


def test_a_training_to_its_end_is_compared_with_no_other_before(plan):
    plan = replace(plan, rungs=[1, 3])
    assert pruning.rungs_of(plan, Round(Stage.WHOLE, 10, 12)) == [plan.epochs]
    assert pruning.rungs_of(plan, Round(Stage.FAIR, 10, 12)) == plan.rungs


@pytest.mark.parametrize("stage", [Stage.OPEN, Stage.FAIR, Stage.EXPLORE, Stage.TUNE])
def test_a_trial_that_is_sure_to_go_on_goes_on_whatever_the_others_bring(plan, stage):
    rng = random.Random(stage)
    for size in range(2, 16):
        trials = history(plan, [finished(plan, plan.baseline, 0.0) for _ in range(size)]).trials
        current = Round(stage, 0, size)
        scores = {trial.number: rng.random() for trial in trials}
        order = rng.sample(trials, size)
        for known in range(size + 1):
            best = sorted(order[:known], key=lambda each: scores[each.number], reverse=True)
            sure = pruning.sure_of(
                current, [(each, scores[each.number]) for each in best], size - known
            )
            # The others are all better, or they break.
            for others in ([(each, 2.0) for each in order[known:]], []):
                ranked = [*others, *((each, scores[each.number]) for each in best)]
                if ranked:
                    kept = pruning.survivors(plan, current, ranked)
                    assert kept.issuperset(each.number for each in sure)
        whole = pruning.sure_of(current, [(each, scores[each.number]) for each in best], 0)
        assert len(whole) >= 2, "when all are known, those that go on are sure"


def test_no_combination_is_alone_in_a_round(plan):
    assert [stages.in_a_round(plan, left) for left in (0, 1, 8, 9, 10, 17)] == [0, 1, 8, 9, 8, 8]


def test_a_study_says_how_many_combinations_are_asked_together_and_keeps_the_number(prepared):
    usual, twenty, more = (
        make_plan(replace(prepared, study=replace(prepared.study, round=size)))
        for size in (None, 20, 30)
    )
    assert [each.asked_together for each in (usual, twenty, more)] == [8, 20, 30]
    assert Plan.from_json(twenty.to_json()).asked_together == 20
    assert not list(changed_settings(twenty, usual))
    assert list(changed_settings(twenty, more)) == ["round was 20 and is 30"]
    assert "round" not in usual.to_json()["identity"], "the same question as before it was there"
