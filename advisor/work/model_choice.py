"""The model as a choice: a slot of a study whose first entry is the baseline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from advisor.errors import InputError, listing
from advisor.host.host import Host, Plugin
from advisor.loading.model import inferred_arguments
from advisor.model.tracing.output import pick
from advisor.model.tracing.trace import trace
from advisor.study import Task
from advisor.technique import KEEP, MODEL, Keep, Slot, Technique
from advisor.training.first_values import check_loss, check_parameters
from advisor.training.loop import count_parameters
from advisor.training.objective import to_device
from advisor.training.run import EXAMPLE_ROWS, Run
from advisor.work.building import Builder, arguments_for, fresh_model
from advisor.work.loaded import loaded_names
from advisor.work.task_facts import output_of

STUDY = "the study's models"
"""What brings the slot, among the plugins."""


class ModelChoice(Technique):
    """Another model of the user's, in the place of the one that the study begins with.

    Attributes:
        build: makes it.
        shares_draws: whether its tensors are drawn by their shapes.
    """

    slot, cite = MODEL, "your own"

    def __init__(self, name: str, build: Builder, shares_draws: bool = False) -> None:
        self.name, self.build, self.shares_draws = name, build, shares_draws

    def unfit(self, run: Run) -> str | None:
        """It must take the same data, and be trained by the same loss."""
        try:
            return self._why_not(run)
        except InputError as problem:
            return str(problem).rstrip(".")

    def _why_not(self, run: Run) -> str | None:
        model = self.built(run, run.seed)
        rows = min(EXAMPLE_ROWS, len(run.data.train))
        inputs, target = to_device(run.data.train.take(torch.arange(rows)), run.device)
        check_parameters(model)
        wanted, chosen = run.anatomy.output, run.task.output
        own = pick(output_of(run.model, inputs), rows, chosen)
        output = pick(output_of(model, inputs), rows, chosen)
        if output.shape[1:] != own.shape[1:]:
            shapes = (
                f"{tuple(output.shape[1:])}, and that of the first model {tuple(own.shape[1:])}"
            )
            return f"its output has the shape {shapes}"
        found = trace(model, inputs, chosen, rows).output
        if found != wanted:
            return (
                f"its output is of the kind {found!r}, and that of the first model {wanted!r}: one "
                "loss trains all"
            )
        check_loss(model, inputs, target, run.objective)
        return None

    def apply(self, run: Run, **params: Any) -> str:
        """Build it, with the draws of the run's seed."""
        before = run.model
        model = self.built(run, run.seed)
        self.put(run, model)
        return f"{_described(model)} in place of {_described(before)}"

    def put(self, run: Run, model: nn.Module) -> None:
        """Let a run begin with a model that this has built, or the user."""
        run.begin_with(
            model, cache(lambda: loaded_names(lambda seed: self.built(run, seed), run.device))
        )

    def built(self, run: Run, seed: int) -> nn.Module:
        """A fresh one. Raises `InputError` where it cannot be built."""
        data = run.data
        arguments = arguments_for(self.build, run.task.arguments)
        train, shares = data.train, self.shares_draws
        return fresh_model(self.build, arguments, data.facts, train, run.device, seed, shares)

    def arguments(self, task: Task, facts: Mapping[str, int]) -> dict[str, Any]:
        """All that its constructor is called with."""
        given = arguments_for(self.build, task.arguments)
        inferred = inferred_arguments(self.build, facts, given)
        return {**given, **{name: each.value for name, each in inferred.items()}}


def _described(model: nn.Module) -> str:
    return f"{type(model).__name__} with {count_parameters(model):,} parameters"


def with_models(host: Host, task: Task, shares_draws: bool) -> Host:
    """The plugins, and before them the slot of the models that a task may choose from.

    Raises `InputError` where a plugin has a slot of that name.
    """
    if not task.models:
        return host
    if MODEL in host.slots:
        owner = host.owner[MODEL]
        raise InputError(
            f"Task(build={{…}}) makes a slot {MODEL!r}, and plugin {owner!r} brings one, too; "
            f"leave it out with --without {owner}."
        )
    others = task.other_models
    choices: dict[str, Technique] = {KEEP: Keep(MODEL)}
    for name, build in others.items():
        choices[name] = ModelChoice(name, build, shares_draws)
    full_names = tuple(f"{MODEL}.{name}" for name in others)
    slot = Slot(MODEL, "which of your models is trained")
    mine = Plugin(STUDY, "", "the study", (MODEL,), full_names)
    return replace(
        host,
        plugins=(*host.plugins, mine),
        slots=MappingProxyType({MODEL: slot, **host.slots}),
        techniques=MappingProxyType({MODEL: MappingProxyType(choices), **host.techniques}),
        owner=MappingProxyType({**host.owner, **dict.fromkeys((MODEL, *full_names), STUDY)}),
    )


def choice_in(host: Host, params: Mapping[str, Any]) -> ModelChoice | None:
    """The model that the parameters of a trial choose; None for the one that it begins with."""
    found = host.find(MODEL, str(params.get(MODEL, KEEP)))
    return found if isinstance(found, ModelChoice) else None


def notes_on_models(task: Task) -> Iterator[str]:
    """Which of a task's models is which, in one sentence."""
    if task.models:
        first, *others = task.models
        yield f"models: {first} is the baseline, and {listing(others)} may take its place"
