"""Writes what becomes of trials, into the database and into the history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from optuna.trial import TrialState

from advisor.search.arm import techniques_in
from advisor.search.decisions import untried_rate
from advisor.search.history import History
from advisor.search.plan import Plan
from advisor.search.plugin_marks import PluginMarks
from advisor.search.pruning import is_same_training
from advisor.search.trial import DUPLICATE_KEY, NO_EFFECT_KEY, Round, Stage, Trial
from advisor.store.study_records import StudyRecords
from advisor.technique import KEEP
from advisor.training.ended import Ended
from advisor.work.job import Outcome

ALIVE = 0.01
"""Below this deviation across rows at the last layer all models train alike, so none counts as a
duplicate.
"""


class Ledger:
    """Keeps the database and the history equal.

    Each method of `StudyRecords` that is called here is one transaction, and the history changes
    after it. The end of a training is two: its progress, then its state; a trial that was stopped
    between them is closed at the end of its round.

    Attributes:
        history: the trials so far, which are kept equal to those in the database.
    """

    def __init__(self, history: History, records: StudyRecords, marks: PluginMarks) -> None:
        self.history = history
        self._records = records
        self._marks = marks

    def ask(self, plan: Plan, params: Mapping[str, Any], current: Round) -> Trial:
        """Add a running trial to a round and return it.

        Arguments:
            plan: with the ranges from which `params` were drawn.
            params: one technique per slot, and every parameter by its full name.
            current: the round that the trial is asked in.
        """
        number = len(self.history.trials)
        distributions = plan.distributions_of(params)
        arm = plan.arm_in(params)
        codes = self._marks.codes_of(techniques_in(arm))
        plugins = self._marks.plugins
        facts = {"stage": current.stage, "round": current.start, "size": current.size}
        made_with = {"plugins": plugins, "codes": codes}

        # The database comes first: after a kill the history is read from it.
        storage_id = self._records.add_trial(number, params, distributions, facts | made_with)
        trial = Trial(storage_id, number, arm, params, distributions, current)
        trial.plugins, trial.codes = plugins, codes
        self.history.add(trial)
        return trial

    def record(self, trial: Trial, outcome: Outcome) -> None:
        """Write what a job brought to a trial, and close the trial if that was its end."""
        take_in(trial, outcome)
        self._records.save_progress(
            trial.storage_id,
            trial.number,
            outcome.curve,
            trial.costs,
            facts_of(trial, outcome),
        )

        # Epochs that a job has trained again replace the old ones.
        trial.curve = outcome.after(trial.curve)
        plan = self.history.plan
        if trial.ended is not None or (plan.is_settled and trial.epochs == plan.epochs):
            self.close(trial)

    def take_without(self, trial: Trial, outcome: Outcome) -> None:
        """Make a trial whose techniques changed nothing one of the arm without them.

        Where that was tried with these parameters, it gets the next learning rate; where none is
        left, it is closed as it is.
        """
        arm = {**trial.arm, **dict.fromkeys(outcome.no_effect, KEEP)}
        params: dict[str, Any] = dict(arm)
        for name in self.history.plan.parameters_of(arm):
            params[name] = trial.params[name]
        others = self.history.of_arm(arm)
        if any(dict(other.params) == params for other in others):
            name = self.history.plan.rate_of(arm)
            tried = [other.params[name] for other in others]
            rate = untried_rate(trial.distributions[name], tried, params[name], name=name)
            if not rate:
                self.record(trial, outcome)
                return
            params |= rate

        # The codes of what changed nothing stay: with other code it may change something.
        no_effect = {slot: trial.arm[slot] for slot in outcome.no_effect}
        distributions = {name: trial.distributions[name] for name in params}
        facts = {NO_EFFECT_KEY: no_effect}
        self._records.change_params(trial.storage_id, params, distributions, facts)
        trial.no_effect = no_effect
        self.history.move(trial, arm, params)

    def close(self, trial: Trial, ended: Ended | None = None, why: str = "") -> None:
        """Close a trial with what it reached, if it is still open.

        Arguments:
            trial: the trial.
            ended: why it does not go on, where its own training does not say that; None otherwise.
            why: the reason in a sentence.
        """
        if not trial.is_running:
            return
        facts: dict[str, object] = {}
        if self._is_duplicate(trial):
            trial.is_duplicate = True
            facts[DUPLICATE_KEY] = True
        # A trial that was trained to its last epoch needs no reason.
        if trial.ended is None and trial.epochs < self.history.plan.epochs:
            trial.ended, trial.why = ended, why
            facts.update(why=why, ended=ended)

        state = state_at_end(trial)
        value = self._score_at_end(trial)
        self._records.close_trial(trial.storage_id, state, value, trial.epochs, facts)
        trial.state, trial.value = state, value
        self.history.close(trial)

    def _score_at_end(self, trial: Trial) -> float | None:
        """The score after the last epoch; a trial that failed has none, whatever it reached."""
        if trial.ended == Ended.FAILED or not trial.curve:
            return None
        return self.history.criterion.score(trial.curve, trial.epochs)

    def _is_duplicate(self, trial: Trial) -> bool:
        """Whether a technique without parameters trained as the model as it is, epoch by epoch."""
        if trial.number == 0 or trial.stage != Stage.OPEN:
            return False
        # What changed nothing is told by its content, and has no curve.
        plan = self.history.plan
        has_own = plan.parameters_of(trial.arm) != plan.parameters_of(plan.baseline)
        if trial.ended == Ended.NO_EFFECT:
            return not has_own

        # Where no signal arrives all models train alike, whatever is in them.
        features = trial.signal.features if trial.signal else None
        if features is None or features < ALIVE:
            return False

        # What has parameters of its own may train otherwise at other values of them.
        if has_own:
            return False
        baseline = self.history.trials[0]
        return is_same_training(trial.curve, baseline.curve)


def take_in(trial: Trial, outcome: Outcome) -> None:
    """Give a trial what a job brought, but for the epochs."""
    # A trial is trained in several jobs, whose training adds up.
    before = trial.costs.get("training", 0.0)
    training = before + outcome.costs.get("training", 0.0)
    trial.costs = {**trial.costs, **outcome.costs, "training": training}

    trial.ended = outcome.ended
    trial.why = outcome.why
    if outcome.actions:
        trial.actions = outcome.actions
    if outcome.signal is not None:
        trial.signal = outcome.signal
    if outcome.no_effect:
        trial.no_effect = {slot: trial.arm[slot] for slot in outcome.no_effect}


def facts_of(trial: Trial, outcome: Outcome) -> dict[str, object]:
    """What the database keeps of an outcome as user attributes of its trial."""
    facts: dict[str, object] = {}
    if outcome.actions:
        facts["did"] = outcome.actions
    if outcome.signal is not None:
        facts["signal"] = asdict(outcome.signal)
    if outcome.no_effect:
        facts[NO_EFFECT_KEY] = trial.no_effect
    if outcome.ended is not None:
        facts.update(why=outcome.why, ended=outcome.ended)
    return facts


def state_at_end(trial: Trial) -> TrialState:
    """Optuna's state of a trial that is over."""
    if trial.ended == Ended.FAILED:
        return TrialState.FAIL
    return TrialState.COMPLETE if trial.ended is None else TrialState.PRUNED
