"""Initial draws that two models share wherever they draw for a tensor of the same shape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from advisor.randomness import mix

Shape = tuple[int, ...]
"""The shape of a tensor, by which its draws are found."""


class DrawsByShape(TorchDispatchMode):
    """Gives every tensor that is drawn a random stream of its own.

    The stream depends on the seed, the shape, and how many tensors of that shape were drawn before.
    So a layer that an edit adds or moves does not give all layers after it other draws. A bias has
    the stream of its layer's weights, too, as layers of other inputs have biases of its shape.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's class has no types
        self._seed = seed
        self._weights: Shape = ()  # of the last tensor of several dimensions
        self._counts: Counter[tuple[Shape, Shape]] = Counter()
        self._streams: dict[tuple[int, Shape], int] = {}
        self._held: list[Tensor] = []  # so that no other tensor gets the address of one of them

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run an operation, with the stream of its tensor where it draws."""
        given = dict(kwargs or {})
        if is_drawn(func) and given.get("generator") is None:
            # Where there is no accelerator, torch notes for each call who asked to seed one.
            torch.default_generator.manual_seed(self._stream(args))
        return func(*args, **given)

    def _stream(self, args: Sequence[Any]) -> int:
        """The seed for what is drawn; a tensor that is drawn again has the one that it had."""
        shape = shape_of(args)
        target = args[0] if args and isinstance(args[0], Tensor) else None
        known = None if target is None else (target.data_ptr(), shape)
        if known in self._streams:
            return self._streams[known]
        if len(shape) > 1:
            self._weights = shape
        kind = (self._weights, shape)
        stream = mix(self._seed, "draw", kind, self._counts[kind])
        self._counts[kind] += 1
        if target is not None and known is not None:
            self._held.append(target)
            self._streams[known] = stream
        return stream


def is_drawn(func: Any) -> bool:
    """Whether an operation draws random numbers."""
    return torch.Tag.nondeterministic_seeded in func.tags


def shape_of(args: Sequence[Any]) -> Shape:
    """The shape of what an operation draws: that of its tensor, or the size that it is given."""
    first = args[0] if args else ()
    if isinstance(first, Tensor):
        return tuple(first.shape)
    sizes = first if isinstance(first, (list, tuple)) else args
    return tuple(size for size in sizes if isinstance(size, int))


@contextmanager
def shared_draws(seed: int, is_shared: bool) -> Iterator[None]:
    """While this is open, tensors are drawn by their shapes; only where that is asked for."""
    if not is_shared:
        yield
        return
    with DrawsByShape(seed):
        yield
