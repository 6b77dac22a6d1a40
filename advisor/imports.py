"""Imports of large libraries, in less time."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Import inside without looking for garbage.

    An import makes many objects that stay, and each look goes through all of them: a fifth of the
    time of importing torch.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def keep_all() -> None:
    """Never look at what is there now for garbage; for a program of our own, once it has imported
    what it needs.
    """
    gc.freeze()
