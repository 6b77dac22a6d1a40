"""Which arm and which parameters a trial tries: a pure function of the trials so far and of the
trial's own seed.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any, Literal

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, Trial

from advisor.search.plan import Choices, Plan
from advisor.technique import KEEP

STARTUP = 8
"""Finished trials before TPE is trusted; until then it draws at random."""


def propose(
    plan: Plan,
    trials: Sequence[FrozenTrial],
    direction: Literal["maximize", "minimize"],
    seed: int,
    fixed: Mapping[str, Any],
) -> dict[str, Any]:
    """Choices and parameters for a new trial, with those in `fixed` as given.

    TPE (Bergstra et al. 2011), multivariate, on a copy in memory of the trials so far. It starts
    from `seed` each time, so a study that was stopped and resumed asks for the same trials as one
    that was not.
    """
    study = optuna.create_study(
        direction=direction,
        sampler=optuna.samplers.TPESampler(
            seed=seed, n_startup_trials=STARTUP, multivariate=True, constant_liar=True
        ),
    )
    study.add_trials([_in_space(plan, known) for known in trials])
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # a default outside a plugin's own range is its author's choice
        study.enqueue_trial(dict(fixed))
        trial = study.ask()
    choices: Choices = {
        slot: str(_suggest(trial, slot, CategoricalDistribution(names)))
        for slot, names in plan.options.items()
    }
    gone = {
        slot: KEEP for slot, name in choices.items() if (slot, name) in plan.absent
    } | plan.settled(choices, fixed)
    if gone:
        return propose(plan, trials, direction, seed, {**fixed, **gone})
    return {
        **choices,
        **{name: _suggest(trial, name, plan.space[name]) for name in plan.parameters_of(choices)},
    }


def _in_space(plan: Plan, known: FrozenTrial) -> FrozenTrial:
    """A copy of a trial in the plan's space, whose ranges may have grown since: the sampler models
    equal ranges together.
    """
    copied = copy(known)
    copied.distributions = {
        name: plan.space.get(name, old) for name, old in known.distributions.items()
    }
    return copied


def _suggest(trial: Trial, name: str, distribution: BaseDistribution) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return trial.suggest_categorical(name, distribution.choices)
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(name, distribution.low, distribution.high, log=distribution.log)
    assert isinstance(distribution, FloatDistribution)  # the three kinds that a plan can hold
    return trial.suggest_float(name, distribution.low, distribution.high, log=distribution.log)


def distributions(plan: Plan, params: Mapping[str, Any]) -> dict[str, BaseDistribution]:
    """The distribution of each name in `params`: slots and parameters."""
    return {
        name: CategoricalDistribution(plan.options[name])
        if name in plan.options
        else plan.space[name]
        for name in params
    }


def choices_of(plan: Plan, params: Mapping[str, Any]) -> Choices:
    """The technique in each slot."""
    return {slot: str(params[slot]) for slot in plan.options}
