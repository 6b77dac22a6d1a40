"""Optimizers of torch without what only its compiler needs.

The first optimizer of a process, and the first step of one, import that compiler (`torch._dynamo`)
to tell it what it is not to compile: more than a second, and nothing of it is used where a training
is not compiled. The optimizers here compute what torch's compute, by the same code.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch


def without_compiler(method: Callable[..., Any]) -> Any:
    """A method of an optimizer as it stands in torch's source, without what was put around it."""
    return inspect.unwrap(method)


def step_without_compiler(kind: type[torch.optim.Optimizer]) -> Any:
    """The step of a class of optimizers; no gradient flows through it."""
    return torch.no_grad()(without_compiler(kind.step))


class EagerOptimizer(torch.optim.Optimizer):
    """What all optimizers have in common, without the compiler. Stands before a class of torch's,
    from which a subclass has the rest.
    """

    add_param_group = without_compiler(torch.optim.Optimizer.add_param_group)
    zero_grad = without_compiler(torch.optim.Optimizer.zero_grad)
    state_dict = without_compiler(torch.optim.Optimizer.state_dict)
    load_state_dict = without_compiler(torch.optim.Optimizer.load_state_dict)


class AdamW(EagerOptimizer, torch.optim.AdamW):
    """AdamW (Loshchilov & Hutter 2019)."""

    step = step_without_compiler(torch.optim.AdamW)


class Adam(EagerOptimizer, torch.optim.Adam):
    """Adam (Kingma & Ba 2015)."""

    step = step_without_compiler(torch.optim.Adam)


class SGD(EagerOptimizer, torch.optim.SGD):
    """Gradient descent, with momentum where that is given."""

    step = step_without_compiler(torch.optim.SGD)
