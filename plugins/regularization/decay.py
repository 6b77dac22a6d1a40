"""Which parameters get weight decay."""

from __future__ import annotations

from typing import Any

from torch import nn

from advisor import Run, Technique


class NoDecayOfVectors(Technique):
    """Weight decay for matrices alone: none for biases, gains and tables of vectors.

    λ = 0 for parameters with fewer than two dimensions and for embedding tables. Helps where a
    recipe decays all that there is: a gain or a rare word is not to be forgotten.

    Arguments:
        none

    Reference: He et al. 2019, "Bag of tricks for image classification with convolutional neural
    networks" (no bias decay).
    """

    name = "decay_matrices"
    slot = "regularization"
    cite = "He et al. 2019"

    def unfit(self, run: Run) -> str | None:
        """There must be a weight decay, and a parameter that it is taken from."""
        why = run.lacks("optimizer")
        if why is None and not run.recipe.weight_decay:
            why = "the recipe has no weight decay"
        if why is None and not decayed(run):
            why = "only matrices have weight decay already"
        return why

    def apply(self, run: Run, **params: Any) -> str:
        """Take the decay from them."""
        found = decayed(run)
        run.undecayed += found.values()
        return f"no weight decay for {', '.join(list(found)[:3])}" + (", …" * (len(found) > 3))

    def by_hand(self, lr: float, weight_decay: float, /, **params: Any) -> str:
        """In words."""
        return "no weight decay for biases, gains and embedding tables (a group of their own)"


def decayed(run: Run) -> dict[str, nn.Parameter]:
    """By name, the vectors and tables of a model that would be trained with weight decay."""
    inside = set()
    for group in run.built_optimizer().param_groups:
        inside |= {id(each) for each in group["params"]} if group.get("weight_decay") else set()
    tables = {id(each.module.weight) for each in run.anatomy.tables if not each.tied}
    return {
        name: each
        for name, each in nn.Module.named_parameters(run.model)
        if id(each) in inside and (each.ndim < 2 or id(each) in tables)
    }
