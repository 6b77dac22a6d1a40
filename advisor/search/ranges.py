"""What the parameters of a search are drawn from, and the rungs of a training."""

from __future__ import annotations

import math

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from advisor.space import Choice, Float, Int, Parameter
from advisor.technique import DECAY, RATE
from advisor.training.ended import EARLY_STEPS
from advisor.training.recipe import Recipe

LARGEST_DECAY = 0.5
"""Weight decays above this are tried only where the recipe itself brings a tenth of them."""


def nuisance_of(recipe: Recipe) -> dict[str, Float]:
    """The ranges of learning rate and weight decay around those that a recipe brings, with which
    the first trial is trained. A recipe without weight decay keeps none.
    """
    lr, decay = recipe.lr, recipe.weight_decay
    # AdamW's usual 1e-3 and 1e-4 give ranges from 1e-4 to 0.1, and from 1e-6 to 0.1.
    lowest, highest = float(f"{lr / 10:.6g}"), float(f"{lr * 100:.6g}")
    if recipe.keeps_rate:
        lowest = highest = lr
    nuisance = {RATE: Float(lowest, highest, default=lr, log=True)}
    most = min(decay * 1000, max(LARGEST_DECAY, decay * 10))
    nuisance[DECAY] = (
        Float(float(f"{decay / 100:.6g}"), float(f"{most:.6g}"), default=decay, log=True)
        if decay
        else Float(0.0, 0.0, default=0.0)
    )
    return nuisance


def distribution_of(parameter: Parameter) -> BaseDistribution:
    """What Optuna draws a parameter from."""
    if isinstance(parameter, Choice):
        return CategoricalDistribution(parameter.options)
    if isinstance(parameter, Int):
        return IntDistribution(parameter.low, parameter.high, log=parameter.log)
    return FloatDistribution(parameter.low, parameter.high, log=parameter.log)


def rungs_of(epochs: int, steps: int) -> list[int]:
    """The epochs after which trials of `epochs` epochs, with `steps` steps each, are compared.

    They are 1-3-9-…: bad arms show after an epoch of at least 20 steps, good ones only near the
    end.
    """
    first = math.ceil(EARLY_STEPS / steps)
    rungs = []
    for factor in (1, 3, 9):
        rung = factor * first
        # What is cut must save more than half of a training.
        if 2 * rung < epochs:
            rungs.append(rung)
    rungs.append(epochs)
    return rungs
