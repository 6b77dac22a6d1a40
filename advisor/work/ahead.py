"""Jobs that workers have begun before whoever needs them asks for them."""

from __future__ import annotations

from concurrent.futures import Future, wait
from typing import Any

from advisor.work.job import Job


class Ahead:
    """What was begun ahead, by the names of the jobs."""

    def __init__(self) -> None:
        self._begun: dict[str, tuple[Job, Future[Any]]] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._begun

    @property
    def busy(self) -> int:
        """How many of them are not over."""
        return sum(not future.done() for _, future in self._begun.values())

    def note(self, job: Job, future: Future[Any]) -> None:
        """Note what was begun."""
        self._begun[job.name] = (job, future)

    def take(self, job: Job) -> Future[Any] | None:
        """What was begun of this very job; None where nothing was. It is forgotten here."""
        known, future = self._begun.pop(job.name, (None, None))
        return future if known == job else None

    def wait(self) -> None:
        """Wait until all are over."""
        wait([future for _, future in self._begun.values()])

    def clear(self) -> None:
        """Forget them all."""
        self._begun.clear()
