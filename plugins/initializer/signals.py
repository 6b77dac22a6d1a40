"""How mean and variance of a signal go through a model, operation by operation, by analysis.

A signal is kept as the values that it has at the nodes of a Gaussian that it was made from, so that
any chain of elementwise functions of one Gaussian is integrated exactly, hand-written ones too.
Where branches meet they count as independent. What has no rule (normalization, softmax, recurrent
layers) is measured, because that is what the model makes of the batch.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

# Midpoints of equal intervals, so that a kink at the mean lies between two nodes.
_NODES = (torch.arange(-2000, 2000, dtype=torch.float64) + 0.5) / 250
_WEIGHTS = torch.exp(-(_NODES**2) / 2) / torch.exp(-(_NODES**2) / 2).sum()
_SPARSE = slice(None, None, 7)
"""Nodes on which a function is called once more, to see whether it is elementwise."""


@dataclass(frozen=True)
class Signal:
    """A signal as a random variable.

    Attributes:
        values: at the nodes of the Gaussian that it is a function of.
        source: stands for that Gaussian; signals of one source are functions of one variable.
    """

    values: Tensor
    source: object = field(default_factory=object)

    @classmethod
    def gaussian(cls, mean: float, variance: float) -> Signal:
        """A Gaussian of its own."""
        return cls(mean + math.sqrt(max(0.0, variance)) * _NODES)

    @property
    def mean(self) -> float:
        """E x."""
        return float((self.values * _WEIGHTS).sum())

    @property
    def square(self) -> float:
        """E x²."""
        return float((self.values**2 * _WEIGHTS).sum())

    @property
    def variance(self) -> float:
        """Var x."""
        return self.square - self.mean**2

    def largest_of(self, count: int) -> Signal:
        """The largest of `count` independent ones."""
        values, order = self.values.sort()
        # The distribution function of the largest is a power of that of one.
        below = _WEIGHTS[order].cumsum(0).clamp(max=1.0) ** count
        weights = torch.diff(below, prepend=torch.zeros(1, dtype=torch.float64))
        mean = float((values * weights).sum())
        return Signal.gaussian(mean, float((values**2 * weights).sum()) - mean**2)


def added(parts: Sequence[Signal], sign: float = 1.0) -> Signal:
    """The sum of independent signals, with `sign` before the second."""
    one, other = parts
    return Signal.gaussian(one.mean + sign * other.mean, one.variance + other.variance)


def multiplied(parts: Sequence[Signal]) -> Signal:
    """The product of independent signals."""
    one, other = parts
    mean = one.mean * other.mean
    return Signal.gaussian(mean, one.square * other.square - mean**2)


def joined(parts: Sequence[Signal], sizes: Sequence[int]) -> Signal:
    """Signals side by side, each with so many numbers."""
    mean = sum(part.mean * size for part, size in zip(parts, sizes, strict=True)) / sum(sizes)
    square = sum(part.square * size for part, size in zip(parts, sizes, strict=True)) / sum(sizes)
    return Signal.gaussian(mean, square - mean**2)


def dropped(part: Signal, rate: float) -> Signal:
    """A signal of which a share is set to zero and the rest made larger, as in training."""
    return Signal.gaussian(part.mean, part.square / max(1e-6, 1 - rate) - part.mean**2)


_SUMS = {"add": 1.0, "iadd": 1.0, "radd": 1.0, "sub": -1.0, "isub": -1.0, "rsub": -1.0}
_PRODUCTS = ("mul", "imul", "rmul", "multiply")
_JOINS = ("cat", "concat", "concatenate", "stack", "hstack", "vstack")
_DROPOUTS = ("dropout", "dropout1d", "dropout2d", "dropout3d")
_KEEPS = ("alpha_dropout", "feature_alpha_dropout")
_MEANS = (
    *("mean", "avg_pool1d", "avg_pool2d", "avg_pool3d"),
    *("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"),
)
_LARGEST = (
    *("amax", "max_pool1d", "max_pool2d", "max_pool3d"),
    *("adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d"),
)
_COPIES = ("reshape", "flatten", "contiguous", "clone", "to", "repeat", "pad", "index_select")
"""Operations by their names, without underscores; `_COPIES` and views keep each number as it is."""


class SignalTracker(TorchFunctionMode):
    """While active, follows the signals of the tensors that it knows through every operation."""

    def __init__(self) -> None:
        super().__init__()
        # By identity: tensors compare by value. A dead tensor's number may be given to another.
        self._known: dict[int, tuple[weakref.ref[Tensor], Signal]] = {}

    def put(self, tensor: Tensor, signal: Signal) -> None:
        """Say what the signal of a tensor is."""
        self._known[id(tensor)] = (weakref.ref(tensor), signal)

    def of(self, tensor: Tensor) -> Signal:
        """The signal of a tensor; measured where it is not known."""
        known = self._find(tensor)
        if known is not None:
            return known
        numbers = tensor.detach().to_dense().double()  # a sparse one has no deviation of its own
        return Signal.gaussian(float(numbers.mean()), float(numbers.var(correction=0)))

    def _find(self, tensor: Tensor) -> Signal | None:
        reference, signal = self._known.get(id(tensor), (None, None))
        return signal if reference is not None and reference() is tensor else None

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        tensors = [each for each in _flat((args, kwargs)) if _carries(each)]
        before = [self._find(each) for each in tensors]
        if not any(each is not None for each in before):
            return func(*args, **kwargs)
        # An operation may work in place, so what it is given is read before.
        signals = [self.of(each) for each in tensors]
        shapes = [each.shape for each in tensors]
        result = func(*args, **kwargs)
        for part in _flat(result):
            if _carries(part):
                call = _Call(func, args, kwargs, tensors, signals, shapes, part)
                signal = call.signal()
                self._known.pop(id(part), None)
                if signal is not None:
                    self.put(part, signal)
        return result


@dataclass(frozen=True)
class _Call:
    """One call of an operation on tensors whose signals are known."""

    func: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    tensors: list[Tensor]
    signals: list[Signal]
    shapes: list[torch.Size]
    result: Tensor

    @property
    def name(self) -> str:
        """`relu` for `relu_`, `max_pool2d` for `_max_pool2d`."""
        return str(getattr(self.func, "__name__", "")).strip("_")

    def signal(self) -> Signal | None:
        """The signal of the result; None where no rule says what it is."""
        return self.by_rule() or self.elementwise() or self.kept()

    def by_rule(self) -> Signal | None:
        """What a rule for operations of this name says."""
        name, signals = self.name, self.signals
        if name in _JOINS:
            return joined(signals, [shape.numel() for shape in self.shapes])
        if name in _DROPOUTS:
            return dropped(signals[0], float(self._argument(1, "p", 0.5)))
        if name in _KEEPS:
            return signals[0]
        if name in _MEANS and len(signals) == 1:
            return Signal.gaussian(signals[0].mean, signals[0].variance / self.window())
        if name in _LARGEST and len(signals) == 1:
            return signals[0].largest_of(self.window())
        if len(signals) == 2 and signals[0].source is not signals[1].source:
            if name in _SUMS:
                return added(signals, _SUMS[name])
            if name in _PRODUCTS:
                return multiplied(signals)
        return None

    def window(self) -> int:
        """How many numbers one of the result is made of."""
        kernel = None
        if "pool" in self.name and not self.name.startswith("adaptive"):
            kernel = self._argument(1, "kernel_size", None)
        if kernel is None:
            return max(1, round(self.shapes[0].numel() / max(1, self.result.numel())))
        if isinstance(kernel, int):
            return int(kernel ** int(self.name[-2]))
        return math.prod(kernel)

    def elementwise(self) -> Signal | None:
        """The function at the nodes, where it is elementwise and of one Gaussian."""
        (signal, *others) = self.signals
        same_source = all(each.source is signal.source for each in others)
        if not same_source or any(shape != self.result.shape for shape in self.shapes):
            return None
        try:
            values = self._at(slice(None))
            again = self._at(_SPARSE)
        except Exception:  # whatever an operation raises on a plain vector: it is not elementwise
            return None
        is_one = isinstance(values, Tensor) and values.shape == _NODES.shape
        if not is_one or not torch.allclose(values[_SPARSE], again):
            return None
        return Signal(values.detach().double(), signal.source)

    def kept(self) -> Signal | None:
        """The signal of an input of which the result is a view, or a copy in another shape."""
        storage = self.result.untyped_storage().data_ptr()
        for tensor, signal in zip(self.tensors, self.signals, strict=True):
            if tensor.untyped_storage().data_ptr() == storage:
                return signal
        return self.signals[0] if self.name in _COPIES else None

    def _at(self, nodes: slice) -> Any:
        """The function of the signals at some of the nodes."""
        by_tensor = {
            id(tensor): signal.values[nodes]
            for tensor, signal in zip(self.tensors, self.signals, strict=True)
        }
        args = [_in_place_of(each, by_tensor) for each in self.args]
        kwargs = {key: _in_place_of(each, by_tensor) for key, each in self.kwargs.items()}
        with torch.no_grad():
            return self.func(*args, **kwargs)

    def _argument(self, position: int, name: str, default: Any) -> Any:
        """An argument of the call, wherever it is given."""
        return self.args[position] if len(self.args) > position else self.kwargs.get(name, default)


def _in_place_of(argument: Any, by_tensor: dict[int, Tensor]) -> Any:
    """An argument with the nodes in place of a signal, and single numbers in double precision."""
    if id(argument) in by_tensor:
        return by_tensor[id(argument)].clone()
    if isinstance(argument, Tensor) and argument.is_floating_point():
        return argument.detach().double()
    return argument


def _carries(value: Any) -> bool:
    """Whether something is a tensor that carries a signal: several real numbers."""
    is_dense = isinstance(value, Tensor) and value.layout == torch.strided
    return is_dense and value.is_floating_point() and value.numel() > 1


def _flat(value: Any) -> list[Any]:
    """What nested tuples, lists and dicts hold."""
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, (tuple, list)):
        return [each for part in value for each in _flat(part)]
    return [value]
