"""What simple models reach on the test rows of a study, which a worker finds out that would wait.

It depends on the study alone, and nothing but what is told of it depends on it.
"""

from __future__ import annotations

from advisor.training.floor import Floor, Simple
from advisor.training.floors import floors
from advisor.work.executors import Crew
from advisor.work.job import Job
from advisor.work.opened import prepared_for
from advisor.work.prepare import Prepared
from advisor.work.process_settings import settings_kept
from advisor.work.worker_process import WorkerDied


def begin_simple_models(prepared: Prepared, crew: Crew) -> None:
    """Let a worker begin, where the first training of a study leaves one without work.

    Under a limit of time nothing is begun: how long that training takes decides what there is time
    for.
    """
    if prepared.has_rows and prepared.study.minutes is None:
        crew.begin_beside(work_on_simple_models, job_of(prepared))


def simple_models(prepared: Prepared, crew: Crew) -> list[Floor]:
    """What a worker has found, or what is found here where none has; nothing of a script."""
    if not prepared.has_rows:
        return []
    found: list[Floor] | None = None
    try:
        found = crew.found_beside(job_of(prepared))
    except WorkerDied as death:
        # What ends a worker by itself would end this process, too.
        if not death.from_outside:
            return [Floor(model, None, 0, f"its worker ended: {death}") for model in Simple]
    except Exception:  # noqa: S110  # whatever a worker or its machine lacked, this process has it
        pass
    return of_test_rows(prepared, prepared.batch) if found is None else found


def work_on_simple_models(job: Job) -> list[Floor]:
    """What simple models reach, in a worker."""
    opening = prepared_for(job.study, job.device, job.opening_id, job.content, job.rows)
    with opening as prepared, settings_kept():
        return of_test_rows(prepared, job.batch)


def of_test_rows(prepared: Prepared, batch: int) -> list[Floor]:
    """What simple models reach on the test rows, in batches of `batch` rows."""
    seed = prepared.study.seed
    return floors(prepared.run(seed, seed), prepared.splits(seed).test, batch)


def job_of(prepared: Prepared) -> Job:
    """The study and its rows, as a job that trains nothing."""
    seed = prepared.study.seed
    return Job(
        study=prepared.ref,
        opening_id=prepared.opening_id,
        content=prepared.digest,
        params={},
        seed=seed,
        split=seed,
        batch=prepared.batch,
        from_epoch=0,
        to_epoch=0,
        device=str(prepared.device),
        name="the simple models",
        rows=prepared.rows,
    )
