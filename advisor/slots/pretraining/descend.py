"""How one layer is trained: on most of its inputs, until the loss on the others stops falling."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from torch import Tensor

from advisor.training.moving import Moves, adam

HELD = 0.1
"""Share of a layer's input rows that are not trained on and only judge."""
FEWEST = 64
"""With fewer rows than this, none are held out; the loss is measured on the training rows."""
PATIENCE = 3
"""Epochs without a fall of the held loss after which a layer is done."""
MEASURED = 256
"""Rows in a batch on which the held loss is measured."""

Loss = Callable[[Sequence[Tensor], torch.Generator], Tensor]
"""The mean loss of some rows, which may draw noise from the generator."""
Gradients = Callable[[Sequence[Tensor], torch.Generator], object]
"""Writes the gradients of such a loss to `grad` of the parameters."""
TOGETHER = 16
"""Mini-batches whose rows are gathered in one go."""


def held_out(rows: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Rows to train on and rows to judge by, of tensors that go together; they must lie in random
    order.
    """
    count = len(rows[0])
    # A tenth of few rows would say nothing about a loss.
    held = int(HELD * count) if count >= FEWEST else 0
    train = [tensor[held:] for tensor in rows]
    judge = [tensor[:held] for tensor in rows] if held else train
    return train, judge


def rows_in_batch(count: int) -> int:
    """Rows in a mini-batch of so many: few are cut small, so that an epoch has steps enough."""
    return max(8, min(64, count // 16))


def minibatches(rows: Sequence[Tensor], generator: torch.Generator) -> Iterator[list[Tensor]]:
    """The rows in random order, 8 to 64 at a time: at least 16 steps where there are enough."""
    count = len(rows[0])
    size = rows_in_batch(count)
    order = torch.randperm(count, generator=generator)
    for index in order.split(TOGETHER * size):
        gathered = [tensor[index.to(tensor.device)].split(size) for tensor in rows]
        for batch in zip(*gathered, strict=True):
            yield list(batch)


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
    best = [value.detach().clone() for value in values]
    epochs_since = 0
    for number in range(epochs):
        epoch(number)
        loss = measure()
        epochs_since += 1
        if loss < lowest:
            lowest = loss
            best = [value.detach().clone() for value in values]
            epochs_since = 0
        # A loss that is not a number is not even equal to itself.
        if epochs_since >= PATIENCE or loss != loss:
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
    optimizer: Callable[..., Moves] = adam,
    gradients: Gradients | None = None,
) -> tuple[float, float]:
    """Adam, or another optimizer, on `loss(rows, generator)`, the mean loss of some rows; returns
    the held loss before and after.

    The held loss is measured with the same noise each time, so that it falls only where something
    was learnt. Autograd computes the gradients, unless `gradients(rows, generator)` writes them.
    """
    # They are read twice: by the optimizer and by what keeps the best of them.
    parameters = list(parameters)
    steps = optimizer(parameters, lr=lr)
    train, held = held_out(rows)

    def differentiate(batch: Sequence[Tensor], noise: torch.Generator) -> None:
        """Have autograd compute the gradients."""
        steps.zero_grad(set_to_none=True)
        loss(batch, noise).backward()

    write = gradients or differentiate

    def epoch(_: int) -> None:
        """One pass over the rows that are trained on."""
        for batch in minibatches(train, generator):
            write(batch, generator)
            steps.step(None)

    return keep_best(parameters, epoch, lambda: mean_loss(held, loss), epochs)


def mean_loss(rows: Sequence[Tensor], loss: Loss) -> float:
    """The mean loss of all rows, under noise that is the same each time."""
    noise = torch.Generator().manual_seed(0)
    total = 0.0
    with torch.no_grad():
        for batch in zip(*(tensor.split(MEASURED) for tensor in rows), strict=True):
            total += len(batch[0]) * float(loss(batch, noise))
    return total / len(rows[0])
