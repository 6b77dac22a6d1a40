"""A model without its norms."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from advisor import Run, Technique

NORMS = (
    nn.modules.batchnorm._NormBase,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.RMSNorm,
)
"""Torch's norms; batch and instance norms have one base."""


class NoNorms(Technique):
    """The norms of a model are left out.

    z ← z where z was normalized. For comparison: what the norms are worth, and small nets on small
    batches that train as well without them.

    Arguments:
        none

    Reference: Brock et al. 2021, "High-performance large-scale image recognition without
    normalization".
    """

    name = "no_norm"
    slot = "normalization"
    cite = "Brock et al. 2021"
    waived = {"keeps_keys": "a norm that is left out has no weights any more"}

    def unfit(self, run: Run) -> str | None:
        """There must be a norm, and the model must run without it."""
        found = norms(run.model)
        if not found:
            return "the model has no norm of torch's to leave out"
        loaded = [name for name, each in found.items() if run.is_loaded(each)]
        if loaded:
            return f"the model loads the weights of its norm {loaded[0]}, which the others need"
        try:
            model = copy.deepcopy(run.model).eval()
            leave_out(model)
            rows = run.example(4)
            own, run.model = run.model, model
            try:
                with torch.no_grad():
                    run.call(rows)
            finally:
                run.model = own
        except Exception as problem:  # whatever the user's model raises
            said = " ".join(str(problem).split())[:120]
            return f"the model does not run without its norms ({type(problem).__name__}: {said})"
        return None

    def apply(self, run: Run, **params: Any) -> str:
        """Leave them out."""
        return f"left out: {', '.join(leave_out(run.model))}"


def norms(model: nn.Module) -> dict[str, nn.Module]:
    """The norms inside a model by name."""
    named = nn.Module.named_modules(model)
    return {name: each for name, each in named if name and isinstance(each, NORMS)}


def leave_out(model: nn.Module) -> list[str]:
    """Put the identity in the place of the norms of a model; their names."""
    found = norms(model)
    for module in list(nn.Module.modules(model)):
        for name, child in list(module._modules.items()):
            if child is not None and any(child is each for each in found.values()):
                module._modules[name] = nn.Identity()
    return list(found)
