"""`advisor.tune`: what it may be called with. The rest is imported when it is called."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING

from advisor.api.beforehand import begin_server
from advisor.imports import uncollected

if TYPE_CHECKING:
    from advisor.events import Listener
    from advisor.study import Study
    from advisor.verdict.recommendation import Recommendation
    from advisor.work.prepare import Prepared
    from advisor.work.study_ref import StudyRef


def tune(
    study: Study | StudyRef | Prepared | str | Path,
    *,
    storage: str | None = None,
    workers: int | None = None,
    device: str = "cpu",
    plugins: Sequence[str] = (),
    executor: Executor | str | None = None,
    scratch: str | Path | None = None,
    on: Listener = lambda event: None,
) -> Recommendation:
    """Search, confirm and recommend.

    A study that was stopped goes on where it stopped; one that is done answers at once.

    Arguments:
        study: an `advisor.Study`, or the path of a study file (`STUDY.py` or `STUDY.py:NAME`).
        storage: database URL or SQLite path; None for `ADVISOR_STORAGE` or
            `sqlite:///studies/advisor.db`.
        workers: processes that train (1); 0 trains in this one, which code of the study can then
            end or hold up. With an executor: trainings at once, as many as it has workers if None.
        device: a torch device, or several of one kind with commas between them, of which each
            worker has one; then there is a worker a device unless `workers` says more.
        plugins: plugin files to load besides the installed plugins.
        executor: a `concurrent.futures.Executor` that trains, such as that of a Dask client, or
            what `--executor` takes: `dask://HOST:PORT` or `module:factory`.
        scratch: a folder, or a URL of fsspec's, that this machine and all workers of the executor
            reach; without one training states travel with the trainings.
        on: a listener, called with an `advisor.Event` whenever there is something to show:
            `StudyOpened`, `TrialEnded`, `SeedEnded`, `VerdictGiven`, or a plain one. What it raises
            is told once, and ends nothing.

    Example:
        >>> import advisor, torch
        >>> from torch import nn
        >>> def net():
        ...     return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
        >>> task = advisor.Task(net, (torch.randn(60, 4), torch.arange(60) % 3))
        >>> study = advisor.Study("small", task, trials=4, epochs=1, seeds=3)
        >>> advisor.tune(study).verdict in ("change", "keep", "undecided")
        True

    Raises:
        InputError: the task is at fault.
        SearchError: no trial ended with a score.
        MachineError: the machine is at fault; the same call goes on where it stopped.
    """
    begin_server(workers, executor, study)
    with uncollected():
        from advisor.api.tuning import ask
    return ask(
        study,
        storage=storage,
        workers=workers,
        device=device,
        plugins=plugins,
        executor=executor,
        scratch=scratch,
        on=on,
    )
