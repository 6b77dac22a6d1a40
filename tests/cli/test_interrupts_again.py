"""An interrupt that Python lets fall, as in a finalizer, is raised again."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import os, signal, time
from advisor.cli.signals import Signals

signals = Signals(lambda number: "too late")
signals.install()

class Held:
    def __del__(self):
        os.kill(os.getpid(), {number})
        for _ in range(1000):
            pass

try:
    held = Held()
    del held
    time.sleep(20)
    print("went on")
except KeyboardInterrupt:
    print("interrupted by", signals.received)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no kill")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_in_a_finalizer_is_raised_again(number):
    line = [sys.executable, "-c", PROGRAM.format(number=int(number))]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60)
    assert done.stdout == f"interrupted by {int(number)}\n"
    assert done.stderr == ""
