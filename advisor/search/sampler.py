"""Proposes the parameters of a trial: a function of the trials so far and of the trial's own seed."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState

from advisor.search.plan import Plan
from advisor.search.trial import Trial
from advisor.technique import KEEP

STARTUP = 8
"""Finished trials before TPE is trusted; until then parameters are drawn at random."""


class Sampler:
    """TPE (Bergstra et al. 2011), multivariate, on an Optuna study that is kept in memory.

    Every proposal starts from a seed of its own, so a search that was stopped and resumed proposes
    the same trials as one that was not.
    """

    def __init__(self, plan: Plan, direction: Literal["maximize", "minimize"]) -> None:
        self.plan = plan
        self._study = optuna.create_study(direction=direction)
        self._size = 0  # trials in the Optuna study, those without influence included
        self._finished = 0  # trials of the search that it has as finished ones
        self._running: list[int] = []  # numbers in the Optuna study of those that it has as running

    def follow(self, trials: Sequence[Trial]) -> None:
        """Take in all trials of the search that are not known yet; the running ones come last."""
        # A trial that was running is replaced by what became of it: a failed one has no influence.
        for number in self._running:
            self._study.tell(number, state=TrialState.FAIL)
        self._running.clear()

        for trial in trials[self._finished :]:
            self._study.add_trial(self._in_space(trial))
            if trial.is_running:
                self._running.append(self._size)
            else:
                self._finished += 1
            self._size += 1

    def propose(self, seed: int, decided: Mapping[str, Any]) -> dict[str, Any]:
        """Choices and parameters for a new trial, with those in `decided` as given."""
        self._study.sampler = optuna.samplers.TPESampler(
            seed=seed, n_startup_trials=STARTUP, multivariate=True, constant_liar=True
        )
        with warnings.catch_warnings():
            # A default outside the range of its parameter is the choice of the plugin's author.
            warnings.simplefilter("ignore")
            self._study.enqueue_trial(dict(decided))
            asked = self._study.ask()
        self._size += 1

        plan = self.plan
        arm = {}
        for slot, names in plan.options.items():
            arm[slot] = str(_suggest(asked, slot, CategoricalDistribution(names)))
        absent = {slot: KEEP for slot, name in arm.items() if (slot, name) in plan.absent}
        kept = absent | plan.conflicts(arm, decided)
        if kept:
            # The sampler chose techniques that cannot be asked: it is asked again without them.
            self._study.tell(asked, state=TrialState.FAIL)
            return self.propose(seed, {**decided, **kept})

        params: dict[str, Any] = dict(arm)
        for name in plan.parameters_of(arm):
            params[name] = _suggest(asked, name, plan.space[name])
        self._running.append(asked.number)
        return params

    def _in_space(self, trial: Trial) -> optuna.trial.FrozenTrial:
        """A trial in the plan's space, whose ranges may have grown since it was asked.

        The sampler models only those trials together that have equal ranges.
        """
        distributions = {
            name: self.plan.space.get(name, before) for name, before in trial.distributions.items()
        }
        steps = {} if trial.value is None else {trial.epochs: trial.value}
        return optuna.trial.create_trial(
            state=trial.state,
            params=dict(trial.params),
            distributions=distributions,
            value=trial.value,
            intermediate_values=steps,
        )


def _suggest(asked: optuna.Trial, name: str, distribution: BaseDistribution) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return asked.suggest_categorical(name, distribution.choices)
    if isinstance(distribution, IntDistribution):
        return asked.suggest_int(name, distribution.low, distribution.high, log=distribution.log)
    if isinstance(distribution, FloatDistribution):
        return asked.suggest_float(name, distribution.low, distribution.high, log=distribution.log)
    raise TypeError(f"{name} has a distribution of an unknown kind: {distribution}")
