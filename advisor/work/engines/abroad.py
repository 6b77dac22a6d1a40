"""A crew whose workers are those of an engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from advisor.content.files_read import FilesRead
from advisor.errors import InputError
from advisor.study import Study
from advisor.work.crews import crew
from advisor.work.engines.collecting import Shipment, shipment_of
from advisor.work.engines.engine import Engine, engine_of
from advisor.work.engines.errand import MOST_BYTES
from advisor.work.engines.far_pool import FarPool
from advisor.work.engines.scratch import Scratch
from advisor.work.executors import Crew
from advisor.work.study_ref import StudyRef


@dataclass
class Abroad:
    """What is known of the workers of an engine.

    Attributes:
        engine: has them.
        scratch: a folder that all reach, or None.
        shipments: studies that were opened here, as they go to workers.
        folders: of this machine whose files are in scratch, by their names there.
    """

    engine: Engine
    scratch: Scratch | None = None
    shipments: dict[StudyRef, Shipment] = field(default_factory=dict)
    folders: dict[str, Path] = field(default_factory=dict)


class FarCrew(Crew):
    """Runs jobs on the workers of an engine.

    Arguments:
        abroad: the engine.
        most: jobs at once; None for as many as the engine has room for.
    """

    def __init__(self, abroad: Abroad, most: int | None = None) -> None:
        super().__init__(self._pool, 1)
        self.abroad, self._most = abroad, most

    @property
    def workers(self) -> int:
        """How many jobs run at once, as many as the engine has room for now."""
        return self._most or self.abroad.engine.slots()

    @workers.setter
    def workers(self, count: int) -> None:
        """The engine decides."""

    @property
    def in_flight(self) -> int:
        """Some more than there are workers, so that none waits until an outcome is written."""
        return handed_out(self.workers)

    def stop(self) -> None:
        """Let go of the workers, and remove from scratch what this machine does not keep."""
        super().stop()
        if self.abroad.scratch is not None:
            for name, folder in self.abroad.folders.items():
                self.abroad.scratch.tidy(name, folder)

    def refuse_scripts(self) -> None:
        """A script may read files that nobody knows of before it runs."""
        raise InputError(
            "A training script (--script) runs on this machine alone: leave --executor out, or "
            "describe the task in a study file."
        )

    @contextmanager
    def near(self) -> Iterator[Crew]:
        """A process of this machine, which ends with the block."""
        with crew(1, self.on_wait) as workers:
            yield workers

    def send_along(self, ref: StudyRef, study: Study, read: FilesRead) -> None:
        """Pack the files of a study that was opened here, for workers that have not got them."""
        most = MOST_BYTES if self.abroad.scratch is None else None
        self.abroad.shipments[ref] = shipment_of(ref, study, read, most)
        self._tell_left_out(self.abroad.shipments[ref].packed.left_out)

    def _tell_left_out(self, left_out: Mapping[str, int]) -> None:
        for path, size in left_out.items():
            self.on_wait(
                f"{path} has {size / 2**20:.0f} MB, too much to travel: workers must find it at "
                "the same path, or give a folder that all reach with --scratch"
            )

    def _pool(self) -> Executor:
        abroad = self.abroad
        folders = abroad.folders
        return FarPool(abroad.engine, abroad.shipments, abroad.scratch, self.on_wait, folders)


def handed_out(workers: int) -> int:
    """Jobs that so many workers of an engine are given at once."""
    return workers + workers // 8 + 1


def hired_of(
    executor: str | Executor | None,
    workers: int | None,
    scratch: str | Path | None,
    device: str = "cpu",
) -> Crew | None:
    """The crew of an engine; None where there is none.

    Arguments:
        executor: what `--executor` says, or an executor.
        workers: jobs at once; None for as many as the engine has room for.
        scratch: a folder or URL that all workers reach; None where states travel with jobs.
        device: what `--device` says.

    Raises:
        InputError: there is no such engine, or an option that says nothing without or with one.
    """
    if executor is None:
        if scratch is not None:
            raise InputError(
                f"--scratch {scratch} is for the workers of an engine: name it with --executor, "
                "or leave --scratch out."
            )
        return None
    if "," in device:
        raise InputError(
            f"--device {device} is for the workers of this machine. With --executor name one, such "
            "as cuda, and let each worker of the engine see a device of its own: "
            "CUDA_VISIBLE_DEVICES=1 dask worker …"
        )
    if workers == 0:
        raise InputError("--workers 0 trains in this process: leave it out, or leave --executor.")
    place = None
    if scratch is not None:
        # A plain folder is one path for all machines.
        is_url = "://" in str(scratch)
        place = Scratch(str(scratch) if is_url else str(Path(scratch).expanduser().absolute()))
    return FarCrew(Abroad(engine_of(executor), place), workers)
