"""A callback for skorch's nets."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from advisor.training.loop_run import LoopRun


def reporting(run: LoopRun, monitor: str | None = None) -> Any:
    """A callback that reports each epoch: `monitor` of the net's history, or the model itself.

    In a `fit(run)`: `NeuralNetClassifier(run.model, max_epochs=run.epochs,
    callbacks=[reporting(run)])`.

    Raises:
        ImportError: `skorch` is not installed.
    """
    base: Any = importlib.import_module("skorch.callbacks").Callback

    def on_epoch_end(_: Any, net: Any, **__: Any) -> None:
        """A net trains the module that it is given, or one that it has made of it."""
        run.model = net.module_
        run.report(None if monitor is None else net.history[-1, monitor])

    return type("Reporting", (base,), {"on_epoch_end": on_epoch_end})()
