"""The operations in which layers use their weights, caught while the model runs: their inputs, and
a way to run them again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_CONV = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
_TRANSPOSED = (
    "input",
    "weight",
    "bias",
    "stride",
    "padding",
    "output_padding",
    "groups",
    "dilation",
)
_ARGUMENTS: dict[str, tuple[str, ...]] = {
    "linear": ("input", "weight", "bias"),
    **{f"conv{d}d": _CONV for d in (1, 2, 3)},
    **{f"conv_transpose{d}d": _TRANSPOSED for d in (1, 2, 3)},
    "addmm": ("bias", "input", "weight"),  # with a weight that lies as (in, out)
    **dict.fromkeys(("matmul", "mm", "embedding", "embedding_bag"), ("input", "weight")),
}


@dataclass(frozen=True, eq=False)
class Operation:
    """One use of a layer's weight, as it is called in the model; call it with another input.

    Arguments:
        name: `linear`, `conv2d`, `conv_transpose1d`, `matmul`, `addmm` or `recurrent`.
        settings: stride, padding and the like, where they were given.
    """

    name: str
    settings: dict[str, Any]
    call: Callable[[Tensor], Tensor] = field(repr=False)

    def __call__(self, inputs: Tensor) -> Tensor:
        """The operation's output, with the layer's weights as they are now."""
        return self.call(inputs)


See = Callable[[Tensor, Operation, Tensor], None]
"""Is told a weight, the operation that uses it, and the operation's input."""


class Watch(TorchFunctionMode):
    """While active, `see(weight, operation, input)` is called for every operation that uses one of
    `weights` itself.
    """

    def __init__(self, weights: Collection[Tensor], see: See) -> None:
        super().__init__()
        self._weights = {id(weight) for weight in weights}
        self._see = see

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        name = str(getattr(func, "__name__", "")).strip("_")
        given = dict(zip(_ARGUMENTS.get(name, ()), args, strict=False)) | kwargs
        weight, inputs = given.get("weight"), given.get("input")
        if (
            id(weight) in self._weights
            and isinstance(weight, Tensor)
            and isinstance(inputs, Tensor)
        ):
            settings = {
                key: value for key, value in given.items() if key not in ("input", "weight", "bias")
            }
            self._see(
                weight, Operation(name, settings, _replay(func, args, kwargs, inputs)), inputs
            )
        return func(*args, **kwargs)


def _replay(
    func: Callable[..., Tensor], args: tuple[Any, ...], kwargs: dict[str, Any], old: Tensor
) -> Callable[[Tensor], Tensor]:
    def call(new: Tensor) -> Tensor:
        return func(
            *(new if x is old else x for x in args),
            **{key: new if x is old else x for key, x in kwargs.items()},
        )

    return call


@contextmanager
def listening(recurrent: Mapping[nn.Module, Tensor], see: See) -> Iterator[None]:
    """While open, `see(weight, operation, input)` is called for every run of these recurrent
    modules on a plain tensor.

    The operation takes (rows, steps, features), starts from a zero state and gives the outputs of
    all steps, whatever order the module has.
    """
    with ExitStack() as hooks:
        for module, weight in recurrent.items():
            handle = module.register_forward_pre_hook(_told(weight, see), with_kwargs=True)
            hooks.callback(handle.remove)
        yield


def _told(weight: Tensor, see: See) -> Callable[[nn.Module, tuple[Any, ...], dict[str, Any]], None]:
    def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        inputs = args[0] if args else kwargs.get("input")
        if isinstance(inputs, Tensor):
            rows_first = module.batch_first or inputs.ndim == 2
            see(
                weight,
                Operation("recurrent", {}, _steps(module)),
                inputs if rows_first else inputs.transpose(0, 1),
            )

    return hook


def _steps(module: nn.Module) -> Callable[[Tensor], Tensor]:
    def call(inputs: Tensor) -> Tensor:
        output: Tensor = module(inputs if module.batch_first else inputs.transpose(0, 1))[0]
        return output if module.batch_first else output.transpose(0, 1)

    return call
