"""Hand-written linear layers, recognized by what they compute rather than by their class."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from advisor.model.probing import probing


def storage(module: nn.Module) -> str | None:
    """How the weight lies in a module that computes `x W + b` and nothing else: `in, out` or `out,
    in`; None for any other.

    The module is tried on random rows; random states move.
    """
    if isinstance(module, (torch.jit.ScriptModule, nn.Linear, nn.Bilinear)):
        return None

    # It has a matrix, perhaps a bias, and no other parameters or modules.
    own = dict(nn.Module.named_parameters(module, recurse=False))
    weight, bias = own.get("weight"), own.get("bias")
    if weight is None or set(own) - {"weight", "bias"} or module._modules:
        return None
    if is_lazy(weight) or weight.ndim != 2 or not weight.is_floating_point():
        return None

    if _computes(module, weight.detach(), bias):
        return "in, out"
    return "out, in" if _computes(module, weight.detach().T, bias) else None


def _computes(module: nn.Module, matrix: Tensor, bias: Tensor | None) -> bool:
    """Whether a module computes `x @ matrix + bias`."""
    rows = torch.randn(3, len(matrix), device=matrix.device).to(matrix.dtype)
    try:
        with torch.no_grad(), probing([module]):
            result = module.forward(rows)
    except Exception:  # it wants something other than rows of numbers, in whatever way it says so
        return False
    expected = rows @ matrix if bias is None else rows @ matrix + bias.detach()
    if not isinstance(result, Tensor) or result.shape != expected.shape:
        return False
    return bool(torch.allclose(result, expected, rtol=1e-3, atol=1e-5))
