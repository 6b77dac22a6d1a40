"""Seeds that depend on what they are for, so that nothing shares or advances another's random
state.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def mix(*parts: object) -> int:
    """A seed in [0, 2³¹) that depends on every part: `mix(study.seed, "order", epoch)`."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:4], "big") >> 1


@contextmanager
def isolated(seed: int) -> Iterator[torch.Generator]:
    """Inside, Python's, NumPy's and torch's global random states start from `seed`; outside, they
    are as before.
    """
    with preserved():
        start_from(seed)
        yield torch.Generator().manual_seed(seed)


def start_from(seed: int) -> None:
    """Start Python's, NumPy's and torch's global random states from `seed`."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # which takes no other seeds
    # Where there is no accelerator, torch notes for each call who asked to seed one.
    if torch.accelerator.is_available():
        torch.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)


@contextmanager
def preserved() -> Iterator[None]:
    """What is drawn inside leaves Python's, NumPy's and torch's global random states as they
    were.
    """
    before = random.getstate(), np.random.get_state(), torch.random.get_rng_state()
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.random.set_rng_state(before[2])


def random_states() -> tuple[object, ...]:
    """Python's, NumPy's and torch's global random states, to be compared."""
    kind, keys, *rest = np.random.get_state()
    numpy = (kind, np.asarray(keys).tobytes(), *rest)
    return random.getstate(), numpy, torch.random.get_rng_state().numpy().tobytes()
