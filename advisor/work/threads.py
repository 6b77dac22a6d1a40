"""How many threads torch has."""

from __future__ import annotations


def one_thread() -> None:
    """Give this process one torch thread.

    Two processes with one thread each are faster than one with two, and no thread spins.
    """
    import torch  # here, because a worker of an engine only starts processes and needs none itself

    torch.set_num_threads(1)
