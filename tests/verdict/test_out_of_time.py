"""What is confirmed where the time of a search was up early."""

from optuna.distributions import FloatDistribution
from optuna.trial import TrialState

from advisor.search.history import History
from advisor.search.plan import DECAY, RATE, Plan
from advisor.search.trial import Round, Stage, Trial
from advisor.training.criterion import Criterion
from advisor.training.ended import Ended
from advisor.training.epoch import Epoch
from advisor.training.metrics import METRICS
from advisor.verdict.candidates import find_candidates

PLAN = Plan(
    options={"a": ["keep", "one", "two", "three"]},
    space={
        RATE: FloatDistribution(1e-4, 1e-1, log=True),
        DECAY: FloatDistribution(1e-6, 1e-1, log=True),
    },
    first={RATE: 1e-3, DECAY: 1e-4},
    skipped=[],
    rungs=[1, 3],
    batch=8,
    identity={},
)


def trial(number, name, value, epochs, ended=None):
    arm = {"a": name}
    params = {**arm, **PLAN.defaults_of(arm)}
    curve = [Epoch(epoch + 1, value, 0.1, 1.0) for epoch in range(epochs)]
    state = TrialState.PRUNED if ended else TrialState.COMPLETE
    facts = {"state": state, "value": value, "ended": ended, "curve": curve}
    place = Round(Stage.OPEN, 0, 4)
    return Trial(number, number, arm, params, PLAN.distributions_of(params), place, **facts)


def candidates(*ended):
    whole = trial(0, "keep", 0.5, 3)
    others = [trial(1, "one", 0.6, 1, ended[0]), trial(2, "two", 0.7, 1, ended[1])]
    history = History(PLAN, Criterion(METRICS["accuracy"]), [whole, *others])
    return [each.label for each in find_candidates(history).others]


def test_arms_that_came_farthest_are_confirmed_where_the_time_was_up():
    assert candidates(Ended.OUT_OF_TIME, Ended.OUT_OF_TIME) == ["a=two", "a=one"]


def test_arms_that_were_outranked_in_time_are_not():
    assert candidates(Ended.OUTRANKED, Ended.OUTRANKED) == []
