"""A Dask scheduler and its workers as processes of the tests' own, on loopback."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Cluster:
    """A scheduler, and workers of which each has a folder and a HOME of its own."""

    def __init__(self, folder: Path) -> None:
        if importlib.util.find_spec("distributed") is None:
            pytest.skip("Dask is not installed: pip install 'torch-advisor[dask]'")
        self.folder, self.port = folder, free_port()
        self.workers: list[subprocess.Popen] = []
        self.scheduler = self.start_scheduler()

    @property
    def name(self) -> str:
        return f"dask://127.0.0.1:{self.port}"

    def start_scheduler(self) -> subprocess.Popen:
        words = ["--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard"]
        self.scheduler = self._start("scheduler", words, self.folder / "scheduler", {})
        self._wait_for(lambda: is_answered(self.port), "no scheduler")
        return self.scheduler

    def start_worker(self, nanny: bool = False, **environment: str) -> subprocess.Popen:
        folder = self.folder / f"worker-{len(self.workers)}"
        # Nobody starts a worker anew that a test has killed.
        words = [f"tcp://127.0.0.1:{self.port}", "--nthreads", "1", "--no-dashboard"]
        words += [] if nanny else ["--no-nanny"]
        home = {"HOME": str(folder), **environment}
        worker = self._start("worker", words, folder, home)
        self.workers.append(worker)
        log = folder / "log"
        self._wait_for(lambda: "Registered to" in log.read_text(), f"no worker: {log}")
        return worker

    def kill(self, process: subprocess.Popen) -> None:
        """End a process and all that it has started, as a machine that goes down does."""
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        for process in [*self.workers, self.scheduler]:
            if process.poll() is None:
                self.kill(process)

    def _start(self, what, words, folder, environment) -> subprocess.Popen:
        folder.mkdir(parents=True, exist_ok=True)
        line = [sys.executable, "-m", "distributed.cli.dask_" + what, *words]
        with (folder / "log").open("w") as log:
            return subprocess.Popen(
                line,
                cwd=folder,
                env={**os.environ, "DASK_TEMPORARY_DIRECTORY": str(folder), **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @staticmethod
    def _wait_for(is_there, otherwise) -> None:
        deadline = time.monotonic() + 60
        while not is_there():
            assert time.monotonic() < deadline, otherwise
            time.sleep(0.1)


def is_answered(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
