"""How a layer is trained alone: on most of its inputs, until the loss on the held rest stops
falling.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from torch import Tensor

HELD = 0.1
"""Share of a layer's input rows that only judge."""
FEWEST = 64
"""With fewer rows than this none is held, and those trained on judge."""
PATIENCE = 3
"""Epochs without a fall of the held loss after which a layer is done."""

Loss = Callable[[Sequence[Tensor], torch.Generator], Tensor]


def held_out(rows: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Rows to train on and rows to judge by, of tensors that go together; they must lie in random
    order.
    """
    count = len(rows[0])
    kept = int(HELD * count) if count >= FEWEST else 0
    train = [tensor[kept:] for tensor in rows]
    return train, [tensor[:kept] for tensor in rows] if kept else train


def minibatches(rows: Sequence[Tensor], generator: torch.Generator) -> Iterator[list[Tensor]]:
    """The rows in random order, 8 to 64 at a time: at least sixteen steps where there are enough."""
    count = len(rows[0])
    for index in torch.randperm(count, generator=generator).split(max(8, min(64, count // 16))):
        yield [tensor[index.to(tensor.device)] for tensor in rows]


def keep_best(
    values: Iterable[Tensor],
    epoch: Callable[[int], None],
    measure: Callable[[], float],
    epochs: int,
) -> tuple[float, float]:
    """Call `epoch(i)` until `measure()` stops falling; returns its first and its lowest value.

    `values` are left as they were at the lowest.
    """
    values = list(values)
    first = lowest = measure()
    best, since = [value.detach().clone() for value in values], 0
    for i in range(epochs):
        epoch(i)
        now, since = measure(), since + 1
        if now < lowest:
            lowest, best, since = now, [value.detach().clone() for value in values], 0
        if since >= PATIENCE or now != now:
            break
    with torch.no_grad():
        for value, kept in zip(values, best, strict=True):
            value.copy_(kept)
    return first, lowest


def descend(
    parameters: Iterable[Tensor],
    rows: Sequence[Tensor],
    loss: Loss,
    generator: torch.Generator,
    *,
    epochs: int,
    lr: float,
) -> tuple[float, float]:
    """Adam on `loss(rows, generator)`, the mean loss of some rows; returns the held loss before and
    after.

    The held loss is measured with the same noise each time, so that it falls only where something
    was learnt.
    """
    parameters = list(parameters)
    optimizer = torch.optim.Adam(parameters, lr=lr)
    train, held = held_out(rows)

    def epoch(_: int) -> None:
        for batch in minibatches(train, generator):
            optimizer.zero_grad(set_to_none=True)
            loss(batch, generator).backward()
            optimizer.step()

    def measure() -> float:
        noise, parts = (
            torch.Generator().manual_seed(0),
            list(zip(*(tensor.split(256) for tensor in held), strict=True)),
        )
        with torch.no_grad():
            return sum(len(part[0]) * float(loss(part, noise)) for part in parts) / len(held[0])

    return keep_best(parameters, epoch, measure, epochs)
