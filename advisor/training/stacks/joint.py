"""The optimizer steps of several runs, each as it is alone, in few calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.optim.adamw import adamw as adamw_step

from advisor.training.stepping import Stepping

SETTINGS = ("weight_decay", "eps", "maximize", "betas")
"""What two groups have in common to make one call, beside their rate."""


@dataclass
class Gathered:
    """A group of one optimizer that has made its first step."""

    stepping: Stepping
    group: dict[str, Any]
    parameters: list[Tensor]
    states: tuple[list[Tensor], ...]

    def key(self) -> tuple[Any, ...]:
        """What it has in common with others."""
        group = self.group
        return (group["lr"] * self.stepping.factor, *(group[each] for each in SETTINGS))


class JointSteps:
    """Moves the parameters of several runs.

    Where all have torch's fused AdamW, their parameters are moved in one call for each rate, which
    gives each parameter the numbers of its own optimizer; the states stay in these. Any other
    optimizer makes its own step.

    Attributes:
        is_joint: whether it is one call.
    """

    def __init__(self, steppings: Sequence[Stepping]) -> None:
        self._steppings = steppings
        self.is_joint = all(is_fused_adamw(each.optimizer) for each in steppings)
        self._groups: list[Gathered] = []

    def take(self, epoch: int) -> None:
        """One step of each run, with its clipping and its schedule."""
        if not self._groups:
            for stepping in self._steppings:
                stepping.step(epoch)
            if self.is_joint:
                self._groups = gathered_groups(self._steppings)
            return
        for stepping in self._steppings:
            stepping.clip()
        self._move()
        for stepping in self._steppings:
            stepping.moved(epoch)

    def _move(self) -> None:
        calls: dict[tuple[Any, ...], list[Gathered]] = {}
        for each in self._groups:
            calls.setdefault(each.key(), []).append(each)
        for (lr, *settings), groups in calls.items():
            move(groups, lr, dict(zip(SETTINGS, settings, strict=True)))


@torch.no_grad()
def move(groups: Sequence[Gathered], lr: float, settings: dict[str, Any]) -> None:
    """One call of AdamW for the parameters of several groups."""
    parameters = [each for group in groups for each in group.parameters]
    averages, squares, steps = (
        [each for group in groups for each in group.states[place]] for place in range(3)
    )
    beta1, beta2 = settings.pop("betas")
    adamw_step(
        parameters,
        [each.grad for each in parameters],  # type: ignore[misc]  # those that have none are out
        averages,
        squares,
        [],
        steps,
        fused=True,
        amsgrad=False,
        beta1=beta1,
        beta2=beta2,
        lr=lr,
        **settings,
    )


def gathered_groups(steppings: Sequence[Stepping]) -> list[Gathered]:
    """The groups of optimizers that have made their first step."""
    found = []
    for stepping in steppings:
        optimizer = stepping.optimizer
        for group in optimizer.param_groups:
            moved = [each for each in group["params"] if each.grad is not None]
            states = [optimizer.state[each] for each in moved]
            names = ("exp_avg", "exp_avg_sq", "step")
            parts = tuple([state[name] for state in states] for name in names)
            found.append(Gathered(stepping, group, moved, parts))
    return found


def is_fused_adamw(optimizer: torch.optim.Optimizer) -> bool:
    """Whether an optimizer is torch's own AdamW in its fused form, which nobody listens to."""
    hooks = (optimizer._optimizer_step_pre_hooks, optimizer._optimizer_step_post_hooks)
    if type(optimizer) is not torch.optim.AdamW or any(hooks):
        return False
    return all(
        group["fused"] and not group["amsgrad"] and not group["capturable"]
        for group in optimizer.param_groups
    )
