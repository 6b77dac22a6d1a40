"""Muon: momentum whose matrices are made orthogonal, and AdamW for what is no hidden matrix."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the polynomial that moves singular values towards 1 (Jordan et al. 2024)."""
ROUNDS = 5
"""Times that it is applied."""


def orthogonalized(matrix: Tensor, rounds: int = ROUNDS) -> Tensor:
    """A matrix with the same singular vectors whose singular values lie near 1, from about 0.7 to
    1.2, by Newton-Schulz iterations.

    Arguments:
        matrix: of any two sizes.
        rounds: iterations.
    """
    a, b, c = COEFFICIENTS
    is_tall = matrix.shape[0] > matrix.shape[1]
    found: Tensor = matrix.mT if is_tall else matrix
    # The polynomial moves what lies between 0 and 1.
    found = found / found.norm().clamp_min(1e-7)
    for _ in range(rounds):
        square = found @ found.mT
        found = a * found + (b * square + c * square @ square) @ found
    return found.mT if is_tall else found


class Muon(torch.optim.Optimizer):
    """Muon for the groups that say `orthogonal`, AdamW for all others, at one learning rate.

    Each orthogonal step has the size of one of AdamW: 0.2 √max(rows, columns) times the matrix of
    singular values near 1 (Liu et al. 2025). Kernels count as matrices with a row for each filter.

    Arguments:
        groups: of parameters.
        lr: learning rate.
        weight_decay: decoupled, of groups that name none.
        momentum: of the orthogonal groups.
        betas: of the others.
    """

    def __init__(
        self,
        groups: Iterable[Any],
        lr: float,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        defaults = {"lr": lr, "weight_decay": weight_decay, "momentum": momentum}
        super().__init__(groups, {**defaults, "betas": betas, "orthogonal": False})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]  # torch's is overloaded
        """One step of all groups; returns what the closure does."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            move = self._move_matrix if group["orthogonal"] else self._move_like_adamw
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    move(parameter, parameter.grad, self.state[parameter], group)
        return loss

    @staticmethod
    def _move_matrix(
        parameter: Tensor, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        momentum = group["momentum"]
        mean = state.setdefault("momentum_buffer", torch.zeros_like(gradient))
        mean.lerp_(gradient, 1 - momentum)
        ahead = gradient.lerp(mean, momentum).flatten(1)
        size = 0.2 * math.sqrt(max(ahead.shape))
        step = orthogonalized(ahead).reshape(parameter.shape)
        parameter.add_(step, alpha=-group["lr"] * size)

    @staticmethod
    def _move_like_adamw(
        parameter: Tensor, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        first, second = group["betas"]
        if not state:
            state["step"] = torch.zeros(())
            state["exp_avg"] = torch.zeros_like(gradient)
            state["exp_avg_sq"] = torch.zeros_like(gradient)
        state["step"] += 1
        count = float(state["step"])
        mean, square = state["exp_avg"], state["exp_avg_sq"]
        mean.lerp_(gradient, 1 - first)
        square.mul_(second).addcmul_(gradient, gradient, value=1 - second)
        spread = (square / (1 - second**count)).sqrt_().add_(1e-8)
        parameter.addcdiv_(mean, spread, value=-group["lr"] / (1 - first**count))


def muon(
    groups: Any,
    lr: float,
    weight_decay: float,
    hidden: tuple[str, ...] = (),
    momentum: float = 0.95,
    model: nn.Module | None = None,
) -> Muon:
    """Muon for the parameters of these names, AdamW for the rest.

    `model` has the names; None for that of the groups.
    """
    named = dict(nn.Module.named_parameters(groups.model if model is None else model))
    matrices = {id(named[name]) for name in hidden if name in named}
    split = []
    for group in groups:
        settings = {key: value for key, value in group.items() if key != "params"}
        inside = [each for each in group["params"] if id(each) in matrices]
        rest = [each for each in group["params"] if id(each) not in matrices]
        split += [{**settings, "params": inside, "orthogonal": True}] if inside else []
        split += [{**settings, "params": rest}] if rest else []
    return Muon(split, lr, weight_decay, momentum)
