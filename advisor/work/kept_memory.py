"""What becomes of memory that a process has freed."""

from __future__ import annotations

import ctypes
import sys

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""The numbers by which glibc's `mallopt` is asked (`malloc.h`)."""
FREED = 512 * 2**20
"""Bytes that a process keeps free for itself before it gives any back."""
LARGEST = 32 * 2**20
"""Bytes from which on a block is the system's own, and given back at once: the most that glibc
takes here.
"""


def keep_freed_memory() -> None:
    """Let this process use again what it has freed.

    Each step of a training frees what the next one asks for. By default it goes back to the system
    where it is large, such as the activations of a convolution, and comes back page by page, each
    emptied anew: a third of the time of a small convolutional net. Nothing is done where the
    system's allocator is another one.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        ask = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another library than glibc
        return
    ask(MMAP_THRESHOLD, LARGEST)
    ask(TRIM_THRESHOLD, FREED)
