"""A training in double precision, where rounding takes no part in what two models compute."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from advisor.nested import mapped
from advisor.training.run import Run


def make_precise(run: Run, begin: Mapping[str, Tensor]) -> None:
    """Let a run be trained in double precision.

    Arguments:
        run: the model with its data and loss, before it is trained.
        begin: values that its parameters begin with instead of their own draws, by name.
    """
    own = dict(nn.Module.named_parameters(run.model))
    with torch.no_grad():
        for name, value in begin.items():
            own[name].copy_(value)
    run.model.double()
    run.model.register_forward_pre_hook(_doubled_inputs, with_kwargs=True)

    # What the model makes while it runs, such as zeros, is as precise; the settings of the process
    # are put back after the job.
    torch.set_default_dtype(torch.float64)
    single = run.loss

    def loss(output: Any, target: Tensor) -> Tensor:
        """The run's own loss, for targets of the output's precision."""
        return single(output, _doubled(target))

    run.loss = loss


def _doubled_inputs(_: nn.Module, args: Any, kwargs: Any) -> tuple[Any, Any]:
    """The inputs of a model in double precision."""
    return mapped(_doubled, args), {name: mapped(_doubled, each) for name, each in kwargs.items()}


def _doubled(tensor: Tensor) -> Tensor:
    return tensor.double() if tensor.is_floating_point() else tensor
