"""Tuners as they are written by hand: a careful Optuna script, the best of n, greedy edits."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

import numpy as np
import optuna
from protocol import KEEP, Claim, Train

SEEDS = 3
"""Seeds that the careful script trains each trial with."""
MARGIN = 0.01
"""By how much the careful script wants a change to be better."""
STEP = 3.0
"""By what factor greedy edits change a parameter."""


def optuna_script(train: Train, choices: Sequence[str], budget: int) -> Claim:
    """A careful script: trials of three seeds each by TPE, and no change unless better by .01."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    best = dict.fromkeys(choices, -math.inf)

    def objective(trial: optuna.Trial) -> float:
        choice = trial.suggest_categorical("choice", list(choices))
        params = {
            name: trial.suggest_float(name, low, high, log=True)
            for name, (low, high) in train.params.items()
        }
        score = statistics.fmean(train(choice, params, seed) for seed in range(SEEDS))
        best[choice] = max(best[choice], score)
        return score

    sampler = optuna.samplers.TPESampler(seed=train.seed)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    # Every choice is tried once, so that none is judged by a chance of the sampler.
    for choice in choices:
        study.enqueue_trial({"choice": choice})
    study.optimize(objective, n_trials=budget // SEEDS)
    return _best(best, MARGIN)


def best_of_n(train: Train, choices: Sequence[str], budget: int) -> Claim:
    """One seed each at random parameters, all choices in turn; the best one is taken."""
    rng = np.random.default_rng(train.seed)
    best = dict.fromkeys(choices, -math.inf)
    for number in range(budget):
        choice = choices[number % len(choices)]
        best[choice] = max(best[choice], train(choice, _drawn(train.params, rng), 0))
    return _best(best, 0.0)


def greedy(train: Train, choices: Sequence[str], budget: int) -> Claim:
    """Edits one by one, as agents make them: each is kept if its one training is better."""
    rng = np.random.default_rng(train.seed)
    choice = KEEP
    params = {name: math.sqrt(low * high) for name, (low, high) in train.params.items()}
    first = score = train(choice, params, 0)
    for _ in range(budget - 1):
        # An edit is another choice, or another value of a parameter.
        edited, values = choice, dict(params)
        if rng.random() < 0.5:
            edited = str(rng.choice(list(choices)))
        else:
            name = str(rng.choice(list(values)))
            low, high = train.params[name]
            factor = STEP if rng.random() < 0.5 else 1 / STEP
            values[name] = min(high, max(low, values[name] * factor))
        new = train(edited, values, 0)
        if new > score:
            choice, params, score = edited, values, new
    return Claim(choice, score - first)


def _drawn(params: Mapping[str, tuple[float, float]], rng: np.random.Generator) -> dict[str, float]:
    """A value of each parameter, drawn by its logarithm."""
    return {
        name: float(math.exp(rng.uniform(math.log(low), math.log(high))))
        for name, (low, high) in params.items()
    }


def _best(scores: Mapping[str, float], margin: float) -> Claim:
    """The best choice, if it is better than the best of `KEEP` by more than a margin."""
    others = [choice for choice in scores if choice != KEEP]
    top = max(others, key=lambda choice: scores[choice])
    gain = scores[top] - scores[KEEP]
    return Claim(top if gain > margin else KEEP, gain, of=top)
