"""What layers and activations see during one forward pass, recorded by hooks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import Tensor, nn

from advisor.diagnosis.units import Units, units_of
from advisor.model import Anatomy, Layer, Site, swap
from advisor.model.anatomy import ModuleTarget


class SignalRecorder:
    """Hooks that record what passes a layer or an activation for the first time.

    Arguments:
        layers: the layers.
        rows: of the batch.
        ends: whether only what the last layer reads is recorded.

    Attributes:
        stds: by the id of a layer's module, the deviation of its output across rows; None where the
            batch cannot be recognized in the output's shape. A module that is not called has none.
        units: every activation's units, in order of execution.
        units_after: by the id of a layer's module, the units of the activation that follows it.
        features: across-row deviation of what the last layer reads, or None.
        cosine: mean cosine between the rows of what the last layer reads, or None.
        stopped: True once the forward pass is over; checkpointing may run parts of it again.
    """

    def __init__(self, layers: Iterable[Layer], rows: int, ends: bool = False) -> None:
        self.stds: dict[int, float | None] = {}
        self.units: list[Units] = []
        self.units_after: dict[int, Units] = {}
        self.features: float | None = None
        self.cosine: float | None = None
        self.stopped = False
        self._rows, self._ends = rows, ends
        self._layers = {id(layer.module): layer for layer in layers}
        self._layer_before: dict[str, Layer] = {}  # by site, the layer that ran last before it

    @contextmanager
    def layers_recorded(self) -> Iterator[None]:
        """Inside, the outputs of the layers and the inputs of output layers are recorded."""
        handles = []
        for layer in self._layers.values():
            if not self._ends:
                handles.append(layer.module.register_forward_hook(self._record_layer))
            if layer.is_output:
                handles.append(layer.module.register_forward_pre_hook(self._record_features))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    @contextmanager
    def sites_recorded(self, model: nn.Module, anatomy: Anatomy) -> Iterator[None]:
        """Inside, the inputs of hidden activations are recorded.

        Modules get a hook; a call in the source gets a function in its place that does the same.
        An activation whose function is not known cannot be differentiated, and is left out.
        """
        handles, calls = [], []
        differentiable = [site for site in anatomy.hidden if site.function is not None]
        for site in differentiable:
            if isinstance(site.target, ModuleTarget):
                module, hook = site.target.module, partial(self._record_module, site)
                handles.append(module.register_forward_pre_hook(hook))
            else:
                calls.append(site)
        report = swap(model, anatomy, self._recording_function, calls)
        try:
            yield
        finally:
            report.undo()
            for handle in handles:
                handle.remove()

    def _record_layer(self, module: nn.Module, _inputs: Any, output: Any) -> None:
        if self.stopped:
            return
        # A site may follow several layers in turn; what counts is the last before it runs.
        layer = self._layers[id(module)]
        if layer.site is not None:
            self._layer_before[layer.site.id] = layer
        if self.stds.get(id(module)) is None:
            values = by_row(output, self._rows)
            self.stds[id(module)] = None if values is None else spread(values)

    def _record_features(self, _module: nn.Module, inputs: Any) -> None:
        values = by_row(inputs[0] if inputs else None, self._rows)
        if values is not None and not self.stopped:
            self.features = spread(values)
            self.cosine = cosine(values)

    def _record_module(self, site: Site, _module: nn.Module, inputs: Any) -> None:
        if inputs and isinstance(inputs[0], Tensor):
            self._record_site(site, inputs[0])

    def _recording_function(self, site: Site) -> Callable[[Tensor], Tensor]:
        function = site.function
        assert function is not None  # sites without a function are not recorded

        def record_and_compute(x: Tensor) -> Tensor:
            """What the site computes, of an input that is recorded first."""
            self._record_site(site, x)
            return function(x)

        return record_and_compute

    def _record_site(self, site: Site, x: Tensor) -> None:
        if self.stopped or site.function is None:
            return
        if not x.is_floating_point() or not x.numel():
            return
        layer = self._layer_before.get(site.id)
        units = units_of(site, site.function, x.detach(), layer.kind if layer else "")
        if units is None:
            return
        # A site may run several times; a layer keeps the units of the first time.
        self.units.append(units)
        if layer is not None:
            self.units_after.setdefault(id(layer.module), units)


def by_row(values: Any, rows: int) -> Tensor | None:
    """A layer's output as (rows, numbers), or None where its shape does not show the batch."""
    # Recurrent and attention layers return their output first.
    if isinstance(values, (tuple, list)) and values:
        values = values[0]
    if not isinstance(values, Tensor) or not values.is_floating_point():
        return None
    if values.ndim < 2 or rows < 2:
        return None
    numbers: Tensor = values.detach()
    if numbers.shape[0] != rows and numbers.ndim > 2 and numbers.shape[1] == rows:
        numbers = numbers.transpose(0, 1)  # time first
    # Rows may be split further, as into heads or patches.
    if numbers.shape[0] % rows or not numbers.numel():
        return None
    return numbers.reshape(rows, -1)


def spread(values: Tensor) -> float:
    """Deviation of (rows, numbers) across the rows, averaged over the numbers.

    Biases differ from unit to unit and would hide a collapse from the plain deviation.
    """
    return float(values.double().std(0).mean())


def cosine(values: Tensor) -> float:
    """Mean cosine between the rows of (rows, numbers)."""
    unit = nn.functional.normalize(values.double(), dim=1)
    rows = len(unit)
    # The square of the sum holds every pair twice, and every row with itself once.
    pairs = unit.sum(0).square().sum() - unit.square().sum()
    return float(pairs / (rows * (rows - 1)))
