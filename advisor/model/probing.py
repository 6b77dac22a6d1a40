"""Runs of the user's code that are no runs of the model: made only to see what the code does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from torch import nn

from advisor.model.preserve import state_kept

# How many probes are under way.
_probes = 0


def is_probing() -> bool:
    """Whether what runs now is a probe, and so no part of a forward pass."""
    return _probes > 0


@contextmanager
def probing(touched: Iterable[object] = ()) -> Iterator[None]:
    """Run the user's code only to see what it does; what it changes in `touched`, modules with
    their parts and other objects, is put back.
    """
    global _probes
    modules: dict[int, nn.Module] = {}
    others = []
    for value in touched:
        if isinstance(value, nn.Module):
            modules.update((id(part), part) for part in nn.Module.modules(value))
        else:
            others.append(value)
    with state_kept(modules.values(), others):
        _probes += 1
        try:
            yield
        finally:
            _probes -= 1
