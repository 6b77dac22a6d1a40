"""What a training answers on the rows that measure it, after each of its last epochs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from advisor.data import Part
from advisor.randomness import preserved
from advisor.training.loop import predict, score_of
from advisor.training.metrics import row_scores
from advisor.training.row_values import RowValues
from advisor.training.run import Run


@dataclass
class Answering:
    """Takes the answers of a run, whenever it is told to.

    Attributes:
        run: that is trained meanwhile.
        parts: rows by what they are called; those without any are left out.
        batch: rows that are read at a time.
        blocks: the block of each row of the data, see `blocks_of`; None where only scores count.
    """

    run: Run
    parts: Mapping[str, Part]
    batch: int
    blocks: Tensor | None
    _numbers: dict[str, Tensor] = field(default_factory=dict)
    _added: dict[str, list[Tensor]] = field(default_factory=dict)
    _scores: dict[str, list[float]] = field(default_factory=dict)

    def take(self) -> None:
        """Take what the model answers now. Raises `StoppedEarly` where that is not finite."""
        metric = self.run.objective.metric
        for name, part in self.parts.items():
            if not len(part):
                continue
            output, target = predict(self.run, part, self.batch)
            self._scores.setdefault(name, []).append(score_of(self.run, output, target))
            if self.blocks is None:
                continue
            if name not in self._numbers:
                self._numbers[name] = numbers_of(part, self.batch)
            blocks = self.blocks[self._numbers[name]]
            self._added.setdefault(name, []).append(row_scores(metric, output, target, blocks))

    def anew(self) -> Answering:
        """One that has taken nothing yet."""
        return Answering(self.run, self.parts, self.batch, self.blocks)

    def mean_score(self, name: str) -> float:
        """The metric of the rows that are called so, averaged over what was taken."""
        scores = self._scores[name]
        return sum(scores) / len(scores)

    def row_values(self) -> dict[str, RowValues]:
        """What each row adds to the score, by what the rows are called."""
        values = {}
        for name, added in self._added.items():
            rows, order = self._numbers[name].sort()
            mean = torch.stack(added).double().mean(0)
            values[name] = RowValues(rows.numpy(), mean[order].numpy())
        return values


def numbers_of(part: Part, batch: int) -> Tensor:
    """The numbers of a part's rows, in the order in which batches of `batch` rows are taken."""
    with preserved():
        order = [part.order(index) for index in torch.arange(len(part)).split(batch)]
    at = torch.cat(order)
    return at if part.rows is None else part.rows[at]
