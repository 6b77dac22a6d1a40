"""What each technique did for itself, against rows computed by hand."""

from dataclasses import asdict

from optuna.distributions import FloatDistribution
from optuna.trial import TrialState

from advisor.search.history import History
from advisor.search.plan import DECAY, RATE, Plan
from advisor.search.trial import Round, Stage, Trial
from advisor.training.criterion import Criterion
from advisor.training.ended import Ended
from advisor.training.epoch import Epoch
from advisor.training.metrics import METRICS
from advisor.verdict.records import CutTrial
from advisor.verdict.single_techniques import cut_trials, single_techniques

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


def trial(a, b, value, rate=1e-3, **facts):
    arm = {"a": a, "b": b}
    params = {**arm, **PLAN.defaults_of(arm), RATE: rate}
    facts = {"state": TrialState.COMPLETE, "value": value, **facts}
    distributions = PLAN.distributions_of(params)
    return Trial(0, 0, arm, params, distributions, Round(Stage.OPEN, 0, 1), **facts)


def numbered(trials):
    for number, each in enumerate(trials):
        each.number = number
    return trials


CUT = {
    "state": TrialState.PRUNED,
    "ended": Ended.OUTRANKED,
    "why": "accuracy 0.99 after epoch 1",
    "curve": [Epoch(1, 0.99, 0.1, 1.0)],
}
FAILED = {"state": TrialState.FAIL, "ended": Ended.FAILED, "why": "ValueError: no"}
TRIALS = numbered(
    [
        trial("keep", "keep", 0.5),
        trial("keep", "keep", 0.6, rate=0.01),
        trial("one", "keep", 0.7, rate=0.003),
        trial("one", "keep", 0.65),
        trial("one", "keep", 0.99, **CUT),  # not a full trial
        trial("one", "three", 0.8),
        trial("two", "keep", None, **FAILED),
    ]
)
HIGHER, LOWER = Criterion(METRICS["accuracy"]), Criterion(METRICS["rmse"])


def test_each_row_counts_its_trials_and_takes_the_best_full_one_alone_and_anywhere():
    rates = {RATE: 0.003, DECAY: 1e-4, "a.one.x": 0.5}
    expected = [
        (None, "keep", 2, 0.6, 0.6, "keep", {RATE: 0.01, DECAY: 1e-4}),
        ("a", "one", 4, 0.7, 0.8, "a=one b=three", rates),
        ("a", "two", 1, None, None, None, {}),
        ("b", "three", 1, None, 0.8, "a=one b=three", {}),
    ]
    keys = ("slot", "technique", "trials", "alone", "best", "arm", "params")
    assert [asdict(row) for row in single_techniques(History(PLAN, HIGHER, TRIALS))] == [
        {**dict(zip(keys, row, strict=True)), "identical": False, "gain": None} for row in expected
    ]
    lower = single_techniques(History(PLAN, LOWER, TRIALS))
    assert [row.alone for row in lower] == [0.5, 0.65, None, None]


def test_a_technique_that_is_the_model_itself_is_called_identical():
    same = trial("two", "keep", 0.5, is_duplicate=True)
    rows = single_techniques(History(PLAN, HIGHER, numbered([*TRIALS[:2], same])))
    assert [row.technique for row in rows if row.identical] == ["two"]


def test_what_was_cut_is_given_with_the_number_that_decided():
    assert cut_trials(TRIALS) == [
        CutTrial(4, "a=one", "accuracy 0.99 after epoch 1", 0.99, Ended.OUTRANKED, 1),
        CutTrial(6, "a=two", "ValueError: no", None, Ended.FAILED, 0),
    ]
