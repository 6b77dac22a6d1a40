"""A callback for Lightning's `Trainer`."""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from advisor.training.loop_run import LoopRun


def reporting(run: LoopRun, monitor: str | None = None) -> Any:
    """A callback that reports each epoch: what was logged as `monitor`, or the model itself.

    In a `fit(run)`: `Trainer(max_epochs=run.epochs, callbacks=[reporting(run)])`. The module that
    is trained must be `run.model`, or hold it.

    Raises:
        ImportError: neither `lightning` nor `pytorch_lightning` is installed.
    """
    name = "lightning.pytorch" if importlib.util.find_spec("lightning") else "pytorch_lightning"
    base: Any = importlib.import_module(f"{name}.callbacks").Callback

    def on_train_epoch_end(_: Any, trainer: Any, __: Any) -> None:
        """Lightning validates before it says that the epoch is over."""
        run.report(None if monitor is None else trainer.callback_metrics[monitor])

    return type("Reporting", (base,), {"on_train_epoch_end": on_train_epoch_end})()
