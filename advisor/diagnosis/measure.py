"""One batch forward and backward, and what it does to every layer; the model stays as it is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from advisor.diagnosis.leaf_probe import leaves
from advisor.diagnosis.passes import WEIGHTED
from advisor.diagnosis.probes import Probed, probe
from advisor.diagnosis.signal_recorder import SignalRecorder
from advisor.diagnosis.units import Units
from advisor.errors import explain
from advisor.faults import is_out_of_memory
from advisor.model import Layer, call, called
from advisor.model.handwritten import HandWritten
from advisor.model.preserve import untouched
from advisor.model.tracing.output import pick
from advisor.randomness import isolated, mix
from advisor.training.memory_format import with_channels_last
from advisor.training.objective import to_device
from advisor.training.pooled import pooled_first
from advisor.training.run import Run

ROWS = 256
"""Rows that are measured, where memory allows: units that none of 256 rows wakes are as good as
dead.
"""
NUMBERS = 2_000_000
"""Most input numbers in the batch, so that large images take seconds too."""
FEWEST = 16
"""Rows that are measured in any case."""


@dataclass(frozen=True)
class Signal:
    """A layer as the batch saw it.

    Attributes:
        layer: the layer.
        std: deviation across samples, per unit and averaged, of its output; None where it is not
            called as a module.
        gradient: norm of the loss's gradient with respect to its weights; None where it has none.
        units: of the activation that follows it.
    """

    layer: Layer
    std: float | None = None
    gradient: float | None = None
    units: Units | None = None

    @property
    def weights(self) -> list[nn.Parameter]:
        """The layer's weights; its biases are not among them."""
        return weights_of(self.layer.module)


@dataclass(frozen=True)
class Measured:
    """A model on one batch, before training.

    Attributes:
        run: whose model it is.
        rows: rows of the batch.
        signals: every layer but normalizations, in order of execution.
        sites: every hidden activation whose slope could be computed.
        features: across-sample deviation of what the last layer reads.
        cosine: mean cosine between the rows of what the last layer reads.
        output: the model's output, rows first.
        target: the targets of the rows.
        loss: at the start; NaN where it cannot be computed, and `failure` says why.
        failure: what the loss raised, or the empty text.
        gradients: norm by parameter name; None for a trainable one that got no gradient.
        equal_rows: names of weights whose units are equal and whose gradients are equal.
        probed: what further passes showed, or None where only this batch was asked for.
    """

    run: Run
    rows: int
    signals: tuple[Signal, ...]
    sites: tuple[Units, ...]
    features: float | None
    cosine: float | None
    output: Tensor
    target: Tensor
    loss: float
    failure: str
    gradients: Mapping[str, float | None]
    equal_rows: tuple[str, ...]
    probed: Probed | None = None

    @property
    def output_std(self) -> float:
        """Deviation of all numbers of the output."""
        return float(self.output.float().std()) if self.output.numel() > 1 else 0.0

    @property
    def weighted(self) -> list[Signal]:
        """The layers with weights that map, not tables."""
        return [signal for signal in self.signals if signal.layer.kind in WEIGHTED]

    @property
    def hidden(self) -> list[Signal]:
        """The layers with weights that something learned follows."""
        return [signal for signal in self.weighted if not signal.layer.is_output]

    @property
    def output_layers(self) -> list[Signal]:
        """The layers with weights that nothing learned follows."""
        return [signal for signal in self.weighted if signal.layer.is_output]

    @property
    def is_normalized(self) -> bool:
        """Whether the model has a normalization."""
        return any(layer.kind == "norm" for layer in self.run.anatomy.layers)


class Extent(NamedTuple):
    """What is measured besides what the last layer reads, the output, the loss and the gradients.

    Attributes:
        layers: the output of every layer, and which weights have equal units. Where that is not
            asked for, the model is computed as its training computes it: with the same numbers, but
            for what rounding does.
        sites: the units of the hidden activations.
        probes: what further passes show; they are made where the sites are measured, too.
    """

    layers: bool = True
    sites: bool = True
    probes: bool = True


EVERYTHING = Extent()
"""All that can be measured of a model."""
LAYERS = Extent(sites=False, probes=False)
"""What is measured of the layers."""
ENDS = Extent(layers=False, sites=False, probes=False)
"""What is left without the layers, in a fraction of the time of `LAYERS`."""


def measure(run: Run, extent: Extent = EVERYTHING) -> Measured:
    """Run and differentiate `run.model` on one batch of training rows.

    Parameters, gradients, buffers, modes and random states are the same afterwards. Dropout modules
    are off. Where memory lacks for the usual rows, half of them are measured, and so on.
    """
    rows = rows_of(run)
    while (found := _measured(run, rows, extent)) is None:
        rows //= 2
    return found


def _measured(run: Run, rows: int, extent: Extent) -> Measured | None:
    """What `measure` returns, of at most so many rows; None where fewer may have the memory."""
    try:
        return _measured_on(run, batch(run, rows), extent)
    except Exception as problem:  # whatever the user's code raises
        if rows < 2 * FEWEST or not is_out_of_memory(problem):
            raise
    return None


def _measured_on(run: Run, taken: tuple[tuple[Any, ...], Tensor], extent: Extent) -> Measured:
    """What `measure` returns, of these rows."""
    inputs, target = taken
    rows = len(target)
    # Normalizations set the scale of what passes them, so their own signal says nothing.
    layers = [layer for layer in run.anatomy.layers if layer.kind != "norm"]
    recorder = SignalRecorder(layers, rows, ends=not extent.layers)
    modules = list(nn.Module.modules(run.model))
    # It is read before hooks are on it.
    model = run.model if extent.layers else called_in_training(run)
    with (
        isolated(mix(run.seed, "diagnose")),
        untouched(run.model, modules),
        gradients_kept(run.model),
        ExitStack() as recording,
    ):
        # Dropout would zero units at random; what is recorded then holds for this batch only.
        without_dropout(run.model)
        if not extent.layers and run.channels_last:
            recording.enter_context(with_channels_last(run.model))
        if extent.sites:
            recording.enter_context(recorder.sites_recorded(run.model, run.anatomy))
        recording.enter_context(recorder.layers_recorded())
        recording.enter_context(called(layer.module for layer in layers))

        # Forward and backward; the recorder sees the forward pass only.
        with torch.enable_grad():
            full_output = call(model, inputs)
            recorder.stopped = True
            output = pick(full_output, rows, run.task.output).detach()
            loss, failure = _differentiate(run, full_output, target)

        # The gradients are gone once the model is as it was.
        gradients: dict[str, float | None] = {}
        for name, parameter in nn.Module.named_parameters(run.model):
            if parameter.requires_grad:
                gradient = parameter.grad
                gradients[name] = None if gradient is None else float(gradient.norm())
        equal_rows = _weights_with_equal_units(run.model, layers) if extent.layers else ()
        signals = _signals(layers, recorder)
    return Measured(
        run=run,
        rows=rows,
        signals=signals,
        sites=tuple(recorder.units),
        features=recorder.features,
        cosine=recorder.cosine,
        output=output,
        target=target,
        loss=loss,
        failure=failure,
        gradients=gradients,
        equal_rows=equal_rows,
        probed=probe(run) if extent.sites and extent.probes else None,
    )


def rows_of(run: Run) -> int:
    """How many rows are measured, up to `ROWS` by their numbers."""
    numbers_in_a_row = sum(math.prod(shape) for shape in run.data.facts.inputs)
    return max(FEWEST, min(ROWS, NUMBERS // max(1, numbers_in_a_row)))


def batch(run: Run, rows: int | None = None) -> tuple[tuple[Any, ...], Tensor]:
    """Inputs and targets of so many training rows or of `rows_of(run)`, drawn at random, on the
    run's device.
    """
    # A generator of its own, so that a diagnosis draws nothing from the run's.
    generator = torch.Generator().manual_seed(mix(run.seed, "diagnose"))
    order = torch.randperm(len(run.data.train), generator=generator)
    inputs, target = run.data.train.take(order[: rows or rows_of(run)])
    assert target is not None  # training rows are labelled
    return tuple(to_device(part, run.device) for part in inputs), target.to(run.device)


def without_dropout(model: nn.Module) -> None:
    """Put the dropout modules, torch's and hand-written ones, into evaluation mode."""
    for module in nn.Module.modules(model):
        if is_torchs_dropout(module) or is_named_dropout(module):
            module.eval()


def is_torchs_dropout(module: nn.Module) -> bool:
    """Whether a module is a dropout of torch's."""
    return isinstance(module, nn.modules.dropout._DropoutNd)


def is_named_dropout(module: nn.Module) -> bool:
    """Whether a module's class is called a dropout, such as one that a user wrote."""
    return type(module).__name__.lower().endswith(("dropout", "droppath"))


def called_in_training(run: Run) -> nn.Module:
    """What the steps of a training call in the place of a run's model, or the model itself where
    that would not hear that a dropout is off.
    """
    # What is read of a user's own dropout says what it does in training.
    modules = nn.Module.modules(run.model)
    heard = all(is_torchs_dropout(each) or not is_named_dropout(each) for each in modules)
    return pooled_first(run) if heard else run.model


@contextmanager
def gradients_kept(model: nn.Module) -> Iterator[None]:
    """Inside, parameters have no gradients; outside, those that they had."""
    before = [(parameter, parameter.grad) for parameter in nn.Module.parameters(model)]
    try:
        for parameter, _ in before:
            parameter.grad = None
        yield
    finally:
        for parameter, gradient in before:
            parameter.grad = gradient


def _differentiate(run: Run, output: Any, target: Tensor) -> tuple[float, str]:
    """Compute the loss and its gradients; returns the loss and what kept it from being computed."""
    try:
        loss = run.loss(output, target).mean()
    except Exception as problem:  # the user's loss may raise anything
        if is_out_of_memory(problem):  # it may compute fewer rows
            raise
        return math.nan, explain(problem)
    value = float(loss.detach())
    if loss.requires_grad and math.isfinite(value):
        # Tensors that are no parameters may get a gradient, too.
        before = [(leaf, leaf.grad) for leaf in leaves(loss)]
        known = {id(parameter) for parameter in nn.Module.parameters(run.model)}
        loss.backward()
        for leaf, gradient in before:
            if id(leaf) not in known:
                leaf.grad = gradient
    return value, ""


def _weights_with_equal_units(model: nn.Module, layers: list[Layer]) -> tuple[str, ...]:
    """Names of weights whose units are equal and are pushed equally, so that they stay equal for
    ever.
    """
    names = []
    by_weight = {id(layer.module._parameters.get("weight")): layer for layer in layers}
    for name, weight in nn.Module.named_parameters(model):
        gradient = weight.grad
        if not weight.requires_grad or gradient is None or gradient.is_sparse:
            continue
        # Units are the rows, where the layer's own class or code does not say otherwise.
        if weight.ndim < 2:
            continue
        layer = by_weight.get(id(weight))
        parts = zip(_units_of(weight, layer), _units_of(gradient, layer), strict=True)
        if all(_all_equal(own) and _all_nearly_equal(pushed) for own, pushed in parts):
            names.append(name)
    return tuple(names)


def _units_of(weight: Tensor, layer: Layer | None) -> list[Tensor]:
    """The matrices of a weight, or of its gradient, with the units as rows."""
    if layer is not None and layer.matrices:
        strides = layer.module._parameters["weight"].stride()  # type: ignore[union-attr]  # it has one
        # A gradient may lie otherwise in memory than its parameter.
        if weight.stride() != strides:
            weight = torch.empty_strided(weight.shape, strides).to(weight).copy_(weight)
        return [matrix.of(weight) for matrix in layer.matrices]
    is_turned = layer is not None and layer.transposed
    return [weight.detach().T if is_turned else weight.detach()]


def _all_equal(units: Tensor) -> bool:
    """Whether there are several units, and all are equal."""
    return len(units) > 1 and bool((units == units[:1]).all())


def _all_nearly_equal(units: Tensor) -> bool:
    # Gradients are sums in an order that differs from unit to unit, hence the tolerance.
    return torch.allclose(units, units[:1].expand_as(units), rtol=1e-4)


def _signals(layers: list[Layer], recorder: SignalRecorder) -> tuple[Signal, ...]:
    signals: dict[int, Signal] = {}
    for layer in layers:
        module = id(layer.module)
        signals[module] = Signal(
            layer,
            std=recorder.stds.get(module),
            gradient=_gradient_norm(layer.module),
            units=recorder.units_after.get(module),
        )
    return tuple(signals.values())


def _gradient_norm(module: nn.Module) -> float | None:
    """Norm of the gradient of all weights of a layer; None where no weight has one."""
    gradients = [weight.grad for weight in weights_of(module)]
    norms = [gradient.norm().float() for gradient in gradients if gradient is not None]
    return float(torch.stack(norms).norm()) if norms else None


def weights_of(module: nn.Module) -> list[nn.Parameter]:
    """The parameters of a module with two or more dimensions; a bias of several matrices is none of
    them.
    """
    if isinstance(module, HandWritten):
        return [module.weight]
    return [parameter for parameter in nn.Module.parameters(module) if parameter.ndim > 1]
