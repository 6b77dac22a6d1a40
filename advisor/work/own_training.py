"""Whose training loop a study has: ours, the user's, or the one that its model brings."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from advisor.readable import counted
from advisor.study import Task
from advisor.training.lightning_like import brings_training, loop_of
from advisor.training.own_loop import DECAY, EPOCHS, RATE, OwnLoop, read_loop
from advisor.training.recipe import Recipe, given_rates, read_augmentation


@dataclass(frozen=True)
class OwnTraining:
    """The user's own training loop, and what is known of it before it has run.

    Attributes:
        loop: None where ours trains.
        recipe: the rates that it brings, and what it gets of ours; None where ours trains.
        warnings: what the user should know, one sentence each.
    """

    loop: OwnLoop | None = None
    recipe: Recipe | None = None
    warnings: tuple[str, ...] = ()


def own_training(task: Task, model: nn.Module) -> OwnTraining:
    """The user's own loop, or that of a model that brings its training.

    Raises `InputError` where a loop asks for what there is not.
    """
    if task.fit is not None:
        return by_users_loop(task, read_loop(task.fit))
    if not brings_training(model) or task.optimizer is not None:
        return OwnTraining()

    name = type(model).__name__
    found = loop_of(model)
    if isinstance(found, str):
        return OwnTraining(
            warnings=(
                f"{name} is not trained by its own training_step and configure_optimizers, as "
                f"{found}. All arms are trained by the study's recipe instead; to have your own "
                "trainer, give Task(fit=…).",
            )
        )
    loop, rates, words = found
    note = f"recipe: {name}'s own training_step, and its optimizer: {words}."
    augment = read_augmentation(task.augment)
    return OwnTraining(
        loop, Recipe(lr=rates.lr, weight_decay=rates.weight_decay, augment=augment, notes=(note,))
    )


def by_users_loop(task: Task, loop: OwnLoop) -> OwnTraining:
    """The user's loop with the rates that it brings."""
    said = given_rates(task)
    # What the task says goes before the loop's own defaults.
    lr = said.lr if task.lr is not None else loop.given.get(RATE, said.lr)
    decay = (
        said.weight_decay
        if task.weight_decay is not None
        else loop.given.get(DECAY, said.weight_decay)
    )
    own = loop.who.partition(": ")[2]
    parts = [f"your own loop {own}", f"lr {lr:g}, weight decay {decay:g}"]
    if EPOCHS in loop.given:
        parts.append(counted(int(loop.given[EPOCHS]), "epoch"))
    return OwnTraining(
        loop,
        Recipe(
            lr=float(lr),
            weight_decay=float(decay),
            augment=read_augmentation(task.augment),
            notes=(f"recipe: {'; '.join(parts)}.",),
        ),
    )
