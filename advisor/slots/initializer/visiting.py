"""The hook by which a rule changes layers by their outputs, while the model runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from advisor.model import Layer

Again = Callable[[float | None], Tensor]
"""Computes a layer's output again, once its weight has been multiplied by a factor or (with None)
changed in another way.
"""
Visit = Callable[[Layer, Tensor, Again], Tensor | None]
"""Called with a layer, its output, and a function that computes the output again. What it returns
takes the output's place.
"""


def visiting_hook(layer: Layer, visit: Visit) -> Callable[..., Tensor | None]:
    """A forward hook that calls `visit` until it has changed the layer's output once."""
    changed_once = False

    def hook(module: nn.Module, args: Any, kwargs: Any, output: Any) -> Tensor | None:
        """Visit the layer; what is returned takes the output's place."""
        nonlocal changed_once
        if changed_once or not isinstance(output, Tensor):
            return None

        def again(factor: float | None) -> Tensor:
            """The output with the weight as it is now, by a product where that is the same."""
            if factor is not None and is_multiple_of_weight(module):
                return output * factor
            return computed_again(module, args, kwargs)

        changed = visit(layer, output, again)
        changed_once = changed is not None
        return changed

    return hook


def computed_again(module: nn.Module, args: Any, kwargs: Any) -> Tensor:
    """A layer's output on the same inputs, without the hooks that follow it."""
    # The older weight normalization of torch computes the weight in a hook before.
    for hook in module._forward_pre_hooks.values():
        hook(module, args)
    output: Tensor = module.forward(*args, **kwargs)
    return output


def is_multiple_of_weight(module: nn.Module) -> bool:
    """Whether a layer's output surely is a multiple of its weight, so that it need not be computed
    again.
    """
    # A class that is derived from one of these may compute anything, and hooks may change it.
    plain = {kind.forward for kind in (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)}
    if type(module).forward not in plain or module._forward_pre_hooks:
        return False
    bias = module._parameters.get("bias")
    return bias is None or not bool(bias.any())
