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
_ARGUMENTS = ("input", "p", "training")
_NAMES = frozenset(
    name for kind in REPLACEABLE for name in (kind.__name__.lower(), kind.__name__.lower() + "_")
)


class _Watch(TorchFunctionMode):
    """Counts the calls that drop something."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, None] = {}

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        name = str(getattr(func, "__name__", ""))
        given = dict(zip(_ARGUMENTS, args, strict=False)) | (kwargs or {})
        if (
            name in _NAMES
            and given.get("training", given.get("train", True))
            and given.get("p", 0.5)
        ):
            self.found[name] = None
        return func(*args, **(kwargs or {}))


def called_dropouts(run: Run) -> list[str]:
    """The names of torch's dropout functions that the model calls in training other than by torch's
    own modules.
    """
    modules = [path.module for path in paths(run.model).values()]
    with untouched(run.model, modules), _Watch() as watch:
        for module in modules:
            if type(module) in REPLACEABLE:
                module.training = False
        forward(run, run.example())
    return list(watch.found)
