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
    So a layer that an edit adds or moves does not give all layers after it other draws.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's class has no types
        self._seed = seed
        self._counts: Counter[Shape] = Counter()
        self._places: dict[tuple[int, Shape], int] = {}
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
            shape = shape_of(args)
            place = self._place(args, shape)
            # Where there is no accelerator, torch notes for each call who asked to seed one.
            torch.default_generator.manual_seed(mix(self._seed, "draw", shape, place))
        return func(*args, **given)

    def _place(self, args: Sequence[Any], shape: Shape) -> int:
        """Which tensor of its shape this is; one that is drawn again keeps its place."""
        target = args[0] if args else None
        if isinstance(target, Tensor):
            key = (target.data_ptr(), shape)
            if key in self._places:
                return self._places[key]
            self._held.append(target)
            self._places[key] = self._counts[shape]
        self._counts[shape] += 1
        return self._counts[shape] - 1


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
