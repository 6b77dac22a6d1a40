"""One batch forward and backward, and what it does to every layer; nothing of the model is changed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from advisor.errors import explain
from advisor.model import Layer, Site, call, swap
from advisor.model.anatomy import ModuleTarget
from advisor.model.preserve import untouched
from advisor.model.tracing.output import pick
from advisor.randomness import isolated, mix
from advisor.training.objective import to_device
from advisor.training.run import Run

ROWS = 256
"""Rows that are measured, where memory allows: units that none of 256 rows wakes are as good as
dead.
"""
NUMBERS = 2_000_000
"""Most input numbers in the batch, so that large images take seconds too."""
FLAT = 1e-7
"""A slope below this passes no gradient (SageMaker Debugger)."""
SHARE_OF_SLOPE = 0.05
"""A unit whose mean slope is below this share of the activation's largest is saturated."""
FAR = 8
"""Times the lower quartile of a layer's inputs (by size) below zero from which a dead unit is lost,
and does not just sleep.
"""
WEIGHTED = ("linear", "conv", "conv_transpose", "rnn", "attention")


@dataclass(frozen=True)
class Units:
    """The units of one activation over the batch, and how many of them pass no gradient.

    Attributes:
        dead: without a slope in any row; `lost`: because its inputs lie far below those of the
            layer's other units.
        saturated: on the flat ends of an activation that is flat at both.
    """

    site: Site
    count: int
    dead: int
    lost: int
    saturated: int


@dataclass
class Signal:
    """A layer as the batch saw it.

    Attributes:
        std: deviation across samples, per unit and averaged, of its output; None where it is not
            called as a module.
        gradient: norm of the loss's gradient with respect to its weights; None where it has none.
        units: of the activation that follows it.
    """

    layer: Layer
    std: float | None = None
    gradient: float | None = None
    units: Units | None = None


@dataclass
class Measured:
    """A model on one batch, before training.

    Attributes:
        run: whose model it is.
        rows: rows of the batch.
        signals: every layer but normalizations, in order of execution.
        sites: every hidden activation that could be watched.
        features: across-sample deviation of what the last layer reads, and `cosine`, the mean
            cosine between its rows.
        output: the model's output; `output_std` its deviation.
        loss: at the start; NaN where it cannot be computed, and `failure` says why.
        gradients: norm by parameter name; None for a trainable one that got no gradient.
        equal_rows: names of weights whose units are equal and whose gradients are equal.
    """

    run: Run
    rows: int
    signals: list[Signal]
    sites: list[Units] = field(default_factory=list)
    features: float | None = None
    cosine: float | None = None
    output: Tensor = field(default_factory=lambda: torch.empty(0))
    target: Tensor = field(default_factory=lambda: torch.empty(0))
    loss: float = math.nan
    failure: str = ""
    gradients: dict[str, float | None] = field(default_factory=dict)
    equal_rows: list[str] = field(default_factory=list)

    @property
    def output_std(self) -> float:
        """Deviation of all numbers of the output."""
        return float(self.output.float().std()) if self.output.numel() > 1 else 0.0

    @property
    def weighted(self) -> list[Signal]:
        """The layers with weights that map, not tables."""
        return [signal for signal in self.signals if signal.layer.kind in WEIGHTED]


def measure(run: Run, sites: bool = True) -> Measured:
    """Run and differentiate `run.model` on one batch of training rows; `sites` also watches the
    activations.

    Parameters, gradients, buffers, modes and random states are the same afterwards. Dropout modules
    are off.
    """
    inputs, target = batch(run)
    rows = len(target)
    signals = {
        id(layer.module): Signal(layer) for layer in run.anatomy.layers if layer.kind != "norm"
    }
    measured = Measured(run, rows, list(signals.values()), target=target)
    modules = list(nn.Module.modules(run.model))
    with (
        isolated(mix(run.seed, "diagnose")),
        untouched(run.model, modules),
        gradients_kept(run.model),
        ExitStack() as stack,
    ):
        without_dropout(run.model)
        watch = _Watch(measured, signals)
        if sites:
            stack.enter_context(watch.sites(run))
        stack.enter_context(watch.layers())
        with torch.enable_grad():
            output = call(run.model, inputs)
            watch.over = True
            measured.output = pick(output, rows, run.task.output).detach()
            _differentiate(run, output, measured)
        _read_gradients(run.model, measured)
    return measured


def batch(run: Run) -> tuple[tuple[Any, ...], Tensor]:
    """Inputs and targets of up to `ROWS` training rows, drawn at random, on the run's device."""
    order = torch.randperm(
        len(run.data.train), generator=torch.Generator().manual_seed(mix(run.seed, "diagnose"))
    )
    numbers = max(1, sum(math.prod(shape) for shape in run.data.facts.inputs))
    rows = max(16, min(ROWS, NUMBERS // numbers))
    inputs, target = run.data.train.take(order[:rows])
    assert target is not None  # training rows are labelled
    return tuple(to_device(part, run.device) for part in inputs), target.to(run.device)


def without_dropout(model: nn.Module) -> None:
    """Put the dropout modules, torch's and hand-written ones, into evaluation mode."""
    for module in nn.Module.modules(model):
        if isinstance(module, nn.modules.dropout._DropoutNd) or type(
            module
        ).__name__.lower().endswith(("dropout", "droppath")):
            module.eval()


def _differentiate(run: Run, output: Any, measured: Measured) -> None:
    try:
        loss = run.loss(output, measured.target).mean()
    except Exception as problem:  # the user's loss may raise anything
        measured.failure = explain(problem)
        return
    measured.loss = float(loss.detach())
    if loss.requires_grad and math.isfinite(measured.loss):
        loss.backward()


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


def _read_gradients(model: nn.Module, measured: Measured) -> None:
    for name, parameter in nn.Module.named_parameters(model):
        if parameter.requires_grad:
            measured.gradients[name] = (
                None if parameter.grad is None else float(parameter.grad.norm())
            )
            if _interchangeable(parameter):
                measured.equal_rows.append(name)
    for signal in measured.signals:
        norms = [
            p.grad.norm()
            for p in nn.Module.parameters(signal.layer.module)
            if p.grad is not None and p.ndim > 1
        ]
        signal.gradient = (
            float(torch.stack([norm.float() for norm in norms]).norm()) if norms else None
        )


def _interchangeable(weight: nn.Parameter) -> bool:
    """Whether all units (rows) of a weight are equal and are pushed equally, so that they stay
    equal for ever.
    """
    if weight.ndim < 2 or weight.shape[0] < 2 or weight.grad is None or weight.grad.is_sparse:
        return False
    return bool((weight == weight[:1]).all()) and bool(
        torch.allclose(weight.grad, weight.grad[:1].expand_as(weight), rtol=1e-4)
    )


# ---------------------------------------------------------------- watching


class _Watch:
    """Hooks that note what passes a layer or an activation for the first time."""

    def __init__(self, measured: Measured, signals: dict[int, Signal]) -> None:
        self.measured, self.signals = measured, signals
        self.over = False  # the forward pass; checkpointing may run parts of it again
        self.before: dict[str, Signal] = {}  # the layer that ran last before each site
        self.heads = {id(s.layer.module) for s in signals.values() if s.layer.is_output}

    @contextmanager
    def layers(self) -> Iterator[None]:
        """Watch the layers' outputs, and what output layers read."""
        modules = [signal.layer.module for signal in self.signals.values()]
        handles = [module.register_forward_hook(self._layer) for module in modules]
        handles += [
            module.register_forward_pre_hook(self._head)
            for module in modules
            if id(module) in self.heads
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    @contextmanager
    def sites(self, run: Run) -> Iterator[None]:
        """Watch the hidden activations: modules by hooks, calls by a function in their place that
        does the same.
        """
        hidden = [site for site in run.anatomy.hidden if site.function is not None]
        modules = [
            (site, site.target.module) for site in hidden if isinstance(site.target, ModuleTarget)
        ]
        handles = [
            module.register_forward_pre_hook(partial(self._module, site))
            for site, module in modules
        ]
        written = [site for site in hidden if not isinstance(site.target, ModuleTarget)]
        report = swap(run.model, run.anatomy, self._observed, written)
        try:
            yield
        finally:
            report.undo()
            for handle in handles:
                handle.remove()

    def _layer(self, module: nn.Module, _inputs: Any, output: Any) -> None:
        signal = self.signals[id(module)]
        if self.over:
            return
        if signal.layer.site is not None:
            self.before[signal.layer.site.id] = signal
        if signal.std is None:
            values = by_row(output, self.measured.rows)
            signal.std = None if values is None else spread(values)

    def _head(self, _module: nn.Module, inputs: Any) -> None:
        values = by_row(inputs[0] if inputs else None, self.measured.rows)
        if values is not None and not self.over:
            self.measured.features, self.measured.cosine = spread(values), cosine(values)

    def _module(self, site: Site, _module: nn.Module, inputs: Any) -> None:
        if inputs and isinstance(inputs[0], Tensor):
            self._site(site, inputs[0])

    def _observed(self, site: Site) -> Callable[[Tensor], Tensor]:
        function = site.function
        assert function is not None  # as chosen

        def observed(x: Tensor) -> Tensor:
            self._site(site, x)
            return function(x)

        return observed

    def _site(self, site: Site, x: Tensor) -> None:
        if self.over or not x.is_floating_point() or not x.numel() or site.function is None:
            return
        signal = self.before.get(site.id)
        units = units_of(site, site.function, x.detach(), signal.layer.kind if signal else "")
        if units is None:
            return
        self.measured.sites.append(units)
        if signal is not None and signal.units is None:
            signal.units = units


def by_row(values: Any, rows: int) -> Tensor | None:
    """A layer's output as (rows, numbers), or None where the batch cannot be found in its shape."""
    if isinstance(values, (tuple, list)) and values:
        values = values[0]
    if (
        not isinstance(values, Tensor)
        or not values.is_floating_point()
        or values.ndim < 2
        or rows < 2
    ):
        return None
    values = values.detach()
    if values.shape[0] != rows and values.ndim > 2 and values.shape[1] == rows:
        values = values.transpose(0, 1)  # time first
    return values.reshape(rows, -1) if values.shape[0] % rows == 0 and values.numel() else None


def spread(values: Tensor) -> float:
    """Deviation across samples, per unit and averaged: biases do not hide a collapse from it."""
    return float(values.double().std(0).mean())


def cosine(values: Tensor) -> float:
    """Mean cosine between the rows of (rows, numbers)."""
    unit = nn.functional.normalize(values.double(), dim=1)
    rows = len(unit)
    return float((unit.sum(0).square().sum() - unit.square().sum()) / (rows * (rows - 1)))


def units_of(
    site: Site, function: Callable[[Tensor], Tensor], x: Tensor, kind: str
) -> Units | None:
    """Dead and saturated units of an activation on its inputs `x`; the units of a convolution are
    its channels.
    """
    axis = 1 if x.ndim > 2 and (kind.startswith("conv") or (not kind and x.ndim > 3)) else -1
    by_unit = x.movedim(axis, -1).reshape(-1, x.shape[axis])
    slopes = slope(function, by_unit)
    if slopes is None:
        return None
    saturated = slopes.mean(0) < SHARE_OF_SLOPE * (_steepest(function, x) or 0.0)
    dead = (slopes.amax(0) < FLAT) & ~saturated
    mean = by_unit.float().mean(0)
    lost = dead & (mean < -FAR * mean.abs().quantile(0.25))
    return Units(site, by_unit.shape[1], int(dead.sum()), int(lost.sum()), int(saturated.sum()))


def slope(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor | None:
    """|f'| at every element of `x`, or None where the function cannot be differentiated by itself.

    Inside a checkpointed part of a model, what autograd saves here is not the checkpoint's
    business.
    """
    with torch.enable_grad(), saved_tensors_hooks(lambda tensor: tensor, lambda tensor: tensor):
        z = x.detach().clone().requires_grad_()
        try:
            y = function(z)
            (found,) = torch.autograd.grad(y.sum(), z)
        except Exception:  # whatever an unknown function raises: it is not watched
            return None
    return found.abs() if y.shape == z.shape else None


def _steepest(function: Callable[[Tensor], Tensor], x: Tensor) -> float | None:
    """The largest slope of a function that is flat at both ends; None for others, which do not
    saturate.
    """
    ends = torch.tensor([-200.0, -100.0, 100.0, 200.0]).to(x)
    grid = torch.linspace(-8, 8, 1601).to(x)
    with torch.no_grad():
        try:
            y = function(ends)
        except Exception:  # as above
            return None
    if (
        y.shape != ends.shape
        or not bool(torch.isfinite(y).all())
        or float((y[[0, 3]] - y[[1, 2]]).abs().max()) > 1e-3
    ):
        return None
    slopes = slope(function, grid)
    return None if slopes is None else float(slopes.max()) or None
