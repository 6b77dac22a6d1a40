"""What a careful person writes to tune a net: Optuna, with rows in memory and fused AdamW.

    python by_hand.py NAME ROWS.npz [--trials 20] [--seeds 3] [--epochs N] [--processes 2]

A trial is an activation, an initializer, a learning rate and a weight decay; its score is the mean
over the seeds on a fifth of the rows, which is the same for all. TPE suggests, and the median
pruner ends what is behind. Two processes are forked when torch is imported, have a thread each, and
share the study by Optuna's journal. The answer is printed as JSON.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import nets
import numpy as np
import optuna
import torch
from optuna.pruners import BasePruner, MedianPruner, NopPruner
from optuna.samplers import TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from torch import Tensor, nn

ACTIVATIONS = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}
INITIALIZERS = ("torch", "kaiming", "xavier", "orthogonal", "lsuv")
BEGIN = {"activation": "relu", "initializer": "torch", "lr": 1e-3, "weight_decay": 1e-4}
"""The first trial: the model as it is."""


@dataclass(frozen=True)
class Recipe:
    """How a model is built and trained.

    Attributes:
        build: the model, with an activation.
        batch: rows in a mini-batch.
        epochs: of a training, as one is used to for such a net.
    """

    build: Callable[..., nn.Module]
    batch: int
    epochs: int


RECIPES = {
    "digits": Recipe(nets.deep_net, 64, 30),
    "digits_128": Recipe(nets.digits_net, 64, 30),
    "adult": Recipe(nets.adult_net, 64, 20),
    "fashion": Recipe(nets.fashion_net, 64, 15),
    "sst": Recipe(nets.SentenceNet, 64, 15),
}
Rows = tuple[Tensor, Tensor]
"""Inputs and targets."""


def recipe_of(name: str, columns: int) -> Recipe:
    """The recipe of a study whose rows have so many columns."""
    recipe = RECIPES[name]
    if name == "adult":
        return Recipe(partial(recipe.build, columns), recipe.batch, recipe.epochs)
    return recipe


# --- a training ---------------------------------------------------------------------------------


def trained(
    recipe: Recipe, params: Mapping[str, Any], rows: Rows, epochs: int, seed: int
) -> Iterator[nn.Module]:
    """The model after each epoch."""
    torch.manual_seed(seed)
    x, y = rows
    model = recipe.build(activation=ACTIVATIONS[params["activation"]])
    initialize(model, params["initializer"], x[: 4 * recipe.batch])
    if x.dim() == 4:
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        x = x.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=params["lr"], weight_decay=params["weight_decay"], fused=True
    )
    for _ in range(epochs):
        model.train()
        for at in torch.randperm(len(x)).split(recipe.batch):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[at]), y[at]).backward()
            optimizer.step()
        yield model


def initialize(model: nn.Module, name: str, x: Tensor) -> None:
    """Draw initial weights; `x` are rows on which lsuv measures deviations."""
    if name == "torch":
        return
    draw = {
        "kaiming": nn.init.kaiming_normal_,
        "xavier": nn.init.xavier_uniform_,
        "orthogonal": nn.init.orthogonal_,
        "lsuv": nn.init.orthogonal_,
    }[name]
    layers = [each for each in model.modules() if isinstance(each, nn.Linear | nn.Conv2d)]
    for layer in layers:
        draw(layer.weight)
        nn.init.zeros_(layer.bias)
    if name == "lsuv":
        hooks = [layer.register_forward_hook(scale_to_one) for layer in layers]
        with torch.no_grad():
            model(x)
        for hook in hooks:
            hook.remove()


def scale_to_one(layer: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> Tensor:
    """Scale the weights of a layer so that what it gives has deviation 1."""
    deviation = output.std().clamp(min=1e-8)
    layer.weight /= deviation
    return output / deviation


def accuracy(model: nn.Module, rows: Rows) -> float:
    """The share of rows that a model gets right."""
    model.eval()
    with torch.inference_mode():
        parts = zip(rows[0].split(512), rows[1].split(512), strict=True)
        right = [model(x).argmax(1) == y for x, y in parts]
    return float(torch.cat(right).double().mean())


# --- the search ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Objective:
    """The mean score of a trial over seeds."""

    recipe: Recipe
    train: Rows
    valid: Rows
    epochs: int
    seeds: int

    def __call__(self, trial: optuna.Trial) -> float:
        params = {
            "activation": trial.suggest_categorical("activation", list(ACTIVATIONS)),
            "initializer": trial.suggest_categorical("initializer", INITIALIZERS),
            "lr": trial.suggest_float("lr", 1e-4, 1e-1, log=True),
            "weight_decay": trial.suggest_float("weight_decay", 1e-6, 1e-1, log=True),
        }
        scores: list[float] = []
        for seed in range(self.seeds):
            score = 0.0
            models = trained(self.recipe, params, self.train, self.epochs, seed)
            for epoch, model in enumerate(models):
                score = accuracy(model, self.valid)
                trial.report(score, seed * self.epochs + epoch)
                trial.set_user_attr("epochs", seed * self.epochs + epoch + 1)
                if trial.should_prune():
                    raise optuna.TrialPruned
            scores.append(score)
        return sum(scores) / len(scores)


def divided(rows: Rows) -> tuple[Rows, Rows]:
    """The rows to train on, and the fifth that scores."""
    x, y = rows
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    valid, train = order[: len(x) // 5], order[len(x) // 5 :]
    return (x[train], y[train]), (x[valid], y[valid])


def pruner_of(name: str, epochs: int) -> BasePruner:
    """`median`, which gives each trial a third of its first training, or `none`."""
    if name == "none":
        return NopPruner()
    return MedianPruner(n_startup_trials=5, n_warmup_steps=epochs // 3)


def searched(objective: Objective, pruner: BasePruner, trials: int, processes: int) -> optuna.Study:
    """The study after so many trials."""
    if processes == 1:
        study = optuna.create_study(direction="maximize", sampler=TPESampler(seed=0), pruner=pruner)
        study.enqueue_trial(BEGIN)
        study.optimize(objective, trials)
        return study
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "journal")
        study = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(path)), study_name="it", direction="maximize"
        )
        study.enqueue_trial(BEGIN)
        fork = multiprocessing.get_context("fork")
        shares = [len(range(i, trials, processes)) for i in range(processes)]
        workers = [
            fork.Process(target=search_share, args=(path, objective, pruner, i, shares[i]))
            for i in range(processes)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        # What is read from the journal is kept, when the folder is gone, in another study.
        found = optuna.create_study(direction="maximize")
        found.add_trials(study.get_trials())
        return found


def search_share(
    path: str, objective: Objective, pruner: BasePruner, number: int, trials: int
) -> None:
    """One process's share of the trials."""
    storage = JournalStorage(JournalFileBackend(path))
    sampler = TPESampler(seed=number, constant_liar=True)
    study = optuna.load_study(study_name="it", storage=storage, sampler=sampler, pruner=pruner)
    study.optimize(objective, trials)


def tensors(path: Path, part: str) -> Rows:
    """Rows of a file: `train` or `test`."""
    with np.load(path) as file:
        return torch.from_numpy(file[f"{part}_x"]), torch.from_numpy(file[f"{part}_y"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", choices=list(RECIPES))
    parser.add_argument("rows", type=Path, help="an .npz file with train_x and train_y")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3, help="trainings of a trial")
    parser.add_argument("--epochs", type=int, help="of a training; a usual number if not given")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--pruner", choices=("median", "none"), default="median")
    given = parser.parse_args()
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    rows = tensors(given.rows, "train")
    recipe = recipe_of(given.name, rows[0].shape[1])
    epochs = given.epochs or recipe.epochs
    objective = Objective(recipe, *divided(rows), epochs, given.seeds)
    study = searched(objective, pruner_of(given.pruner, epochs), given.trials, given.processes)
    trained_epochs = [each.user_attrs.get("epochs", 0) for each in study.trials]
    answer = {
        "params": study.best_params,
        "searched": study.best_value,
        "epochs": epochs,
        "trainings": sum(-(-count // epochs) for count in trained_epochs),
        "trained_epochs": sum(trained_epochs),
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
