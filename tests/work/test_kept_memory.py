"""What becomes of memory that a worker has freed."""

import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import torch
from advisor.work import kept_memory
if "keep" in sys.argv:
    kept_memory.keep_freed_memory()
def step():
    return [torch.ones(2**20) for _ in range(8)]
step(), step(), step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(*words):
    command = (sys.executable, "-c", FAULTS, *words)
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc alone is asked")
def test_what_a_step_has_freed_is_used_by_the_next_one():
    """Of 320 MB in ten steps, no page is asked for again."""
    assert faults("keep") < 100
    assert faults() > 1000


def test_another_allocator_is_left_alone(monkeypatch):
    from advisor.work import kept_memory

    monkeypatch.setattr(kept_memory.sys, "platform", "darwin")
    monkeypatch.setattr(kept_memory.ctypes, "CDLL", None)
    kept_memory.keep_freed_memory()
