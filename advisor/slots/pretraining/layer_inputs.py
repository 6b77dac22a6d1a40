"""The inputs that reach a layer, captured while the model runs."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from advisor.slots.forward import affordable_rows, batches, forward, input_parts, quiet
from advisor.slots.operations import Operation
from advisor.slots.pretraining.segments import ELEMENTS, ROWS, Segment
from advisor.slots.pretraining.uses import as_rows, watching
from advisor.training.objective import to_device
from advisor.training.run import Run

BATCH = 256
"""Rows of data in one pass of the model."""
_STILL = 1e-12
"""Inputs whose deviation is smaller do not vary."""


def capture(run: Run, segment: Segment) -> Tensor | None:
    """The inputs (rows, …) that reach a layer, of all its uses; None where they do not vary.

    Drawn from training and unlabeled rows, `segment.rows` at most. Inputs of another shape than the
    first (a layer that is used at several resolutions) are left out.
    """
    # Twice the rows that a batch's uses must give are kept, in case other uses give fewer.
    data_rows = max(2, min(rows_of(run), math.ceil(segment.rows / segment.yields)))
    number_of_batches = math.ceil(data_rows / BATCH)
    per_use = math.ceil(2 * segment.rows / number_of_batches / max(1, segment.layer.calls))
    caught: list[Tensor] = []

    def sample(_: Tensor, operation: Operation, inputs: Tensor) -> None:
        """Keep some rows of one use."""
        rows = as_rows(operation, inputs)
        if rows.shape[1:] == segment.size:
            chosen = torch.randperm(len(rows), generator=run.generator)[:per_use]
            caught.append(rows.detach()[chosen.to(rows.device)])

    with quiet(run.model), watching([segment.layer], sample):
        for inputs in batches(run, data_rows, BATCH):
            forward(run, inputs)

    # Uses of a layer lie one after the other; the order is drawn once more over all of them.
    every = torch.cat(caught) if caught else torch.empty(0)
    chosen = torch.randperm(len(every), generator=run.generator)[: segment.rows]
    rows = every[chosen.to(every.device)]
    return rows if rows.numel() > 1 and _varies(rows) else None


def capture_labelled(run: Run, segment: Segment) -> tuple[Tensor, Tensor] | None:
    """The inputs (rows, …) of a layer's first use, whole, with the targets of their rows, from
    training rows only.

    None where they do not vary, or where a row of the layer's input is not a row of the data.
    """
    most = min(rows_of(run), segment.whole_rows)
    order = torch.randperm(len(run.data.train), generator=run.generator)[:most]
    caught: list[Tensor] = []
    targets: list[Tensor] = []

    def keep_first(_: Tensor, operation: Operation, inputs: Tensor) -> None:
        """Keep the first use in each batch, whose targets are there already."""
        if len(caught) < len(targets):
            is_recurrent = operation.name == "recurrent"
            rows = as_rows(operation, inputs) if is_recurrent else inputs
            caught.append(rows.detach())

    with quiet(run.model), watching([segment.layer], keep_first):
        for index in order.tensor_split(math.ceil(len(order) / BATCH)):
            inputs, target = run.data.train.take(index)
            targets.append(to_device(target, run.device))
            forward(run, to_device(inputs, run.device))

    # A target belongs to an input row only where a row of data gives one input row.
    same_rows = [len(rows) for rows in caught] == [len(target) for target in targets]
    shapes = {rows.shape[1:] for rows in caught}
    if not same_rows or len(shapes) > 1:
        return None
    rows = torch.cat(caught)
    return (rows, torch.cat(targets)) if _varies(rows) else None


def _varies(rows: Tensor) -> bool:
    """Whether there is anything to learn in these inputs."""
    return bool(rows.isfinite().all()) and float(rows.std()) > _STILL


def rows_of(run: Run) -> int:
    """How many rows of data are read."""
    rows = sum(len(part) for part in input_parts(run))
    return min(affordable_rows(run, ROWS, 16, ELEMENTS), rows)
