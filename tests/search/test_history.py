"""A history that is updated trial by trial answers as one that is computed from all trials."""

import random

from optuna.trial import TrialState
from past_trials import finished, history

from advisor.search.history import History
from advisor.search.plan import RATE
from advisor.training.ended import Ended


def best_of_each_arm(plan, trials, sign):
    """The answer by its definition."""
    best = {}
    for trial in trials:
        key = str(trial.arm)
        if trial.is_complete and (key not in best or sign * trial.score > sign * best[key].score):
            best[key] = trial

    def rank(trial):
        changes = sum(name != "keep" for name in trial.arm.values())
        return -sign * trial.score, changes, trial.number

    return sorted(best.values(), key=rank)


def drawn(plan, rng):
    arm = {slot: rng.choice(names) for slot, names in plan.options.items()}
    state = rng.choice([TrialState.COMPLETE, TrialState.COMPLETE, TrialState.PRUNED])
    # Few scores and many ties, so that the order of equal ones counts.
    value = rng.choice([0.1, 0.2, 0.3])
    return finished(plan, arm, value, 10 ** rng.uniform(-4, -1), state)


def test_what_is_known_after_each_trial_is_what_all_trials_say(plan):
    rng = random.Random(0)
    for metric, sign in (("accuracy", 1.0), ("rmse", -1.0)):
        past, trials = history(plan, [], metric), []
        for number in range(120):
            trial = drawn(plan, rng)
            trial.number = number
            past.add(trial)
            past.close(trial)
            trials.append(trial)
            assert past.best_of_each_arm() == best_of_each_arm(plan, trials, sign)
            assert past.of_arm(trial.arm) == [t for t in trials if t.arm == trial.arm]
        rates = [trial.params[RATE] for trial in trials]
        assert past.tried_rates == (min(rates), max(rates))
        own = [trial for trial in past.best_of_each_arm() if trial.arm == plan.baseline]
        assert own[:1] == ([past.best_of_baseline()] if past.best_of_baseline() else [])


def test_a_resumed_history_is_the_one_that_was_stopped(plan):
    rng = random.Random(1)
    trials = [drawn(plan, rng) for _ in range(40)]
    whole = history(plan, trials)
    again = History(plan, whole.criterion, whole.trials)
    assert again.best_of_each_arm() == whole.best_of_each_arm()
    assert again.full_trials(before=20) == whole.full_trials(before=20)


def test_a_duplicate_leads_nothing_and_is_not_asked_again(plan):
    slot, name = plan.techniques[0]
    arm = {**plan.baseline, slot: name}
    other = plan.each_technique()[2]
    trials = [
        finished(plan, plan.baseline, 0.5),
        finished(plan, arm, 0.9, is_duplicate=True),
        finished(plan, other, 0.4),
    ]
    past = history(plan, trials)
    assert past.duplicates == {(slot, name)}
    assert [trial.arm for trial in past.best_of_other_arms()] == [other]
    assert past.is_exhausted(slot, name)


def test_a_technique_is_exhausted_when_no_learning_rate_can_change_any_of_its_trials(plan):
    slot, name = plan.techniques[0]
    arm = {**plan.baseline, slot: name}
    dead = finished(plan, arm, None, state=TrialState.PRUNED, ended=Ended.NOT_TRAINED)
    assert not history(plan, []).is_exhausted(slot, name), "never tried"
    assert history(plan, [dead]).is_exhausted(slot, name)
    assert not history(plan, [dead, finished(plan, arm, 0.5)]).is_exhausted(slot, name)
