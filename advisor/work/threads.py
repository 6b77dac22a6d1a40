"""How many threads torch has."""

from __future__ import annotations

import torch


def one_thread() -> None:
    """Give this process one torch thread.

    Two processes with one thread each are faster than one with two, and no thread spins.
    """
    torch.set_num_threads(1)
