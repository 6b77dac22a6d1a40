"""Layers that the author wrote as products with parameters, as modules that hooks can watch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from advisor.model.nested_values import tensors
from advisor.model.tracing.arranged import COPIES, MOVES
from advisor.model.tracing.call_sites import name_of
from advisor.model.tracing.products import CONVOLUTIONS, product_of


class HandWritten(nn.Module):
    """Holds the parameters of a layer that the author wrote as a product; it is no part of the
    model.

    Inside `called`, its hooks run whenever the model computes the product.

    Arguments:
        weight: the parameter that the signal is multiplied by.
        bias: the parameter that is added after, or None.
        names: full names of the two in the model, by `weight` and `bias`.
    """

    def __init__(
        self, weight: nn.Parameter, bias: nn.Parameter | None, names: dict[str, str]
    ) -> None:
        super().__init__()
        self.weight, self.bias, self.names = weight, bias, names
        self.compute: Callable[[Tensor], Any] | None = None

    def forward(self, signal: Tensor) -> Any:
        """The product with another signal, as the model computes it at this moment."""
        assert self.compute is not None  # `called` sets it
        return self.compute(signal)


@contextmanager
def called(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Inside, the hand-written layers among these modules are called as modules are."""
    written = [module for module in modules if isinstance(module, HandWritten)]
    if not written:
        yield
        return
    with _Calls(written):
        yield


class _Calls(TorchFunctionMode):
    """While active, a product with the weight of one of these layers is a call of the layer."""

    def __init__(self, written: Iterable[HandWritten]) -> None:
        super().__init__()
        self._layers: dict[int, set[HandWritten]] = {}
        for module in written:
            self._layers[id(module.weight)] = {module}
        self._alive: list[Tensor] = []

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        name = name_of(func)
        if name in COPIES or name in MOVES:
            result = func(*args, **kwargs)
            self._follow([*tensors(args), *tensors(kwargs)], result)
            return result
        called_now = self._call(name, func, args, kwargs)
        return func(*args, **kwargs) if called_now is None else called_now()

    def _follow(self, operands: list[Tensor], result: Any) -> None:
        """Know the weights again in what they are rearranged to."""
        layers: set[HandWritten] = set()
        for operand in operands:
            layers |= self._layers.get(id(operand), set())
        for tensor in tensors(result) if layers else ():
            self._layers[id(tensor)] = layers
            self._alive.append(tensor)

    def _call(
        self, name: str, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Callable[[], Any] | None:
        """The call of a layer that a product is, or None."""
        product = CONVOLUTIONS.get(name, product_of)(name, args, kwargs)
        if product is None:
            return None
        weights = [each for each in product.operands if id(each) in self._layers]
        signals = [each for each in product.operands if id(each) not in self._layers]
        # What several layers share is called as none of them.
        if len(weights) != 1 or not signals or len(self._layers[id(weights[0])]) > 1:
            return None
        (layer,) = self._layers[id(weights[0])]
        signal = signals[0]

        def compute(new: Tensor) -> Any:
            """The operation with `new` in the place of the signal."""
            return func(*_exchanged(args, signal, new), **_exchanged(kwargs, signal, new))

        def run() -> Any:
            """The layer's output; its hooks may call it again with another signal."""
            layer.compute = compute
            return layer(signal)

        return run


def _exchanged(values: Any, old: Tensor, new: Tensor) -> Any:
    """Arguments with another tensor in the place of one."""
    if values is old:
        return new
    if isinstance(values, dict):
        return {key: _exchanged(value, old, new) for key, value in values.items()}
    if type(values) in (list, tuple):
        return type(values)(_exchanged(value, old, new) for value in values)
    return values
