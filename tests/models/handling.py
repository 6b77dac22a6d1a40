"""Building, running, swapping and comparing the example models."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from models.zoo import Case
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from advisor.model import SwapReport, swap, trace
from advisor.model.nested_values import named_tensors


class BaseCannot(Exception):
    """The unmodified model does not survive this either."""


class Scale(nn.Module):
    """A trained activation that no model uses."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x):
        return torch.asinh(self.scale * x)


class InverseSine(nn.Module):
    """One without parameters."""

    def forward(self, x):
        return torch.asinh(x)


def inverse_sine(x):
    return torch.asinh(x)


FREE: dict[str, Callable[[], Any]] = {  # activations without parameters
    "torch's function": lambda: torch.asinh,
    "function": lambda: inverse_sine,
    "module": InverseSine,
}


class Asinh(TorchDispatchMode):
    """Counts the kernels that no example runs by itself."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func is torch.ops.aten.asinh.default
        return func(*args, **(kwargs or {}))


def seed(number: int) -> None:
    torch.manual_seed(number)
    random.seed(number)
    np.random.seed(number)


def built(case: Case) -> nn.Module:
    seed(1)  # another than that of the inputs
    return case.build()


def swapped(
    case: Case, make: Callable[[], Any], verified: bool = False
) -> tuple[nn.Module, SwapReport]:
    model = built(case)
    return model, swap(
        model, trace(model, case.inputs), lambda _: make(), inputs=case.inputs if verified else None
    )


def traced(case: Case) -> nn.Module:
    """The unmodified model; a lazy layer has taken its shape."""
    model = built(case)
    trace(model, case.inputs)
    return model


def result(model: Callable[..., Any], case: Case) -> list[torch.Tensor]:
    """All floats that a model returns, wherever they are, under a fixed seed."""
    seed(3)
    return [
        tensor for _, tensor in named_tensors(model(*case.inputs), "") if tensor.is_floating_point()
    ]


def kernels(model: nn.Module, case: Case) -> int:
    with Asinh() as counter:
        result(model, case)
    return counter.count


def same(one: list[torch.Tensor], two: list[torch.Tensor]) -> bool:
    return len(one) == len(two) and all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


def close(one: list[torch.Tensor], two: list[torch.Tensor]) -> bool:
    return len(one) == len(two) and all(
        torch.allclose(a, b, 1e-4, 1e-5) for a, b in zip(one, two, strict=True)
    )


def gradients(model: nn.Module, case: Case) -> dict[str, torch.Tensor | None]:
    sum(tensor.square().sum() for tensor in result(model, case) if tensor.requires_grad).backward()
    return {name: parameter.grad for name, parameter in nn.Module.named_parameters(model)}


def either(action: Callable[[nn.Module], Any], base: nn.Module, model: nn.Module) -> Any:
    """What an action gives for the swapped model, which may fail where the unmodified one fails in
    the same way.
    """
    try:
        return action(model)
    except Exception as failure:
        try:
            action(base)
        except type(failure) as reason:
            raise BaseCannot(f"{type(reason).__name__}: {reason}") from reason
        raise


def of_base(action: Callable[[nn.Module], Any], base: nn.Module) -> Any:
    """What an action gives for the unmodified model."""
    try:
        return action(base)
    except Exception as reason:
        raise BaseCannot(f"{type(reason).__name__}: {reason}") from reason
