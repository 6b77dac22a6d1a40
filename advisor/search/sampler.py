"""Proposes the parameters of a trial, from the trials so far and the trial's own seed."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
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

STARTUP = 8
"""Finished trials before TPE is trusted; until then parameters are drawn at random."""
KeptIn = Callable[[Mapping[str, str], Collection[str]], Mapping[str, str]]
"""Gives the slots that an arm must keep, with `keep`; also takes the slots that are fixed."""

Decided = Callable[[dict[str, str]], Mapping[str, Any]]
"""Gives the values of parameters that are decided for an arm."""


class Sampler:
    """TPE (Bergstra et al. 2011), multivariate, on an Optuna study that is kept in memory.

    Every proposal starts from a seed of its own, so a search that was stopped and resumed proposes
    the same trials as one that was not.

    Attributes:
        plan: what is searched; its ranges are those that proposals are drawn from.
    """

    def __init__(self, plan: Plan, direction: Literal["maximize", "minimize"]) -> None:
        self.plan = plan
        self._study = optuna.create_study(direction=direction)
        self._sampler = _new_sampler(0)
        self._known = 0  # trials of the search that the Optuna study has
        self._running: list[tuple[Trial, optuna.Trial]] = []
        self._proposals: list[optuna.Trial] = []  # not yet seen as trials of the search

    def propose(
        self,
        seed: int,
        fixed: Mapping[str, Any],
        kept_in: KeptIn | None = None,
        decided: Decided | None = None,
    ) -> dict[str, Any]:
        """One technique per slot, and every free parameter by its full name, for a new trial.

        Arguments:
            seed: of this proposal.
            fixed: techniques by slot and values by parameter that are not the sampler's choice.
            kept_in: the slots that an arm must keep besides those that the plan names.
            decided: the values by parameter that are not the sampler's choice in an arm.
        """
        asked = self._ask(seed, fixed)
        arm = {}
        for slot, names in self.plan.options.items():
            arm[slot] = str(_suggest(asked, slot, CategoricalDistribution(names)))
        # Where it chose techniques that cannot be asked, it is asked again without them.
        kept = self.plan.absent_in(arm) | self.plan.conflicts(arm, fixed)
        if kept_in is not None:
            kept |= kept_in(arm, fixed)
        if kept:
            self._study.tell(asked, state=TrialState.FAIL)
            return self.propose(seed, {**fixed, **kept}, kept_in, decided)

        own = decided(arm) if decided is not None else {}
        if not own.keys() <= fixed.keys():
            self._study.tell(asked, state=TrialState.FAIL)
            return self.propose(seed, {**own, **fixed, **arm})

        # A rate that an arm does not use is the same in all of its trials.
        held = self.plan.held_in(arm)
        if any(fixed.get(name) != value for name, value in held.items()):
            self._study.tell(asked, state=TrialState.FAIL)
            return self.propose(seed, {**fixed, **arm, **held}, kept_in)

        params: dict[str, Any] = dict(arm)
        for name in self.plan.parameters_of(arm):
            params[name] = _suggest(asked, name, self.plan.space[name])
        self._proposals.append(asked)
        return params

    def _ask(self, seed: int, fixed: Mapping[str, Any]) -> optuna.Trial:
        """A new trial of the Optuna study that has what is fixed."""
        # A sampler of its own makes the proposal a function of the seed. What all trials have in
        # common is taken over: it would be computed anew from all of them.
        sampler = _new_sampler(seed)
        sampler._search_space = self._sampler._search_space
        self._study.sampler = sampler
        self._sampler = sampler
        with warnings.catch_warnings():
            # A default outside the range of its parameter is the choice of the plugin's author.
            warnings.simplefilter("ignore")
            self._study.enqueue_trial(dict(fixed))
            return self._study.ask()

    def follow(self, trials: Sequence[Trial]) -> None:
        """Take in the trials of the search that are not known yet, and what became of the others.

        Every proposal has become a trial by then, in the order in which they were made.
        """
        for trial in trials[self._known :]:
            if self._proposals:
                asked = self._proposals.pop(0)
                self._running.append((trial, asked))
            else:
                self._add_recorded(trial)
        self._known = len(trials)

        for trial, asked in self._running:
            if not trial.is_running:
                self._finish(trial, asked)
        self._running = [pair for pair in self._running if pair[0].is_running]

    def _add_recorded(self, trial: Trial) -> None:
        """Add a trial of the database, from before the search was stopped, to the Optuna study.

        Its ranges and choices are those of the plan, which may have grown since: the sampler models
        only those trials together that have equal ones.
        """
        known = [name for name in trial.distributions if self.plan.has(name)]
        distributions = {**trial.distributions, **self.plan.distributions_of(known)}
        steps = {} if trial.value is None else {trial.epochs: trial.value}
        recorded = optuna.trial.create_trial(
            state=trial.state,
            params=dict(trial.params),
            distributions=distributions,
            value=trial.value,
            intermediate_values=steps,
        )
        self._study.add_trial(recorded)
        if trial.is_running:
            last = self._study.get_trials(deepcopy=False)[-1]
            self._running.append((trial, optuna.Trial(self._study, last._trial_id)))

    def _finish(self, trial: Trial, asked: optuna.Trial) -> None:
        """Tell the Optuna study what became of a trial."""
        if trial.value is not None:
            asked.report(trial.value, step=trial.epochs)
        if trial.is_complete:
            self._study.tell(asked, trial.value)
        else:
            self._study.tell(asked, state=trial.state)


def _new_sampler(seed: int) -> optuna.samplers.TPESampler:
    return optuna.samplers.TPESampler(
        seed=seed,
        n_startup_trials=STARTUP,
        multivariate=True,
        constant_liar=True,
    )


def _suggest(asked: optuna.Trial, name: str, distribution: BaseDistribution) -> Any:
    """Let the Optuna trial choose a value from a distribution."""
    if isinstance(distribution, CategoricalDistribution):
        return asked.suggest_categorical(name, distribution.choices)
    if isinstance(distribution, IntDistribution):
        return asked.suggest_int(name, distribution.low, distribution.high, log=distribution.log)
    if isinstance(distribution, FloatDistribution):
        return asked.suggest_float(name, distribution.low, distribution.high, log=distribution.log)
    raise TypeError(f"{name} has a distribution of an unknown kind: {distribution}")
