"""What a task says about its training, and what is checked before it begins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn

from advisor.errors import InputError, explain, listing, near
from advisor.model.anatomy import Anatomy, unmatched
from advisor.model.call import call, left_out
from advisor.model.tracing.output import described, pick, predictions
from advisor.study import Task
from advisor.values import shown

FULL_STEPS = 400
"""Steps of a training without a number of epochs: enough to rank techniques, and to try many."""
FEWEST_EPOCHS, MOST_EPOCHS = 5, 100
"""Epochs of such a training, whatever its steps."""
BATCHES = ((1_000, 32), (10_000, 64), (50_000, 128))
"""Rows in a mini-batch for data with fewer training rows than so many."""
LARGE_BATCH = 256
"""Rows in a mini-batch for more data."""


def usable_device(name: str) -> torch.device:
    """A device that can be computed on. Raises `InputError` where it cannot."""
    try:
        device = torch.device(name)
        # Numbers come back from a device that computes; `meta` only keeps shapes.
        torch.zeros(1, device=device).cpu()
    except Exception as problem:  # each backend has errors of its own, such as a missing module
        # The first line says what is wrong; torch adds many others.
        reason = explain(problem).split("\n")[0][:120]
        raise InputError(
            f"--device {shown(name)} cannot be used here: {reason}. Use cpu, cuda or mps."
        ) from problem
    return device


def batch_for(rows: int) -> int:
    """Rows in a mini-batch for so many training rows."""
    for limit, batch in BATCHES:
        if rows < limit:
            return batch
    return LARGE_BATCH


def epochs_for(rows: int, batch: int) -> int:
    """Epochs of a training of so many rows, where the user gives none."""
    epochs = round(FULL_STEPS / max(1, rows / batch))
    return max(FEWEST_EPOCHS, min(MOST_EPOCHS, epochs))


def make_dense(model: nn.Module) -> list[str]:
    """Make embedding tables give dense gradients, and return the names of those that did not.

    The numbers are the same; AdamW refuses sparse gradients.
    """
    sparse = []
    for name, module in model.named_modules():
        if getattr(module, "sparse", None) is True:
            sparse.append(name)
            module.sparse = False
    return sparse


def output_of(model: nn.Module, inputs: tuple[Any, ...]) -> Any:
    """What a model gives for a batch in evaluation mode. Raises `InputError` where it fails."""
    # Dropout and batch statistics would make the output another one each time.
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            return call(model, inputs)
    except Exception as problem:  # the user's own forward may raise anything
        raise InputError(
            f"{type(model).__name__} fails on a batch of the data in evaluation mode: "
            f"{explain(problem)}."
        ) from problem
    finally:
        model.train(was_training)


def check_patterns(task: Task, anatomy: Anatomy) -> None:
    """Raise `InputError` for a pattern of activation sites that matches none of the model's."""
    for option, patterns in (("include", task.include), ("exclude", task.exclude)):
        for pattern in unmatched(anatomy, patterns):
            ids = [site.id for site in anatomy.sites]
            raise InputError(
                f"--{option} {pattern!r} matches no activation site.{near(pattern, ids)} "
                f"The sites are: {listing(ids, 40) or 'none'}."
            )


def notes_on(
    task: Task,
    model: nn.Module,
    arguments: Mapping[str, Any],
    inputs: tuple[Any, ...],
    output: Any,
    rows: int,
    origins: Mapping[str, str],
) -> Iterator[str]:
    """What was understood of a task and done about it, one sentence each.

    Arguments:
        task: what the user brought.
        model: a first one, whose tables are made dense.
        arguments: what its constructor was called with.
        inputs: a batch of `rows` rows.
        output: what the model gave for it.
        rows: of the batch.
        origins: what the arguments are from that the user did not give, by name.
    """
    # Arguments of the constructor that the user did not give.
    name = type(model).__name__
    inferred: dict[str, list[str]] = {}
    for argument, origin in origins.items():
        inferred.setdefault(origin, []).append(f"{argument}={arguments[argument]!r}")
    for origin, texts in inferred.items():
        yield f"{name} was built with {', '.join(texts)}, inferred from {origin}"

    sparse = make_dense(model)
    if sparse:
        reason = "trained with dense gradients, because AdamW refuses sparse ones"
        yield f"{listing(sparse)}: {reason}"

    # Keys of a batch that `forward` does not take are not passed to it.
    unused = left_out(model, inputs)
    if unused:
        yield f"{listing(unused)}: no parameter of {name}.forward, and not passed to it"

    # Several tensors could be the prediction, and the user has not chosen.
    candidates = {}
    for place, tensor in predictions(output).items():
        if tensor.dim() and len(tensor) == rows:
            candidates[place] = tensor
    if task.output is None and len(candidates) > 1:
        chosen = pick(output, rows)
        place = next(place for place, tensor in candidates.items() if tensor is chosen)
        yield (
            f"the model returns {described(candidates)}; {place} is taken as its prediction; "
            "choose with --output or Task(output=…)"
        )
