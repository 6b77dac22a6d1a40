"""A plugin: how much the rows of each class count in the loss, and a finding where one is rare."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

import advisor

RARE = 0.2
"""The share of rows below which a class is rare."""


def counts(run: advisor.Run) -> Tensor:
    """How many training rows each class has."""
    train = run.data.train
    return torch.bincount(train.take(torch.arange(len(train)))[1].long()).double()


class ClassLoss(advisor.Technique):
    """A loss that counts rare rows more, in one of three ways."""

    slot = "counting"

    def __init__(self, name: str, cite: str) -> None:
        self.name, self.cite = name, cite

    def finds(self, run: advisor.Run) -> Iterator[advisor.Finding]:
        share = float((counts(run) / counts(run).sum()).min())
        if share < RARE:
            yield advisor.Finding(
                kind="rare_class", place="data", number=share, threshold=RARE,
                source="King & Zeng 2001", slot=self.slot,
                sentence=f"The rarest class has {share:.1%} of the rows, each counted alike.",
            )  # fmt: skip

    def apply(self, run: advisor.Run) -> str:
        shares = (counts(run) / counts(run).sum()).float()
        if self.name == "prior":
            run.loss = lambda output, target: F.cross_entropy(output + shares.log(), target)
        else:
            power = {"balanced": 1.0, "root": 0.5}[self.name]
            weight = shares**-power
            run.loss = lambda output, target: F.cross_entropy(output, target, weight)
        return f"{self.name}, shares {shares.tolist()}"


@advisor.hookimpl
def slots() -> list[advisor.Slot]:
    return [advisor.Slot("counting", "how much the rows of each class count")]


@advisor.hookimpl
def techniques() -> list[advisor.Technique]:
    return [
        ClassLoss("balanced", "King & Zeng 2001"),
        ClassLoss("root", "Mahajan et al. 2018"),
        ClassLoss("prior", "Menon et al. 2021"),
    ]
