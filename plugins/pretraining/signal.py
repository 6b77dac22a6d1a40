"""Where a model is read for what it says of a row before its last layer, or of each place of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from advisor import Layer, Run

LAYOUTS = ((0, 1, 2), (1, 0, 2), (0, 2, 1))
"""How (rows, places, units) may lie in a signal; the last as convolutions have it."""


@dataclass(frozen=True)
class PlaceToRead:
    """Where a signal is read while the model runs.

    Attributes:
        module: that gives it out, or reads it.
        reads: whether it is what the module reads.
        layout: where a signal of places has rows, places and units; None for one of whole rows.
    """

    module: nn.Module
    reads: bool
    layout: tuple[int, ...] | None = None

    @contextmanager
    def read(self) -> Iterator[Callable[[], Tensor]]:
        """While open, a function that returns the last signal: (rows, units), or (rows, places,
        units).
        """
        last: list[Tensor] = []

        def note(_module: nn.Module, inputs: Any, output: Any = None) -> None:
            """Keep what went in or out."""
            tensor = first_tensor(inputs if self.reads else output)
            # What is changed in place behind it is not what was read.
            last[:] = [] if tensor is None else [tensor.clone()]

        register = self.module.register_forward_pre_hook if self.reads else None
        handle = register(note) if register else self.module.register_forward_hook(note)
        try:
            yield lambda: self.ordered(last[0])
        finally:
            handle.remove()

    def ordered(self, tensor: Tensor) -> Tensor:
        """Rows first and units last."""
        return tensor.flatten(1) if self.layout is None else tensor.permute(self.layout)


def first_tensor(value: Any) -> Tensor | None:
    """The first tensor of numbers in what a module takes or gives."""
    if isinstance(value, Tensor):
        return value if value.is_floating_point() else None
    parts = value if isinstance(value, (tuple, list)) else ()
    return next((each for part in parts if (each := first_tensor(part)) is not None), None)


def last_layer(run: Run) -> Layer | None:
    """The output layer, where a module computes it that can be watched."""
    layers = [layer for layer in run.anatomy.layers if layer.is_output]
    if not layers or not layers[-1].callable or layers[-1].matrices:
        return None
    return layers[-1] if can_be_watched(layers[-1].module) else None


def can_be_watched(module: nn.Module) -> bool:
    """Whether hooks see a module run; one that is compiled takes none."""
    return not isinstance(module, torch.jit.ScriptModule)


def signal_of(
    run: Run, clean: tuple[Any, ...], changed: tuple[Any, ...], places: Tensor
) -> PlaceToRead:
    """The last signal in which a place knows of others, else that of whole rows.

    Arguments:
        run: whose model is read.
        clean: inputs.
        changed: the same with some places changed.
        places: (rows, places), where they are; (rows, columns) of a table, which has none.
    """
    layer = last_layer(run)
    assert layer is not None  # others are refused
    whole = PlaceToRead(layer.module, reads=True)
    shape = tuple(places.shape)
    before = signals(run, clean, layer.module)
    after = dict(signals(run, changed, layer.module))
    for module, tensor in reversed(before):
        layout = layout_of(tensor, shape)
        if layout is None or module not in after or after[module].shape != tensor.shape:
            continue
        moved = (tensor - after[module]).permute(layout).abs().amax(-1) > 0
        if bool((moved & ~places).any()):
            return PlaceToRead(module, reads=False, layout=layout)
    return whole


def layout_of(tensor: Tensor, shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """How rows and places of this number lie in a signal, or None where it has no places."""
    if tensor.ndim != 3:
        return None
    for layout in LAYOUTS:
        if tuple(tensor.shape[axis] for axis in layout[:2]) == shape:
            return layout
    return None


def signals(run: Run, inputs: tuple[Any, ...], last: nn.Module) -> list[tuple[nn.Module, Tensor]]:
    """What modules give out in evaluation mode before the last layer begins, in order."""
    found: list[tuple[nn.Module, Tensor]] = []
    reached: list[bool] = []

    def note(module: nn.Module, _inputs: Any, output: Any) -> None:
        """Keep what a module gives."""
        tensor = first_tensor(output)
        if tensor is not None and not reached:
            found.append((module, tensor.detach()))

    handles = [last.register_forward_pre_hook(lambda *_: reached.append(True))]
    for module in list(nn.Module.modules(run.model))[1:]:
        if can_be_watched(module):
            handles.append(module.register_forward_hook(note))
    try:
        run.model.eval()
        run.call(inputs)
    finally:
        for handle in handles:
            handle.remove()
    return found
