"""Trials that never ran, and a history of them."""

from optuna.trial import TrialState

from advisor.search.history import History
from advisor.search.plan import RATE
from advisor.search.trial import Round, Stage, Trial
from advisor.training.criterion import Criterion
from advisor.training.metrics import METRICS


def finished(plan, arm, value, rate=1e-3, state=TrialState.COMPLETE, stage=Stage.OPEN, **facts):
    """A trial of an arm at its defaults that is over; its number is given by `history`."""
    params = {**arm, **plan.defaults_of(arm), RATE: rate}
    return Trial(
        storage_id=0,
        number=0,
        arm=dict(arm),
        params=params,
        distributions=plan.distributions_of(params),
        round=Round(stage, 0, 1),
        state=state,
        value=value,
        **facts,
    )


def history(plan, trials, metric="accuracy"):
    """A history of trials, which get their numbers by their places."""
    for number, trial in enumerate(trials):
        trial.number = number
    return History(plan, Criterion(METRICS[metric]), trials)
