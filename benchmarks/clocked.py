"""What a command takes, with all the processes that come of it.

    took = take(["advisor", "tune", "study.py", "--json"])
    took.clock, took.processor

Workers are started by a server that outlives nobody but is waited for by nobody, either; its time
would be missing. So this process takes in what the command leaves behind, where Linux lets it.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
"""The number by which Linux is asked to give orphans of a command to this process."""
ORPHAN_SECONDS = 30.0
"""How long processes are waited for that a command has left behind."""


@dataclass(frozen=True)
class Took:
    """What a command took, and said.

    Attributes:
        clock: seconds on the clock, from its start to its end.
        processor: processor seconds of it and of all that came of it.
        out, err: what it wrote.
    """

    clock: float
    processor: float
    out: str
    err: str


def take(
    words: Sequence[str | Path], folder: Path | None = None, more: Mapping[str, str] | None = None
) -> Took:
    """Run a command to its end.

    Arguments:
        words: the command.
        folder: where it runs; None for here.
        more: environment variables beside those of this process.

    Raises:
        SystemExit: it failed; the text has what it said last.
    """
    # As users have it, who translate a source once.
    usual = {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    adopt_orphans()
    began, before = time.perf_counter(), of_children()
    ended = subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env={**usual, "OMP_WAIT_POLICY": "PASSIVE", **(more or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    clock = time.perf_counter() - began
    wait_for_orphans()
    if ended.returncode:
        said = "\n".join((ended.stdout + ended.stderr).splitlines()[-20:])
        line = " ".join(map(str, words))
        raise SystemExit(f"exit code {ended.returncode} of {line}:\n{said}")
    return Took(clock, of_children() - before, ended.stdout, ended.stderr)


def of_children() -> float:
    """Processor seconds of all processes that this one has waited for, and of theirs."""
    used = os.times()
    return used.children_user + used.children_system


def adopt_orphans() -> None:
    """Have processes whose parent ends become children of this one; elsewhere than on Linux their
    time is missing.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def wait_for_orphans() -> None:
    """Wait for all children that are left, for a while."""
    until = time.monotonic() + ORPHAN_SECONDS
    while time.monotonic() < until:
        try:
            number, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not number:
            time.sleep(0.01)
