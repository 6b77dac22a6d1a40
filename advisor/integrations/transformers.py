"""A callback and rows for the `Trainer` of Hugging Face's transformers."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from advisor.training.loop_run import LoopRun


def reporting(run: LoopRun, monitor: str | None = None) -> Any:
    """A callback that reports each epoch: `monitor` of its evaluation, or the model itself.

    In a `fit(run)`: `Trainer(run.model, arguments, train_dataset=rows(run.train, run.model),
    callbacks=[reporting(run)])`, with `num_train_epochs=run.epochs` among the arguments, and
    `eval_strategy="epoch"` for a `monitor` such as `eval_loss`.

    Raises:
        ImportError: `transformers` is not installed.
    """
    base: Any = importlib.import_module("transformers").TrainerCallback

    def on_epoch_end(*_: Any, **__: Any) -> None:
        """The model after an epoch."""
        run.report()

    def on_evaluate(*_: Any, metrics: Any, **__: Any) -> None:
        """What was evaluated after an epoch."""
        run.report(metrics[monitor])

    events = {"on_epoch_end": on_epoch_end} if monitor is None else {"on_evaluate": on_evaluate}
    return type("Reporting", (base,), events)()


class rows(Sequence[dict[str, Any]]):  # noqa: N801  # reads as a function: rows(run.train, run.model)
    """The rows of a dataset of `(x, y)` as Hugging Face's `Trainer` takes them.

    Each is a dictionary of what the model's `forward` asks for, with `labels`.

    Arguments:
        dataset: such as `run.train`.
        model: whose first argument a tensor `x` is; not needed where `x` is a dictionary.
    """

    def __init__(self, dataset: Any, model: Any = None) -> None:
        self._dataset = dataset
        self._names = [] if model is None else list(inspect.signature(model.forward).parameters)

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: Any) -> Any:
        x, y = self._dataset[index]
        if isinstance(x, Mapping):
            return {**x, "labels": y}
        # Positional arguments go by the names that they have.
        values = x if isinstance(x, tuple) else (x,)
        names = self._names or ["input_ids"]
        return {**dict(zip(names, values, strict=False)), "labels": y}
