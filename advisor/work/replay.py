"""One training of an arm in this process, with the model that comes out of it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from advisor.errors import SearchError
from advisor.randomness import mix
from advisor.training.hooks import scoring, values_of
from advisor.training.run import Run
from advisor.user_code import kept_from_exiting, user_faults
from advisor.work.job import Job, Outcome, note_problem, train_into
from advisor.work.opened import in_this_process
from advisor.work.prepare import Prepared
from advisor.work.process_settings import settings_kept
from advisor.work.threads import one_thread


@dataclass(frozen=True)
class Trained:
    """A model that was trained as a study trains on a measuring seed.

    Attributes:
        model: trained, in evaluation mode.
        score: on the rows that this seed holds out, by the metric of the study.
        seed: of the rows, the initial draws, the batch order and dropout.

    Example:
        >>> import advisor, torch
        >>> from torch import nn
        >>> def net():
        ...     return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
        >>> task = advisor.Task(net, (torch.randn(60, 4), torch.arange(60) % 3))
        >>> trained = advisor.train(advisor.Study("small", task), epochs=1, seed=1)
        >>> trained.model(torch.randn(5, 4)).shape
        torch.Size([5, 3])
    """

    model: nn.Module
    score: float
    seed: int


def measuring_seed(seed: int, place: int) -> int:
    """The number of a measuring seed by its place, from 0, in a study with a seed of its own."""
    return mix(seed, "measure", place)


def train_once(
    prepared: Prepared, params: Mapping[str, Any], batch: int, epochs: int, seed: int
) -> Trained:
    """Train an arm as a measuring seed does: on rows of its own, to the end.

    Arguments:
        prepared: the study, opened.
        params: one technique per slot, and every parameter by its full name.
        batch: rows in a mini-batch.
        epochs: of the training.
        seed: of the rows, the initial draws, the batch order and dropout.

    Raises:
        SearchError: the training broke.
        MachineError: the machine refused something.
    """
    outcome = Outcome()
    with tempfile.TemporaryDirectory() as cache:
        job = measuring_job(prepared, params, batch, epochs, seed)
        run = trained_run(outcome, replace(job, cache=cache), prepared)
    if run is None:
        why = outcome.trouble or outcome.why
        raise SearchError(f"Study {prepared.study.name!r}: the training with seed {seed}: {why}.")
    score = prepared.criterion.score(outcome.curve, epochs)
    return Trained(scored_model(run), float(score), seed)


def measuring_job(
    prepared: Prepared, params: Mapping[str, Any], batch: int, epochs: int, seed: int
) -> Job:
    """The job of a training on a measuring seed; arguments are those of `train_once`."""
    return Job(
        study=prepared.ref,
        opening_id=prepared.opening_id,
        content=prepared.digest,
        params=params,
        seed=seed,
        split=seed,
        batch=batch,
        from_epoch=0,
        to_epoch=epochs,
        measures=True,
        rows=prepared.rows,
        device=str(prepared.device),
    )


def trained_run(outcome: Outcome, job: Job, prepared: Prepared) -> Run | None:
    """The run of a job, done here as `work` does it; None where it broke, as `outcome` says."""
    with in_this_process(prepared), settings_kept(), kept_from_exiting():
        # As many threads as a worker has, whose sums are then the same.
        one_thread()
        try:
            return train_into(outcome, job, prepared)
        except user_faults() as problem:  # a technique or the user's model may raise anything
            note_problem(outcome, problem)
            return None


def scored_model(run: Run) -> nn.Module:
    """The model of a run with the weights that were scored, in evaluation mode."""
    if run.scored is not None:
        with scoring(run):
            weights = values_of(run.model)
        with torch.no_grad():
            own = {**dict(run.model.named_parameters()), **dict(run.model.named_buffers())}
            for name, value in weights.items():
                own[name].copy_(value)
    run.model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return run.model.eval()
