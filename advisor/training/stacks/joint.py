"""The optimizer steps of several runs, each as it is alone, in few calls."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from advisor.training.eager import AdamW
from advisor.training.stacks.bank import Bank
from advisor.training.stepping import Stepping

SETTINGS = ("weight_decay", "eps", "maximize", "betas")
"""What two groups have in common to make one call, beside their rate."""
LANES = 16
"""Numbers that torch moves at a time; what is left over at the end of a tensor is moved one by one,
with another rounding.
"""
AVERAGES = ("exp_avg", "exp_avg_sq")
"""What AdamW keeps of each number."""


@dataclass
class Moved:
    """A tensor that AdamW moves.

    Attributes:
        tensor: a parameter, or a stack of those of all runs.
        averages: of its gradients and their squares.
        step: how often it was moved; one tensor for all that were moved as often.
        states: of the parameters in it, in their optimizers.
        is_stack: whether it is a stack.
    """

    tensor: Tensor
    averages: tuple[Tensor, Tensor]
    step: Tensor
    states: Sequence[dict[str, Any]]
    is_stack: bool = False

    def hand_back(self) -> None:
        """Give the optimizers states of their own."""
        for state in self.states:
            state["step"] = self.step.clone()
            for name in AVERAGES if self.is_stack else ():
                state[name] = state[name].clone()

    @cached_property
    def parts(self) -> list[tuple[Tensor, Tensor, Tensor]]:
        """The tensor and its averages, those of each share."""
        mean, square = self.averages
        each = (self.tensor.detach().unbind(), mean.unbind(), square.unbind())
        return list(zip(*each, strict=True))


class AdamWCall:
    """What is moved in one call: whole tensors, and shares of stacks.

    Arguments:
        settings: rate and settings of all.
        moved: the tensors, each with the place of its share; None for all of it.
    """

    def __init__(
        self, settings: tuple[Any, ...], moved: Sequence[tuple[Moved, int | None]]
    ) -> None:
        self.moved = moved
        self.lr, self.settings = settings[0], dict(zip(SETTINGS, settings[1:], strict=True))
        self.betas = self.settings.pop("betas")
        tensors = [
            (each.tensor.detach(), *each.averages) if place is None else each.parts[place]
            for each, place in moved
        ]
        self.tensors, self.means, self.squares = (list(each) for each in zip(*tensors, strict=True))
        self.steps = [each.step for each, _ in moved]

    @torch.no_grad()
    def make(self, gradients: Mapping[int, Sequence[Tensor]]) -> None:
        """Move them.

        Arguments:
            gradients: of the shares of stacks, by the identity of what is moved.
        """
        own: list[Any] = [
            each.tensor.grad if place is None else gradients[id(each)][place]
            for each, place in self.moved
        ]
        torch._fused_adamw_(
            self.tensors,
            own,
            self.means,
            self.squares,
            [],
            self.steps,
            lr=self.lr,
            beta1=self.betas[0],
            beta2=self.betas[1],
            amsgrad=False,
            **self.settings,
        )


class JointSteps:
    """Moves the parameters of several runs.

    Where all have torch's fused AdamW, their parameters are moved in one call for each rate, which
    gives each parameter the numbers of its own optimizer; the states stay in these. Any other
    optimizer makes its own step.

    Arguments:
        steppings: of the runs.
        bank: has their stacked parameters.
    """

    def __init__(self, steppings: Sequence[Stepping], bank: Bank) -> None:
        self._steppings, self._bank = steppings, bank
        self.is_joint = all(is_fused_adamw(each.optimizer) for each in steppings)
        self._clips = any(each.recipe.clips for each in steppings)
        # What is moved in each group; those of stacked parameters stand in that of the first run.
        self._moved: dict[tuple[int, int], list[Moved]] | None = None
        self._counts: dict[float, Tensor] = {}
        self._shared: list[Moved] = []
        self._apart: set[int] = set()
        self._calls: list[AdamWCall] | None = None
        self._has_schedule = any(each.scheduler is not None for each in steppings)

    def take(self, epoch: int) -> None:
        """One step of each run, with its clipping and its schedule."""
        if self._moved is None:
            self._hand_out()
            for stepping in self._steppings:
                stepping.step(epoch)
            if self.is_joint:
                self._moved = self._gathered()
            return
        self._hand_out(None if self._clips else self._apart)
        if self._clips:
            for stepping in self._steppings:
                stepping.clip()
        self._move()
        for stepping in self._steppings:
            stepping.moved(epoch)

    def _hand_out(self, keys: Collection[int] | None = None) -> None:
        """Give the models their gradients, where they have not those that are held."""
        if not self._bank.holds_gradients:
            self._bank.hand_out(keys)

    def end(self) -> None:
        """Leave each optimizer with a state of its own."""
        for moved in (self._moved or {}).values():
            for each in moved:
                each.hand_back()
        self._moved = None

    # --------------------------------------------------------------------------------------------

    def _gathered(self) -> dict[tuple[int, int], list[Moved]]:
        """What is moved, after the first step of each optimizer."""
        self._apart = set(self._bank.keys)
        found: dict[tuple[int, int], list[Moved]] = {}
        inside: set[int] = set()
        counts: dict[float, Tensor] = {}
        self._counts = counts
        for key, shares in self._bank.shares():
            groups = self._groups_of(shares)
            fits = len(shares) == 1 or shares[0].numel() % LANES == 0
            fits = fits and not self._clips
            if fits and len(groups) == 1 and None not in groups:
                moved = stacked(self._bank.whole(key), shares, self._steppings, counts)
                found.setdefault((0, groups.pop() or 0), []).append(moved)
                inside |= set(map(id, shares))
                self._apart.discard(key)
        for place, stepping in enumerate(self._steppings):
            for number, group in enumerate(stepping.optimizer.param_groups):
                left = (each for each in group["params"] if id(each) not in inside)
                found.setdefault((place, number), []).extend(own_moved(left, stepping, counts))
        return found

    def _groups_of(self, shares: Sequence[Tensor]) -> set[int | None]:
        """The numbers of the groups that have the parameters of the runs; None for no group."""
        return {
            number_of(each, stepping)
            for each, stepping in zip(shares, self._steppings, strict=True)
        }

    @torch.no_grad()
    def _move(self) -> None:
        if self._calls is None or self._has_schedule:
            self._calls = list(self._called())
        for count in self._counts.values():
            count += 1
        gradients = {}
        for each in self._shared:
            if each.tensor.grad is not None:
                gradients[id(each)] = each.tensor.grad.unbind()
        for call in self._calls:
            call.make(gradients)

    def _called(self) -> Iterator[AdamWCall]:
        """What is moved in each call, by rate and settings."""
        keys = [keys_of(each) for each in self._steppings]
        # Runs have rates of their own, or schedules move them apart.
        is_whole = all(own == keys[0] for own in keys)
        self._shared = []
        calls: dict[tuple[Any, ...], list[tuple[Moved, int | None]]] = {}
        for (place, number), moved in (self._moved or {}).items():
            for each in moved:
                if each.is_stack and not is_whole:
                    self._shared.append(each)
                    for copy, own in enumerate(keys):
                        calls.setdefault(own[number], []).append((each, copy))
                else:
                    calls.setdefault(keys[place][number], []).append((each, None))
        for settings, own in calls.items():
            yield AdamWCall(settings, own)


def keys_of(stepping: Stepping) -> list[tuple[Any, ...]]:
    """What each group of an optimizer has in common with those that are moved in the same call."""
    return [key_of(stepping, group) for group in stepping.optimizer.param_groups]


def key_of(stepping: Stepping, group: dict[str, Any]) -> tuple[Any, ...]:
    """What a group has in common with those that are moved in the same call: rate and settings."""
    return (group["lr"] * stepping.factor, *(group[each] for each in SETTINGS))


def number_of(parameter: Tensor, stepping: Stepping) -> int | None:
    """The number of the group that has moved a parameter; None where there is none."""
    for number, group in enumerate(stepping.optimizer.param_groups):
        if any(each is parameter for each in group["params"]):
            return number if stepping.optimizer.state.get(parameter) else None
    return None


def counted(state: dict[str, Any], counts: dict[float, Tensor]) -> Tensor:
    """How often a parameter was moved, which is one tensor for all that were moved as often."""
    return counts.setdefault(float(state["step"]), state["step"].clone())


def own_moved(
    parameters: Iterator[Tensor], stepping: Stepping, counts: dict[float, Tensor]
) -> Iterator[Moved]:
    """What an optimizer moves by itself."""
    for each in parameters:
        state = stepping.optimizer.state.get(each)
        if state:
            averages = (state["exp_avg"], state["exp_avg_sq"])
            yield Moved(each, averages, counted(state, counts), [state])


def stacked(
    whole: Tensor,
    shares: Sequence[Tensor],
    steppings: Sequence[Stepping],
    counts: dict[float, Tensor],
) -> Moved:
    """What is moved of a stacked parameter; the states of its shares become views of its own."""
    states = [each.optimizer.state[own] for each, own in zip(steppings, shares, strict=True)]
    averages = [torch.stack([state[name] for state in states]) for name in AVERAGES]
    for name, average in zip(AVERAGES, averages, strict=True):
        for state, view in zip(states, average, strict=True):
            state[name] = view
    step = counted(states[0], counts)
    return Moved(whole, (averages[0], averages[1]), step, states, is_stack=True)


def is_fused_adamw(optimizer: torch.optim.Optimizer) -> bool:
    """Whether an optimizer is a fused AdamW, torch's or ours, which nobody listens to."""
    hooks = (optimizer._optimizer_step_pre_hooks, optimizer._optimizer_step_post_hooks)
    if type(optimizer) not in (AdamW, torch.optim.AdamW) or any(hooks):
        return False
    return all(
        group["fused"] and not group["amsgrad"] and not group["capturable"]
        for group in optimizer.param_groups
    )
