"""The scores of several runs, whose outputs are computed together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from advisor.data.splits import TensorPart
from advisor.training.loop import predict
from advisor.training.stacks.computation import Computation
from advisor.training.stacks.layers import shares_of
from advisor.training.stacks.member import Member
from advisor.training.stacks.proof import all_near
from advisor.training.stacks.rows_of_copies import rows_of_all
from advisor.user_code import user_faults

Answer = tuple[Tensor, Tensor]
"""What the metric of a run reads for all rows that it is scored on, and their targets."""
WORTH = 3
"""Epochs from which on it is worth a proof, for which the first ones are computed both ways."""


class Scoring:
    """Computes what the metrics of the runs of a stack read.

    The first time each run is asked by itself, too. Where the two differ, such as where a model
    does something else when it is scored, each is asked by itself from then on.

    Arguments:
        program: computes the models.
        members: their runs, in the order of the program.
        epochs: how often they will be scored.
    """

    def __init__(self, program: Computation, members: Sequence[Member], epochs: int) -> None:
        self._program, self._members = program, members
        self._is_joint, self._is_proven = epochs >= WORTH and have_rows_alike(members), False

    def answers(self) -> Sequence[Answer | None]:
        """What the metric of each run reads now; None where a run is to be asked by itself."""
        nothing: list[Answer | None] = [None] * len(self._members)
        if not self._is_joint:
            return nothing
        try:
            found = self._together()
            if self._is_proven:
                return found
            alone = [predict(each.run, each.valid, each.settings.batch) for each in self._members]
        except user_faults():  # each run says for itself what it breaks on
            self._is_joint = False
            return nothing
        self._is_joint = self._is_proven = all_near(found, alone)
        return alone

    def _together(self) -> list[Answer]:
        self._program.begin_scoring()
        parts = list(zip(*self._batches(), strict=True))
        return [
            (torch.cat([a for a, _ in part]), torch.cat([t for _, t in part])) for part in parts
        ]

    @torch.no_grad()
    def _batches(self) -> Iterator[list[Answer]]:
        """The answers of all runs for a batch of rows."""
        members = self._members
        parts, first = [each.valid for each in members], members[0]
        size = max(first.settings.batch, first.run.scored_together // len(members))
        for index in torch.arange(len(first.valid)).split(size):
            inputs, targets = rows_of_all(parts, [index] * len(members))
            outputs = shares_of((self._program.outputs(inputs),), len(members))
            yield [
                (member.run.objective.answer(output, target).float().clone(), target)
                for member, (output,), target in zip(members, outputs, targets, strict=True)
            ]


def have_rows_alike(members: Sequence[Member]) -> bool:
    """Whether the rows on which runs are scored can be computed together."""
    first = members[0].valid
    return all(
        isinstance(each.valid, TensorPart)
        and isinstance(each.valid.inputs, tuple)
        and each.valid.target is not None
        and len(each.valid) == len(first)
        and not each.run.objective.noise
        for each in members
    )
