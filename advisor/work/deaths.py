"""How often the worker of a job has died: what a study remembers of it."""

from __future__ import annotations

from typing import Protocol


class Deaths(Protocol):
    """Counts deaths by the name of the job. Every call is written at once."""

    def count(self, job: str) -> int:
        """How many workers have died over a job since it came to its end the last time."""

    def why(self, job: str) -> str:
        """How the last of them died."""

    def add(self, job: str, why: str) -> None:
        """Count one more."""

    def forget(self, job: str | None = None) -> None:
        """Forget those of a job, or of all jobs."""


class DeathsInMemory:
    """Deaths that are forgotten with the process."""

    def __init__(self) -> None:
        self._reasons: dict[str, list[str]] = {}

    def count(self, job: str) -> int:
        """How many workers have died over a job since it came to its end the last time."""
        return len(self._reasons.get(job, ()))

    def why(self, job: str) -> str:
        """How the last of them died."""
        return self._reasons[job][-1]

    def add(self, job: str, why: str) -> None:
        """Count one more."""
        self._reasons.setdefault(job, []).append(why)

    def forget(self, job: str | None = None) -> None:
        """Forget those of a job, or of all jobs."""
        if job is None:
            self._reasons.clear()
        else:
            self._reasons.pop(job, None)
