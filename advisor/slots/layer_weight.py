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

# The weights of a recurrent module: from the input, from the state, and of an LSTM's projection.
_GATES = re.compile(r"weight_(ih|hh|hr)(_l\d+(_reverse)?)?$")


def sources(layer: Layer) -> dict[str, Tensor]:
    """The parameters that a layer's weights are, or are computed from, by name; biases are not
    among them.
    """
    parameters: dict[str, Tensor] = dict(nn.Module.named_parameters(layer.module, recurse=False))
    for name, module in getattr(layer.module, "parametrizations", {}).items():
        for key, parameter in nn.Module.named_parameters(module):
            parameters[f"{name}.{key}"] = parameter
    return {name: parameter for name, parameter in parameters.items() if "bias" not in name}


def frozen(layer: Layer) -> bool:
    """Whether a layer has no trainable weight."""
    return not any(parameter.requires_grad for parameter in sources(layer).values())


def refusal(layer: Layer) -> str | None:
    """Why a layer's weight cannot be set, or None."""
    module = layer.module
    if parametrize.is_parametrized(module):
        if takes_any_weight(layer):
            return None
        return f"its weight is computed ({', '.join(_parametrization_names(module))})"

    # The older spectral norm and pruning keep the weight that they start from as `weight_orig`.
    names = sources(layer)
    if any(name.endswith("_orig") for name in names):
        return "its weight is computed (spectral norm or pruning)"
    if layer.kind == "rnn" and not all(_GATES.match(name) for name in names):
        return "its weights are computed"

    if layer.kind in ("rnn", "attention"):
        return None
    has_weight = isinstance(getattr(module, "weight", None), nn.Parameter)
    if has_weight or _weight_norm(module) is not None:
        return None
    return "it has no weight of its own"


def weight_of(layer: Layer) -> Tensor:
    """The weight of a layer of one matrix, (out, in, *kernel) or as its class stores it, only to be
    read.
    """
    norm = _weight_norm(layer.module)
    with torch.no_grad():
        weight = layer.module.weight if norm is None else norm.compute_weight(layer.module)
    assert isinstance(weight, Tensor)
    return weight.detach()


@contextmanager
def editing(layer: Layer) -> Iterator[Tensor]:
    """The weight of a layer of one matrix, to be changed in place inside; what it is computed from
    follows.
    """
    module = layer.module
    weight = weight_of(layer)
    is_plain = isinstance(module.weight, nn.Parameter) and not parametrize.is_parametrized(module)
    if is_plain:
        yield weight
        return
    # A computed weight is edited as a copy, and then set through what computes it.
    weight = weight.clone()
    yield weight
    with torch.no_grad():
        _set(module, weight)


def _set(module: nn.Module, weight: Tensor) -> None:
    norm = _weight_norm(module)
    if norm is None:
        # The setter of a parametrized attribute inverts the parametrization.
        module.weight = weight
        return
    # Weight normalization is g · v / |v|: with v the weight and g its norm it gives the weight.
    norms = torch.norm_except_dim(weight, 2, norm.dim)
    module.weight_v.copy_(weight)  # type: ignore[operator]  # a parameter: the hook made it
    module.weight_g.copy_(norms)  # type: ignore[operator]  # a parameter: the hook made it
    module.weight = norm.compute_weight(module)


def _weight_norm(module: nn.Module) -> WeightNorm | None:
    """The older weight normalization of torch, which is a hook of the module."""
    for hook in module._forward_pre_hooks.values():
        if isinstance(hook, WeightNorm) and hook.name == "weight":
            return hook
    return None


def _parametrization_names(module: nn.Module) -> list[str]:
    names: dict[str, None] = {}
    by_parameter = module.parametrizations.values()  # type: ignore[operator]  # a dict of modules
    for parametrizations in by_parameter:
        for parametrization in parametrizations:
            names[type(parametrization).__name__.strip("_")] = None
    return list(names)


def takes_any_weight(layer: Layer) -> bool:
    """Whether a parametrized weight takes any value: one of another size with rows in another order
    is set and read, and what was there is put back.
    """
    module = layer.module
    if layer.kind in ("rnn", "attention") or not parametrize.is_parametrized(module, "weight"):
        return False
    tensors = [*module.parameters(), *module.buffers()]
    before = [tensor.detach().clone() for tensor in tensors]
    with torch.no_grad():
        try:
            trial = weight_of(layer).flip(0) * 1.7
            _set(module, trial)
            return bool(torch.allclose(weight_of(layer), trial, rtol=1e-3, atol=1e-6))
        except Exception:  # whatever anybody's parametrization raises where it has no inverse
            return False
        finally:
            for tensor, value in zip(tensors, before, strict=True):
                tensor.copy_(value)
