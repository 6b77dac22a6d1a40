"""The weight of a layer wherever it is held: in one parameter, or computed from others that can be
set to give it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.weight_norm import WeightNorm

from advisor.model import Layer

_GATES = re.compile(r"weight_(ih|hh|hr)(_l\d+(_reverse)?)?$")


def sources(layer: Layer) -> dict[str, Tensor]:
    """The parameters that a layer's weights are, or are computed from, by name; biases are not
    among them.
    """
    found = dict(nn.Module.named_parameters(layer.module, recurse=False))
    for name, module in getattr(layer.module, "parametrizations", {}).items():
        found |= {
            f"{name}.{key}": parameter for key, parameter in nn.Module.named_parameters(module)
        }
    return {name: parameter for name, parameter in found.items() if "bias" not in name}


def refusal(layer: Layer) -> str | None:
    """Why a layer's weight cannot be set, or None."""
    if parametrize.is_parametrized(layer.module):
        return (
            None
            if _settable(layer)
            else f"its weight is computed ({', '.join(_computed_by(layer.module))})"
        )
    if any(name.endswith("_orig") for name in sources(layer)):
        return "its weight is computed (spectral norm or pruning)"
    if layer.kind == "rnn" and not all(_GATES.match(name) for name in sources(layer)):
        return "its weights are computed"
    if layer.kind in ("rnn", "attention") or isinstance(
        getattr(layer.module, "weight", None), nn.Parameter
    ):
        return None
    return None if _norm_hook(layer.module) is not None else "it has no weight of its own"


def weight_of(layer: Layer) -> Tensor:
    """The weight of a layer of one matrix, (out, in, *kernel) or as its class stores it, only to be
    read.
    """
    hook = _norm_hook(layer.module)
    with torch.no_grad():
        weight = layer.module.weight if hook is None else hook.compute_weight(layer.module)
    assert isinstance(weight, Tensor)
    return weight.detach()


@contextmanager
def editing(layer: Layer) -> Iterator[Tensor]:
    """The weight of a layer of one matrix, to be changed in place inside; what it is computed from
    follows.
    """
    module, weight = layer.module, weight_of(layer)
    if isinstance(module.weight, nn.Parameter) and not parametrize.is_parametrized(module):
        yield weight
        return
    weight = weight.clone()
    yield weight
    with torch.no_grad():
        _set(module, weight)


def _set(module: nn.Module, weight: Tensor) -> None:
    hook = _norm_hook(module)
    if hook is None:
        module.weight = weight  # the parametrization finds what gives it
        return
    module.weight_v.copy_(weight)  # type: ignore[operator]  # a parameter: the hook made it
    module.weight_g.copy_(torch.norm_except_dim(weight, 2, hook.dim))  # type: ignore[operator]
    module.weight = hook.compute_weight(module)


def _norm_hook(module: nn.Module) -> WeightNorm | None:
    hooks = module._forward_pre_hooks.values()
    return next(
        (hook for hook in hooks if isinstance(hook, WeightNorm) and hook.name == "weight"), None
    )


def _computed_by(module: nn.Module) -> list[str]:
    parametrizations = (part for parts in module.parametrizations.values() for part in parts)  # type: ignore[operator]
    return list(dict.fromkeys(type(part).__name__.strip("_") for part in parametrizations))


def _settable(layer: Layer) -> bool:
    """Whether a parametrized weight takes any value: another one is set, read, and what was there
    is put back.
    """
    module = layer.module
    if layer.kind in ("rnn", "attention") or not parametrize.is_parametrized(module, "weight"):
        return False
    kept = {parameter: parameter.detach().clone() for parameter in module.parameters()}
    buffers = {buffer: buffer.clone() for buffer in module.buffers()}
    with torch.no_grad():
        try:
            wanted = weight_of(layer).flip(0) * 1.7
            _set(module, wanted)
            return bool(torch.allclose(weight_of(layer), wanted, rtol=1e-3, atol=1e-6))
        except (
            Exception
        ):  # a parametrization of anybody's, which cannot be inverted or says so in its own way
            return False
        finally:
            for tensor, value in (*kept.items(), *buffers.items()):
                tensor.copy_(value)
