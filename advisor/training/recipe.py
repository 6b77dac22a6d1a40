"""How a run is trained unless a technique or the user says otherwise: AdamW, and its groups."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from advisor.training.run import Run

FUSED_DEVICES = ("cpu", "cuda")
"""Kinds of devices for which torch has AdamW as one fused operation."""


def adamw(groups: Any, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    """AdamW (Loshchilov & Hutter 2019), fused where torch can: every arm's, unless a slot changes
    it.
    """
    # Torch refuses it unless all parameters are real numbers on such a device.
    fused = True
    for group in groups:
        for parameter in group["params"]:
            on_fused_device = parameter.device.type in FUSED_DEVICES
            fused = fused and on_fused_device and parameter.is_floating_point()
    return torch.optim.AdamW(groups, lr=lr, weight_decay=weight_decay, fused=fused)


def parameter_groups(run: Run) -> list[dict[str, Any]]:
    """The parameters to train in up to two groups: with weight decay, and without.

    Vectors such as biases and gains, and the parameters in `run.undecayed`, get no weight decay.
    Parameters that `run.later` freezes for a while are in a group from the beginning.
    """
    undecayed = {id(parameter) for parameter in run.undecayed}
    later = {id(parameter) for parameter, _ in run.later}
    decayed: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    # A user's model may have an attribute that is called `parameters`, so the class is asked.
    for parameter in nn.Module.parameters(run.model):
        if not parameter.requires_grad and id(parameter) not in later:
            continue
        if parameter.ndim >= 2 and id(parameter) not in undecayed:
            decayed.append(parameter)
        else:
            free.append(parameter)
    # An optimizer refuses a group without parameters.
    groups: list[dict[str, Any]] = [{"params": decayed}, {"params": free, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]
