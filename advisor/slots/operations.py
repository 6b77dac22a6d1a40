"""The operations in which layers use their weights, recorded while the model runs: their inputs,
and a way to run them again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

# Torch's convolutions and transposed ones take the same settings in another order.
_CONV = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
_CONV_TRANSPOSE = (
    *("input", "weight", "bias", "stride", "padding"),
    *("output_padding", "groups", "dilation"),
)
_ARGUMENTS: dict[str, tuple[str, ...]] = {
    "linear": ("input", "weight", "bias"),
    "addmm": ("bias", "input", "weight"),  # with a weight that lies as (in, out)
    "matmul": ("input", "weight"),
    "mm": ("input", "weight"),
    "embedding": ("input", "weight"),
    "embedding_bag": ("input", "weight"),
    "conv1d": _CONV,
    "conv2d": _CONV,
    "conv3d": _CONV,
    "conv_transpose1d": _CONV_TRANSPOSE,
    "conv_transpose2d": _CONV_TRANSPOSE,
    "conv_transpose3d": _CONV_TRANSPOSE,
}
"""Names of the positional arguments of each function that uses a weight, in torch's order."""


@dataclass(frozen=True, eq=False)
class Operation:
    """One use of a layer's weight, as it is called in the model; call it with another input.

    Arguments:
        name: `linear`, `conv2d`, `conv_transpose1d`, `matmul`, `addmm` or `recurrent`.
        settings: stride, padding and the like, where the call gives them.
        bias: that the call adds, or None.
    """

    name: str
    settings: dict[str, Any]
    call: Callable[[Tensor], Tensor] = field(repr=False)
    bias: Tensor | None = field(default=None, repr=False)

    def __call__(self, inputs: Tensor) -> Tensor:
        """The operation's output, with the layer's weights as they are now."""
        return self.call(inputs)


OnUse = Callable[[Tensor, Operation, Tensor], None]
"""Called with a weight, the operation that uses it, and the operation's input."""


class WeightUses(TorchFunctionMode):
    """While active, `on_use(weight, operation, input)` is called for every operation that uses one
    of `weights` itself.
    """

    def __init__(self, weights: Collection[Tensor], on_use: OnUse) -> None:
        super().__init__()
        # Tensors compare by value; the identity of a weight is that of its object.
        self._weights = {id(weight) for weight in weights}
        self._on_use = on_use

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        # `addmm_`, which works in place, takes the same arguments as `addmm`.
        name = str(getattr(func, "__name__", "")).strip("_")
        arguments = dict(zip(_ARGUMENTS.get(name, ()), args, strict=False)) | kwargs
        weight, inputs = arguments.get("weight"), arguments.get("input")
        if not isinstance(weight, Tensor) or not isinstance(inputs, Tensor):
            return func(*args, **kwargs)
        if id(weight) in self._weights:
            bias = arguments.get("bias")
            for key in ("input", "weight", "bias"):
                arguments.pop(key, None)
            replay = _with_other_input(func, args, kwargs, inputs)
            self._on_use(weight, Operation(name, arguments, replay, bias), inputs)
        return func(*args, **kwargs)


def _with_other_input(
    func: Callable[..., Tensor], args: tuple[Any, ...], kwargs: dict[str, Any], old: Tensor
) -> Callable[[Tensor], Tensor]:
    """A call as a function of its input."""

    def replay(new: Tensor) -> Tensor:
        """The call with `new` wherever it had the old input."""
        other_args = [new if x is old else x for x in args]
        other_kwargs = {key: new if x is old else x for key, x in kwargs.items()}
        return func(*other_args, **other_kwargs)

    return replay


@contextmanager
def recurrent_uses(recurrent: Mapping[nn.Module, Tensor], on_use: OnUse) -> Iterator[None]:
    """While open, `on_use(weight, operation, input)` is called for every run of these recurrent
    modules on a plain tensor.

    The operation takes (rows, steps, features), starts from a zero state and gives the outputs of
    all steps, whatever order the module has.
    """
    with ExitStack() as hooks:
        for module, weight in recurrent.items():
            hook = _recurrent_hook(module, weight, on_use)
            handle = module.register_forward_pre_hook(hook, with_kwargs=True)
            hooks.callback(handle.remove)
        yield


def _recurrent_hook(
    module: nn.Module, weight: Tensor, on_use: OnUse
) -> Callable[[nn.Module, tuple[Any, ...], dict[str, Any]], None]:
    """A hook before the forward pass of a recurrent module that reports the pass."""

    def run_all_steps(inputs: Tensor) -> Tensor:
        """The outputs (rows, steps, features) for inputs of the same order."""
        output: Tensor = module(inputs if module.batch_first else inputs.transpose(0, 1))[0]
        return output if module.batch_first else output.transpose(0, 1)

    def hook(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Report the input with rows first; a packed sequence is left out."""
        inputs = args[0] if args else kwargs.get("input")
        if isinstance(inputs, Tensor):
            # A single sequence, (steps, features), has no rows to put first.
            rows_first = module.batch_first or inputs.ndim == 2
            rows = inputs if rows_first else inputs.transpose(0, 1)
            on_use(weight, Operation("recurrent", {}, run_all_steps), rows)

    return hook
