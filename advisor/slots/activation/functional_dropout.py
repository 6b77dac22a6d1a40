"""Dropout that a model calls as a function, where there is no module to replace."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.overrides import TorchFunctionMode

from advisor.model.preserve import untouched
from advisor.model.references import paths
from advisor.slots.forward import forward
from advisor.training.run import Run

REPLACEABLE = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
"""Torch's own modules; a class that is derived from one may do anything."""

# The positional arguments of torch's dropout functions, in their order.
_ARGUMENTS = ("input", "p", "training")
# A function is named as its module; with an underscore it works in place.
_PLAIN_NAMES = [kind.__name__.lower() for kind in REPLACEABLE]
_NAMES = {*_PLAIN_NAMES, *(f"{name}_" for name in _PLAIN_NAMES)}


class DropoutCalls(TorchFunctionMode):
    """While active, collects in `names` the dropout functions whose calls drop something."""

    def __init__(self) -> None:
        super().__init__()
        self.names: dict[str, None] = {}

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        name = str(getattr(func, "__name__", ""))
        if name in _NAMES:
            arguments = dict(zip(_ARGUMENTS, args, strict=False)) | kwargs
            # `torch.dropout` calls `train` what `F.dropout` calls `training`.
            in_training = arguments.get("training", arguments.get("train", True))
            if in_training and arguments.get("p", 0.5):
                self.names[name] = None
        return func(*args, **kwargs)


def called_dropouts(run: Run) -> list[str]:
    """The names of torch's dropout functions that the model calls in training other than by torch's
    own modules.
    """
    modules = [path.module for path in paths(run.model).values()]
    with untouched(run.model, modules), DropoutCalls() as calls:
        # In evaluation mode torch's modules drop nothing, so that only other calls are left.
        for module in modules:
            if type(module) in REPLACEABLE:
                module.training = False
        forward(run, run.example())
    return list(calls.names)
