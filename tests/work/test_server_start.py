"""The server that forks workers."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

LARGE = """
import atexit, sys

class Kept:
    def __del__(self):
        print("taken down", file=sys.stderr, flush=True)

kept = Kept()
atexit.register(print, "at its end", file=sys.stderr)
"""
PROGRAM = """
from advisor.work import processes
del processes.PRELOADED[1:]
processes.warm_up(["large"])
processes.start_process(print, "from a worker").join()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux alone")
def test_the_server_ends_in_order_without_taking_down_what_it_has_imported(tmp_path):
    (tmp_path / "large.py").write_text(LARGE)
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    # The output is at its end when the server has ended, too.
    assert (ended.stdout, ended.stderr) == ("from a worker\n", "at its end\n")


def test_a_process_that_reads_the_module_ends_as_it_would():
    program = "import sys, advisor.work.server_start; sys.exit(3)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 3
