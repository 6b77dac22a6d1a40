"""Whose training loop a study has: ours, the user's, or the one that its model brings."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from advisor.readable import counted
from advisor.study import Task
from advisor.training.lightning_like import brings_training, loop_of
from advisor.training.optimizers import Rates
from advisor.training.own_loop import EPOCHS, LR, WEIGHT_DECAY, OwnLoop, read_loop
from advisor.training.recipe import Recipe, given_rates, read_augmentation

UNTRAINED = (
    "{} is not trained by its own training_step and configure_optimizers, as {}. All arms are "
    "trained by the study's recipe instead; to have your own trainer, give Task(fit=…)."
)
"""What is said of a model whose own training cannot be done without its trainer."""


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

    found = loop_of(model)
    if isinstance(found, str):
        return OwnTraining(warnings=(UNTRAINED.format(type(model).__name__, found),))
    loop, rates, words = found
    notes = (f"{loop.who}'s own training_step", f"its optimizer: {words}")
    return OwnTraining(loop, recipe_with(task, rates, notes))


def by_users_loop(task: Task, loop: OwnLoop) -> OwnTraining:
    """The user's loop with the rates that it brings."""
    # What the task says goes before the loop's own defaults.
    said, given = given_rates(task), loop.given
    lr = said.lr if task.lr is not None else given.get(LR, said.lr)
    decay = (
        said.weight_decay
        if task.weight_decay is not None
        else given.get(WEIGHT_DECAY, said.weight_decay)
    )
    # What a loop gets by name is all that it can read.
    words = {LR: f"lr {lr:g}", WEIGHT_DECAY: f"weight decay {decay:g}"}
    read = [text for name, text in words.items() if loop.takes_run or name in loop.asked]
    parts = [f"your own loop {loop.name}"]
    if read:
        # Whether a loop that gets `run` reads them shows in its first training.
        parts.append(" and ".join(read) + (", if the loop reads them" if loop.takes_run else ""))
    if EPOCHS in given:
        parts.append(counted(int(given[EPOCHS]), "epoch"))
    return OwnTraining(loop, recipe_with(task, Rates(float(lr), float(decay)), tuple(parts)))


def recipe_with(task: Task, rates: Rates, notes: tuple[str, ...]) -> Recipe:
    """What a loop of the user's own takes of a recipe."""
    augment = read_augmentation(task.augment)
    return Recipe(lr=rates.lr, weight_decay=rates.weight_decay, augment=augment, notes=notes)
