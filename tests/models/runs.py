"""Runs of small models on tensors, and techniques applied to them."""

import torch
from torch import nn
from torch.nn import functional as F

import advisor
from advisor.data import Facts, TensorPart
from advisor.training.metrics import METRICS
from advisor.training.objective import Objective
from advisor.training.optimizers import adamw
from advisor.training.run import Data, Run, apply


def run_of(model, inputs, targets=2, unlabeled=None, vocabulary=None, seed=3) -> Run:
    """A run of `model` on `inputs`, a tensor or several, with random classes as targets."""
    classes = tuple(map(str, range(targets)))
    columns = inputs if isinstance(inputs, tuple) else (inputs,)
    rows = len(columns[0])
    part = TensorPart(columns, torch.arange(rows) % targets)
    facts = Facts(
        rows,
        {"train": rows},
        tuple(tuple(column.shape[1:]) for column in columns),
        tuple(str(column.dtype).removeprefix("torch.") for column in columns),
        "classes",
        classes,
        targets,
        vocabulary,
    )
    rest = None if unlabeled is None else TensorPart((unlabeled,), None)
    loss = F.cross_entropy
    return Run(
        task=advisor.Task(build=lambda: model, data="x"),
        model=model,
        loss=loss,
        optimizer=adamw,
        data=Data(part, rest, facts),
        seed=seed,
        generator=torch.Generator().manual_seed(seed),
        device=torch.device("cpu"),
        objective=Objective(
            "classification",
            "cross_entropy",
            loss,
            lambda out, target: out,
            METRICS["accuracy"],
            classes,
        ),
    )


def plain(width=64, depth=10, act=nn.ReLU):
    torch.manual_seed(0)
    layers = [layer for _ in range(depth) for layer in (nn.Linear(width, width), act())]
    return nn.Sequential(*layers, nn.Linear(width, 2))


def put(host, run: Run, **choices) -> dict[str, str]:
    """Apply techniques, `slot=name` or `slot=(name, params)`, in the host's order of slots."""
    chosen = {
        slot: choice if isinstance(choice, tuple) else (choice, {})
        for slot, choice in choices.items()
    }
    return apply(
        run,
        [
            (host.find(slot, chosen[slot][0]), chosen[slot][1])
            for slot in host.slots
            if slot in chosen
        ],
    )
