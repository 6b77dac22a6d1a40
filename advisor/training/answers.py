"""What a training answers on the rows that measure it, after each of its last epochs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from advisor.data import Part
from advisor.randomness import preserved
from advisor.training.loop import predict, score_of
from advisor.training.run import Run


@dataclass(frozen=True, eq=False)
class Answers:
    """What the metric reads of some rows.

    Attributes:
        outputs: after each of the last epochs `(N, …)`.
        target: of the rows `(N, …)`.
        rows: their numbers among all rows of the data; int64 `(N,)`.
    """

    outputs: list[Tensor]
    target: Tensor
    rows: Tensor

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Answers:
        """The answers of a mapping that `vars` gave."""
        return cls(plain["outputs"], plain["target"], plain["rows"])


@dataclass
class Answering:
    """Takes the answers of a run, whenever it is told to.

    Attributes:
        run: that is trained meanwhile.
        parts: rows by what they are called; those without any are left out.
        batch: rows that are read at a time.
    """

    run: Run
    parts: Mapping[str, Part]
    batch: int
    _taken: dict[str, Answers] = field(default_factory=dict)
    _scores: dict[str, list[float]] = field(default_factory=dict)

    def take(self) -> None:
        """Take what the model answers now. Raises `StoppedEarly` where that is not finite."""
        for name, part in self.parts.items():
            if not len(part):
                continue
            output, target = predict(self.run, part, self.batch)
            if name not in self._taken:
                self._taken[name] = Answers([], target, numbers_of(part, self.batch))
            self._taken[name].outputs.append(output)
            self._scores.setdefault(name, []).append(score_of(self.run, output, target))

    def mean_score(self, name: str) -> float:
        """The metric of the rows that are called so, averaged over what was taken."""
        scores = self._scores[name]
        return sum(scores) / len(scores)

    def plain(self) -> dict[str, dict[str, Any]]:
        """All answers as a mapping, for a file."""
        return {name: vars(answers) for name, answers in self._taken.items()}


def numbers_of(part: Part, batch: int) -> Tensor:
    """The numbers of a part's rows, in the order in which batches of `batch` rows are taken."""
    with preserved():
        order = [part.order(index) for index in torch.arange(len(part)).split(batch)]
    at = torch.cat(order)
    return at if part.rows is None else part.rows[at]
