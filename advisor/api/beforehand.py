"""What is begun before the first large import of a call."""

from __future__ import annotations

import sys
from pathlib import Path

from advisor.work.named_libraries import libraries_of
from advisor.work.processes import warm_up


def begin_server(workers: object, executor: object, *studies: object) -> None:
    """Let the server that forks workers import what they need, beside this process.

    Arguments:
        workers: as they were given to `advisor.tune`; 0 has none.
        executor: likewise; where there is one, it has its own workers.
        studies: likewise. What the file of one imports is imported there, or what the program
            imports, where a study was made in it.
    """
    if executor is None and workers != 0:
        warm_up(libraries_of(*map(file_of, studies)))


def file_of(study: object) -> str | None:
    """The file that a study was made in, as far as that can be seen; else None."""
    if hasattr(study, "task"):
        return getattr(sys.modules["__main__"], "__file__", None)
    file = getattr(study, "file", study)
    return str(file) if isinstance(file, str | Path) else None
