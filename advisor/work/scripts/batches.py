"""What techniques can see of a script: its model, and one batch."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from advisor.data import Facts, Part
from advisor.data.splits import Batch
from advisor.errors import InputError
from advisor.model.call import as_tuple, rows_of
from advisor.model.tracing.output import pick
from advisor.nested import elements, ids_in, mapped
from advisor.randomness import isolated
from advisor.study import Task
from advisor.training.metrics import Metric
from advisor.training.objective import Objective
from advisor.training.optimizers import adamw
from advisor.training.run import Data, Run

HONOURED = frozenset(("each_step",))
"""What techniques may have called while a script trains: after each step of its optimizer."""
KIND = "training script"
"""The kind of task that a script is: what its model is to predict, the script alone knows."""


def run_of(
    model: nn.Module, batch: Any, task: Task, metric: Metric, seed: int, cache: Path | None
) -> Run:
    """A run of a script's model, whose only training rows are one batch.

    Arguments:
        model: as the script has built it.
        batch: what it is called with.
        task: what the user says of the model.
        metric: the script's score.
        seed: of what techniques draw.
        cache: folder of shared artefacts, or None.

    Raises:
        InputError: there are no rows in the batch.
    """
    inputs = inputs_in(model, batch)
    rows = rows_of(inputs)
    if not rows:
        raise InputError(
            "no batch was given with the model; give what the model is called with, such as "
            "arm.apply(model, next(iter(loader))[0])"
        )
    own = mapped(copied, inputs)
    parameter = next(nn.Module.parameters(model), None)
    return Run(
        task=task,
        model=model,
        loss=InOneDirection(task.output),
        optimizer=adamw,
        data=Data(BatchPart(own, rows), None, facts_of(own, rows)),
        seed=seed,
        generator=torch.Generator().manual_seed(seed),
        device=torch.device("cpu") if parameter is None else parameter.device,
        objective=objective_of(metric, task),
        cache=cache,
        honours=HONOURED,
    )


def copied(value: Any) -> Any:
    """A tensor that no step of the script changes; what else is in a batch stays as it is."""
    return value.detach().clone() if isinstance(value, Tensor) else value


class BatchPart(Part):
    """The rows of one batch.

    Where its tensors are not rows alone, such as the edges of a graph, it is given whole, whatever
    rows are asked for.

    Arguments:
        inputs: what the model is called with.
        rows: how many rows there are.
        target: for each row; None for zeros, as a script does not say it.
    """

    def __init__(self, inputs: tuple[Any, ...], rows: int, target: Tensor | None = None) -> None:
        self.inputs, self._count = inputs, rows
        self.target = torch.zeros(rows) if target is None else target
        self.rows = None
        self._has_rows = all(
            isinstance(each, Tensor) and each.dim() and len(each) == rows
            for each in elements(inputs)
        )

    def __len__(self) -> int:
        return self._count

    def take(self, index: Tensor) -> Batch:
        """The rows at `index`, or the whole batch."""
        assert self.target is not None  # it is made with one
        if not self._has_rows:
            return self.inputs, self.target
        return mapped(lambda tensor: tensor[index], self.inputs), self.target[index]

    def subset(self, index: Any) -> BatchPart:
        """The rows at `index`, or the whole batch."""
        inputs, target = self.take(torch.as_tensor(index))
        assert target is not None  # as above
        return BatchPart(inputs, len(target), target)

    def labelled(self, target: Tensor | None) -> BatchPart:
        """The batch with other targets."""
        return BatchPart(self.inputs, self._count, target)


def inputs_in(model: nn.Module, batch: Any) -> tuple[Any, ...]:
    """The arguments of the model in a batch; without the target that a loader gives with them."""
    given = as_tuple(batch)
    if len(given) < 2:
        return given
    try:
        inspect.signature(model.forward).bind(*given)
    except TypeError:
        return given[:-1]
    except ValueError:  # a forward that Python cannot look into
        return given
    return given


def facts_of(inputs: tuple[Any, ...], rows: int) -> Facts:
    """What is known of the data of a script: what one batch shows."""
    tensors = [each for each in elements(inputs) if isinstance(each, Tensor)]
    return Facts(
        rows=rows,
        sizes={"train": rows, "valid": 0, "test": 0, "unlabeled": 0},
        inputs=tuple(tuple(tensor.shape[1:]) for tensor in tensors),
        dtypes=tuple(str(tensor.dtype).removeprefix("torch.") for tensor in tensors),
        target="numbers",
        classes=None,
        outputs=1,
        vocabulary=None,
        ids=ids_in(inputs),
    )


def objective_of(metric: Metric, task: Task) -> Objective:
    """What a script trains for, as far as that is known outside it."""
    return Objective(
        kind=KIND,
        loss_name="its own",
        loss=InOneDirection(task.output),
        answer=lambda output, target: output,
        metric=metric,
        classes=None,
    )


class InOneDirection:
    """Stands for the loss of a script, to see what gradients reach: outputs in a fixed direction.

    Arguments:
        output: which of the model's outputs is the prediction.
    """

    def __init__(self, output: int | str | None) -> None:
        self._output = output

    def __call__(self, output: Any, target: Tensor) -> Tensor:
        """The mean of the prediction times numbers that are drawn once for its shape."""
        prediction = pick(output, len(target), self._output)
        with isolated(0):
            direction = torch.randn(prediction.shape)
        return (prediction.float() * direction.to(prediction.device)).mean()
