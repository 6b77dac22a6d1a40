"""A plain function where a model holds an activation module."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

# A module or a plain function, of one tensor.
Activation = Callable[[Tensor], Tensor]


class Pointwise(nn.Module):
    """A plain function where the model holds an activation module."""

    def __init__(self, function: Activation) -> None:
        super().__init__()
        self.function = function
        # `<lambda>` is shown, and named as a kind, without its brackets.
        self.name = getattr(function, "__name__", type(function).__name__).strip("<>")

    def forward(self, x: Tensor) -> Tensor:
        """The function of `x`."""
        return self.function(x)

    def extra_repr(self) -> str:
        """The function's name."""
        return self.name
