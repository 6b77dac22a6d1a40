"""A study that has begun goes on with techniques that join it: trials that never ran."""

from __future__ import annotations

import random
from dataclasses import replace
from types import SimpleNamespace

import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState
from past_trials import finished, history

from advisor.search import decisions, stages
from advisor.search.plan import DECAY, RATE, Plan
from advisor.search.trial import Round, Stage
from advisor.search.widening import newcomers, not_asked_any_more, seconds_for, widened
from advisor.technique import Slot, Technique
from advisor.training.ended import Ended


def plan_with(**options):
    """A plan with these techniques by slot."""
    return Plan(
        options={slot: ["keep", *names] for slot, names in options.items()},
        space={RATE: FloatDistribution(1e-4, 1e-1, log=True), DECAY: FloatDistribution(0.0, 0.0)},
        first={RATE: 1e-3, DECAY: 0.0},
        skipped=[],
        rungs=[1],
        batch=32,
        identity={"only": {}},
    )


OLD = plan_with(activation=["a", "b"], initializer=["c"])


def wider(plan, trials, **more):
    """The plan that techniques by slot join after these trials."""
    joining = [(slot, name) for slot, names in more.items() for name in names]
    asked = plan_with(**more)
    return widened(plan, asked, joining, trials)


def searched(plan, total, trials=(), most=None, broken=()):
    """The trials of a search from these on, to its end or to so many."""
    trials = [replace(trial) for trial in trials]
    for trial in trials:
        trial.arm = plan.arm_in(trial.arm)
        trial.params = {**trial.params, **trial.arm}
    while most is None or len(trials) < most:
        past = history(plan, trials)
        current = stages.next_round(past, total)
        if current is None:
            break
        for _ in range(len(trials), current.end):
            decision = decisions.decide(history(plan, trials), current)
            params = {**plan.baseline, **plan.defaults_of(plan.baseline), **decision}
            arm = plan.arm_in(params)
            score = random.Random(f"{sorted(arm.items())}{params[RATE]:.4f}").random()
            facts = {"value": score}
            if not broken or set(arm.values()).isdisjoint(broken) or "c" in arm.values():
                trial = finished(plan, arm, rate=params[RATE], **facts)
            else:
                lost = {"state": TrialState.PRUNED, "ended": Ended.NOT_FINITE}
                trial = finished(plan, arm, None, rate=params[RATE], **lost)
            trial.round = current
            trials.append(trial)
    return history(plan, trials).trials


def alone(trials, technique):
    return sum(
        [name for name in trial.arm.values() if name != "keep"] == [technique] for trial in trials
    )


def told(trials):
    return [(trial.arm, trial.params[RATE], trial.stage) for trial in trials]


@pytest.mark.parametrize("total", [8, 14, 30, 60])
@pytest.mark.parametrize("more", [{"activation": ["d"]}, {"oven": ["d", "e"]}])
def test_a_finished_study_gives_newcomers_as_many_trials_as_the_others_had(total, more):
    before = searched(OLD, total)
    assert len(before) == total
    plan = wider(OLD, before, **more)
    after = searched(plan, total, before)

    # What was tried stays, and the newcomers open alone at their defaults.
    assert told(after[:total]) == told(searched(plan, total, before, most=total))
    (slot, names), *_ = more.items()
    for number, name in enumerate(names, total):
        assert after[number].arm == {**plan.baseline, slot: name}
        assert (after[number].params[RATE], after[number].stage) == (1e-3, Stage.OPEN)
    had = sorted(alone(before, name) for name in "abc")
    for name in names:
        assert alone(after, name) >= had[1]
    spent = len(after) - total
    assert spent == len(names) * (-(-total // 4) + 1)

    # It is finished again.
    assert stages.next_round(history(plan, after), total) is None
    assert len({(str(trial.arm), trial.params[RATE]) for trial in after[total:]}) > len(names)


@pytest.mark.parametrize("stopped", [*range(1, 14), 20, 27])
def test_stopped_anywhere_it_gets_newcomers_into_the_trials_that_are_left(stopped):
    before = searched(OLD, 30, most=stopped)[:stopped]
    for trial in before:
        # A round that is under way is gone through first.
        trial.state = TrialState.RUNNING if trial.round.end > stopped else trial.state
    plan = wider(OLD, before, activation=["d"])
    (start,) = map(int, plan.later)
    assert start >= max(stopped, 4)
    for trial in before:
        trial.state = TrialState.COMPLETE
    current = before[-1].round
    asked = searched(plan, 30, before, most=stopped)
    for number in range(stopped, min(start, current.end)):
        decision = decisions.decide(history(plan, asked), current)
        assert current.stage is Stage.EXPLORE or "d" not in decision.values(), number
        trial = finished(plan, plan.arm_in({**plan.baseline, **decision}), 0.5)
        trial.round = current
        asked.append(trial)
    after = searched(plan, 30, asked)
    assert len(after) == max(30, start + 1 + -(-start // 4))
    assert after[start].arm == {"activation": "d", "initializer": "keep"}
    assert alone(after, "d") >= 3


def test_it_is_the_same_study_however_often_it_is_stopped():
    before = searched(OLD, 14)
    plan = wider(OLD, before, activation=["d"], oven=["e"])
    whole = searched(plan, 14, before)
    for most in range(14, len(whole)):
        part = searched(plan, 14, before, most=most)
        assert told(searched(plan, 14, part)) == told(whole)


def test_a_newcomer_that_cannot_train_alone_is_joined_with_the_best_of_another_slot():
    before = searched(OLD, 14, broken=["b"])
    assert any(trial.stage is Stage.JOIN for trial in before)
    plan = wider(OLD, before, activation=["d"])
    after = searched(plan, 14, before, broken=["b", "d"])
    joined = [trial for trial in after if trial.stage is Stage.JOIN]
    assert [trial.arm["activation"] for trial in joined] == ["b", "d"]
    assert joined[1].arm == {"activation": "d", "initializer": "c"}
    assert joined[1].number == 15


def test_techniques_join_again_and_again():
    trials = searched(OLD, 14)
    plan = OLD
    for name in ("d", "e", "f"):
        plan = wider(plan, trials, activation=[name])
        trials = searched(plan, 14, trials)
        assert alone(trials, name) >= 3
    assert Plan.from_json(plan.to_json()) == plan
    assert list(plan.later.values()) == [["activation.d"], ["activation.e"], ["activation.f"]]
    assert "later" not in OLD.to_json()


def test_more_trials_that_the_user_asks_for_are_shared_by_all():
    before = searched(OLD, 14)
    plan = wider(OLD, before, activation=["d"])
    assert len(searched(plan, 60, before)) == 60


def test_a_technique_whose_plugin_is_gone_before_it_was_tried_costs_a_trial_and_no_more():
    before = searched(OLD, 14)
    plan = wider(OLD, before, activation=["d"])
    gone = replace(plan, absent=frozenset({("activation", "d")}))
    after = searched(gone, 14, before)
    assert alone(after, "d") == 0
    assert stages.next_round(history(gone, after), 14) is None


class Named(Technique):
    def __init__(self, slot, name, standard=True):
        self.slot, self.name, self.standard = slot, name, standard


def host_of(built_in, others):
    """A host with these techniques, some of which advisor brings."""
    plugins = [
        SimpleNamespace(name="own", built_in=True),
        SimpleNamespace(name="theirs", built_in=False),
    ]
    techniques = {each.name: each for each in (*built_in, *others)}
    owner = {f"{each.slot}.{each.name}": "own" for each in built_in}
    owner |= {f"{each.slot}.{each.name}": "theirs" for each in others}
    return SimpleNamespace(
        plugins=plugins,
        owner=owner,
        slots={each.slot: Slot(each.slot, "what") for each in techniques.values()},
        find=lambda slot, name: techniques.get(name),
    )


@pytest.mark.parametrize(
    ("before", "joins"),
    [
        # A new version of advisor reopens no study; a plugin of somebody else's does.
        ({}, ["theirs"]),
        # What is named now joins, whoever brings it.
        ({"activation": ["a", "b"]}, ["new", "theirs"]),
    ],
)
def test_what_joins_is_what_another_plugin_brings_or_the_study_names(before, joins):
    old = replace(OLD, identity={"only": before})
    asked = plan_with(activation=["a", "b", "new", "theirs"], initializer=["c"])
    own = [Named("activation", name) for name in ("a", "b", "new")]
    host = host_of([*own, Named("initializer", "c")], [Named("activation", "theirs")])
    assert [name for _, name in newcomers(old, asked, host)] == joins


@pytest.mark.parametrize(
    ("only", "left_out"),
    [
        ({}, []),
        ({"activation": ["a"]}, ["b"]),
        ({"activation": ["a", "b"]}, []),
        ({"initializer": []}, ["c"]),
    ],
)
def test_only_what_is_loaded_can_be_left_out(only, left_out):
    asked = replace(OLD, identity={"only": only})
    names = {"a": "activation", "b": "activation", "c": "initializer"}
    host = host_of([Named(slot, name) for name, slot in names.items()], [])
    assert [name for _, name in not_asked_any_more(OLD, asked, host)] == left_out
    empty = host_of([], [])
    assert not_asked_any_more(OLD, asked, empty) == []


def test_a_study_with_a_limit_gets_the_time_that_each_arm_had():
    plan = wider(OLD, searched(OLD, 14), activation=["d"])
    given = seconds_for(plan, [("activation", "d")], OLD, spent=100.0, limit=60.0)
    assert given.more_seconds == 40 + 100 / 4
    assert seconds_for(plan, [("activation", "d")], OLD, 100.0, float("inf")) == plan


def test_a_round_never_goes_beyond_the_trial_that_opens_with_a_newcomer():
    before = searched(OLD, 14)
    plan = replace(wider(OLD, before, activation=["d"]), later={"16": ["activation.d"]})
    current = stages.next_round(history(plan, searched(plan, 60, before, most=14)), 60)
    assert current == Round(current.stage, 14, current.size)
    assert current.end <= 16
