"""Whether rows of a batch influence each other, and whether an evaluation is random."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from advisor.diagnosis.passes import (
    ROUNDING,
    Settle,
    Trace,
    answer,
    answer_of,
    difference,
    evaluating,
    first_difference,
    inputs_at,
    passing,
)
from advisor.nested import tensors_in
from advisor.randomness import mix
from advisor.training.run import Run

ROWS = 32
"""Rows whose answers are compared."""
SMALL = 8
"""Rows with which the place is found, where every module's values are kept."""


@dataclass(frozen=True)
class Change:
    """Answers that differ although the rows are the same.

    Attributes:
        place: where the passes begin to differ.
        share: the largest difference, as a share of the largest answer.
        training: whether it is so in training mode only.
    """

    place: str
    share: float
    training: bool = False


def mixing(run: Run) -> Change | None:
    """How other rows of the batch change the answer for a row, or None where they do not.

    In training mode, what normalizes by the batch is left out.
    """
    found = _mixing_in(run, evaluating)
    if found is not None:
        return found
    settle = _without_statistics(run)
    found = _mixing_in(run, settle)
    return None if found is None else Change(found.place, found.share, training=True)


def _mixing_in(run: Run, settle: Settle) -> Change | None:
    """The largest change of a row's answer by other rows."""
    index, filler = _rows(run, ROWS)
    plain = answer_of(run, inputs_at(run, index), len(index), settle)
    if plain is None:
        return None
    worst, kept_rows = 0.0, None
    for kept in _patterns(len(index)):
        replaced = torch.where(kept, index, filler)
        other = answer_of(run, inputs_at(run, replaced), len(index), settle)
        if other is None or other.shape != plain.shape:
            continue
        share = difference(plain[kept], other[kept])
        if share > max(worst, ROUNDING):
            worst, kept_rows = share, kept
    return None if kept_rows is None else Change(_place(run, settle, filler), worst)


def _rows(run: Run, most: int) -> tuple[Tensor, Tensor]:
    """Some training rows, and one of them that no other one is longer than."""
    generator = torch.Generator().manual_seed(mix(run.seed, "rows"))
    count = min(most, len(run.data.train) // 2 * 2)
    index = torch.randperm(len(run.data.train), generator=generator)[:count]
    shapes = _shapes(run, index)
    for row in index:
        # Batches with this row are padded as much as the batch of all of them.
        if _shapes(run, row[None]) == shapes:
            return index, row
    return index, index[0]


def _shapes(run: Run, index: Tensor) -> list[torch.Size]:
    """The shape of one row of each input."""
    return [tensor.shape[1:] for tensor in tensors_in(inputs_at(run, index)) if tensor.ndim > 1]


def _patterns(rows: int) -> list[Tensor]:
    """Which rows stay: either half, and either every other one."""
    number = torch.arange(rows)
    first, even = number < rows // 2, number % 2 == 0
    return [first, ~first, even, ~even]


def _place(run: Run, settle: Settle, filler: Tensor) -> str:
    """The module in which rows meet."""
    index, _ = _rows(run, SMALL)
    for kept in _patterns(len(index)):
        traces = []
        for rows in (index, torch.where(kept, index, filler)):
            trace = Trace(run.model, len(index))
            with torch.no_grad(), passing(run, settle), trace.recorded():
                answer(run, inputs_at(run, rows), len(index))
            traces.append(trace)
        place = first_difference(traces[0], traces[1], kept)
        if place is not None:
            return place
    return "model"


def _without_statistics(run: Run) -> Settle:
    """What puts all modules but those that normalize by the batch into training mode."""
    # A normalization of the author's own keeps what it has seen in buffers.
    by_statistics = set(_keepers(run))
    for module in nn.Module.modules(run.model):
        name = type(module).__name__.lower()
        if "norm" in name or "dropout" in name:
            by_statistics.add(module)

    def settle(model: nn.Module) -> None:
        """Training mode without batch statistics."""
        for module in nn.Module.modules(model):
            module.training = module not in by_statistics

    return settle


@torch.no_grad()
def _keepers(run: Run) -> list[nn.Module]:
    """The modules whose buffers a pass in training mode changes."""
    index, _ = _rows(run, SMALL)
    with passing(run, lambda model: model.train()):
        before = {}
        for module in nn.Module.modules(run.model):
            before[module] = [
                buffer.clone() for buffer in module._buffers.values() if buffer is not None
            ]
        answer(run, inputs_at(run, index), len(index))
        changed = []
        for module, buffers in before.items():
            now = [buffer for buffer in module._buffers.values() if buffer is not None]
            if len(now) != len(buffers) or not all(map(torch.equal, buffers, now)):
                changed.append(module)
    return changed


def randomness(run: Run) -> Change | None:
    """How two evaluations of the same rows differ, or None where they do not."""
    index, _ = _rows(run, ROWS)
    inputs = inputs_at(run, index)
    answers = [answer_of(run, inputs, len(index), seed=seed) for seed in (0, 1, 0)]
    first = answers[0]
    if first is None:
        return None
    shares = [difference(first, other) for other in answers[1:] if other is not None]
    worst = max(shares, default=0.0)
    if not worst > ROUNDING:
        return None

    # Every module's values show where the passes part.
    traces = []
    for seed in (0, 1):
        trace = Trace(run.model, len(index))
        with torch.no_grad(), passing(run, seed=seed), trace.recorded():
            answer(run, inputs, len(index))
        traces.append(trace)
    everywhere = torch.ones(len(index), dtype=torch.bool)
    return Change(first_difference(traces[0], traces[1], everywhere) or "model", worst)
