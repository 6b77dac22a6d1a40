"""The ids by which a model looks up its tables, seen while it runs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from advisor.slots.forward import forward, quiet
from advisor.slots.operations import Operation, WeightUses
from advisor.training.objective import to_device
from advisor.training.run import Run

BATCH = 256
"""Rows of data in one pass of the model."""


class _AllSeen(BaseException):
    """The last look-up is done: the rest of the forward pass is not needed."""


class Lookups(WeightUses):
    """While active, keeps the ids of every look-up, by the object id of the table's weight.

    Arguments:
        weights: of the tables.
        most: look-ups after which the forward pass is ended by `_AllSeen`; None for no end.
    """

    def __init__(self, weights: Collection[Tensor], most: int | None = None) -> None:
        super().__init__(weights, self._note)
        self.ids: dict[int, list[Tensor]] = {}
        self._left = most

    def _note(self, weight: Tensor, _: Operation, ids: Tensor) -> None:
        self.ids.setdefault(id(weight), []).append(ids.detach().clone())
        if self._left is not None:
            self._left -= 1
            if self._left <= 0:
                raise _AllSeen


def looked_up_in_all_rows(
    run: Run, weight: Tensor
) -> Iterator[tuple[tuple[Any, ...], list[Tensor]]]:
    """Batches of all training and unlabeled inputs, each with the ids of every look-up of a table.

    Nothing is computed behind the last look-up.
    """
    # Where the number of look-ups depends on the rows, each pass goes to its end.
    counts = {len(_looked_up(run, inputs, weight)) for inputs in _first_and_last(run)}
    most = counts.pop() if len(counts) == 1 else None
    for inputs in run.data.inputs(BATCH):
        yield inputs, _looked_up(run, inputs, weight, most)


def _first_and_last(run: Run) -> Iterator[tuple[Any, ...]]:
    """The example, and the last training row with the one before it."""
    yield run.example()
    end = len(run.data.train)
    yield run.data.train.take(torch.arange(max(0, end - 2), end))[0]


def _looked_up(
    run: Run, inputs: tuple[Any, ...], weight: Tensor, most: int | None = None
) -> list[Tensor]:
    """The ids, on the CPU, by which a batch looks a table up."""
    seen = Lookups([weight], most)
    with quiet(run.model):
        try:
            with seen:
                forward(run, tuple(to_device(part, run.device) for part in inputs))
        except _AllSeen:
            pass
    return [ids.cpu() for ids in seen.ids.get(id(weight), [])]


def texts(looked_up: Sequence[Tensor], given: Sequence[Tensor]) -> list[Tensor]:
    """The ids of look-ups as (rows, ids of a row), without those that no row of an input holds.

    Look-ups of one id in a row, as a loop over the steps of a text makes them, are one text.

    Arguments:
        looked_up: the ids of each look-up.
        given: the ids of a batch as the inputs hold them, rows first.
    """
    longer: list[Tensor] = []
    single: list[Tensor] = []
    for asked in looked_up:
        rows = _of_rows(asked, given)
        if rows is not None:
            (longer if rows.shape[1] > 1 else single).append(rows)
    return [*longer, torch.cat(single, 1)] if single else longer


def _of_rows(asked: Tensor, given: Sequence[Tensor]) -> Tensor | None:
    """The ids of a look-up as (rows, ids of a row), where each row's are among its own ids."""
    for ids in given:
        own = ids.cpu().reshape(len(ids), -1).sort().values
        for rows in _readings(asked.cpu(), len(own)):
            rows = rows.to(own.dtype).contiguous()
            places = torch.searchsorted(own, rows).clamp(max=own.shape[1] - 1)
            if bool((own.gather(1, places) == rows).all()):
                return rows
    return None


def _readings(asked: Tensor, rows: int) -> Iterator[Tensor]:
    """A look-up's ids as (rows, ids of a row), for each dimension along which its rows may lie."""
    for dimension, size in enumerate(asked.shape):
        if size == rows:
            yield asked.movedim(dimension, 0).reshape(rows, -1)
    # The rows of several texts in one, or all ids in one line.
    if asked.ndim and asked.shape[0] > rows and asked.numel() % rows == 0:
        yield asked.reshape(rows, -1)
