"""Builds a user's model: the one that a study begins with, or another that it may choose."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from advisor.data import Part
from advisor.data.facts import Facts
from advisor.loading.model import build_model
from advisor.model.tracing.trace import materialize
from advisor.randomness import mix, start_from
from advisor.training.objective import to_device
from advisor.work.initial_draws import shared_draws
from advisor.work.loaded import own_storages
from advisor.work.task_facts import make_dense

Builder = Callable[..., Any]
"""A class or a function that returns a model."""


def fresh_model(
    build: Builder,
    arguments: Mapping[str, Any],
    facts: Facts,
    train: Part,
    device: torch.device,
    seed: int,
    shares_draws: bool = False,
) -> nn.Module:
    """A model with the initial draws of a seed.

    Arguments:
        build: what the user brought.
        arguments: that the user gives it.
        facts: of the data, which answer what it requires besides.
        train: rows from which layers learn their sizes.
        device: where it lives.
        seed: of its draws.
        shares_draws: whether tensors are drawn by their shapes.

    Raises:
        InputError: it cannot be built.
    """
    # A user's constructor draws from global random states.
    start_from(mix(seed, "model"))
    with shared_draws(seed, shares_draws):
        model, _ = build_model(build, facts.named(), arguments)
        make_dense(model)
        model = model.to(device)
        own_storages(model)
        inputs, _ = train.take(torch.arange(min(2, len(train))))
        materialize(model, to_device(inputs, device))
    return model


def arguments_for(build: Builder, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the user's arguments that a model takes, of several that a study may choose."""
    try:
        parameters = inspect.signature(build).parameters
    except (TypeError, ValueError):  # what Python cannot look into
        return dict(arguments)
    if any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
        return dict(arguments)
    return {name: value for name, value in arguments.items() if name in parameters}
