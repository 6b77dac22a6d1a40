"""A job, a plain value, and the work it describes: a function of the job alone."""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from advisor.diagnosis import glance
from advisor.errors import InputError, explain
from advisor.technique import KEEP, Technique
from advisor.training.loop import Epoch, Fit, Hopeless, evaluate, train
from advisor.training.run import Run, apply
from advisor.work.prepare import setup
from advisor.work.study_ref import StudyRef, host_of

NOT_TRAINED = "not trained"
"""How the reason begins when a look at the model ended a trial before it was trained."""


@dataclass(frozen=True)
class Job:
    """Train one arm with one seed from one epoch to another. It can run in any process that can
    open the question.

    Attributes:
        question: the study, by reference.
        params: one technique per slot, and every parameter by its full name.
        seed: of initial draws, batch order and dropout.
        split: of the train and validation rows.
        batch: rows in a mini-batch.
        from_epoch, to_epoch: what part of the training; `load` holds the state at `from_epoch`.
        epochs: of a full training; None where it ends at `to_epoch`.
        load, save: files of the training state; where `load` is missing, training starts from epoch
            0.
        hopeless: training loss before step 20 above which the run gives up, or None.
        look: look at the model before it is trained, and do not train what is hopeless.
        cache: folder of shared artefacts.
        test: file for what the model says of the test rows, which are scored at the end; None
            leaves them alone.
        device: a torch device.
    """

    question: StudyRef
    params: Mapping[str, Any]
    seed: int
    split: int
    batch: int
    from_epoch: int
    to_epoch: int
    load: str | None = None
    save: str | None = None
    hopeless: float | None = None
    look: bool = False
    cache: str | None = None
    test: str | None = None
    device: str = "cpu"
    epochs: int | None = None


@dataclass
class Outcome:
    """What became of a job: epochs of the curve, seconds by part, what each slot did, the signal,
    and why it ended early.

    `ended` is None for a job that reached its last epoch, else `hopeless` or `failed` with a
    sentence in `why`.
    """

    curve: list[Epoch] = field(default_factory=list)
    costs: dict[str, float] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)
    signal: dict[str, float | None] = field(default_factory=dict)
    test: float | None = None
    ended: str | None = None
    why: str | None = None
    own_loss: bool = False


def work(job: Job) -> Outcome:
    """Build the model, apply the techniques, train and score. Never raises for what a technique or
    a model does.
    """
    outcome = Outcome()
    try:
        _work(job, outcome)
    except Hopeless as reason:
        outcome.ended, outcome.why = "hopeless", str(reason)
    except (
        Exception
    ) as problem:  # a technique or the user's model raised: one trial fails, with its place
        outcome.ended, outcome.why = "failed", _place(problem)
    return outcome


def _work(job: Job, outcome: Outcome) -> None:
    shared = setup(job.question, job.device)
    splits = shared.splits(job.split)
    run = shared.run(job.seed, splits, Path(job.cache) if job.cache else None)
    outcome.costs = run.costs
    outcome.told = apply(run, techniques(job))
    outcome.own_loss = run.loss is not shared.objective.loss
    resumes = job.load is not None and Path(job.load).is_file()
    if job.look and not resumes:
        _look(run, outcome)
    fit = Fit(
        lr=job.params["training.lr"],
        weight_decay=job.params["training.weight_decay"],
        batch=job.batch,
        from_epoch=job.from_epoch if resumes else 0,
        to_epoch=job.to_epoch,
        load=Path(job.load) if resumes and job.load else None,
        save=Path(job.save) if job.save else None,
        hopeless=None if outcome.own_loss else job.hopeless,
        epochs=job.epochs,
    )
    for epoch in train(run, fit, splits.valid):
        outcome.curve.append(epoch)
        run.costs["training"] = run.costs.get("training", 0.0) + epoch.seconds
    if job.test:
        outcome.test = evaluate(run, splits.test, job.batch, Path(job.test))


def _look(run: Run, outcome: Outcome) -> None:
    """Note the signal that reaches the last layer. Raises `Hopeless` where no learning rate could
    train the model.
    """
    started = time.perf_counter()
    seen = glance(run)
    run.costs["look"] = time.perf_counter() - started
    outcome.signal = {"features": seen.features, "cosine": seen.cosine, "gradient": seen.gradient}
    if seen.untrainable:
        raise Hopeless(f"{NOT_TRAINED}: {seen.untrainable}")


def techniques(job: Job) -> list[tuple[Technique, dict[str, Any]]]:
    """The job's techniques in the order in which their slots are applied, each with its own
    parameters.
    """
    host = host_of(job.question)
    found = []
    for slot, name in _in_order(job.params, list(host.slots)):
        technique = host.find(slot, name)
        if technique is None:
            raise InputError(f"{slot} {name!r} is not loaded; name its plugin with --plugin.")
        prefix = f"{slot}.{name}."
        found.append(
            (
                technique,
                {
                    key.removeprefix(prefix): value
                    for key, value in job.params.items()
                    if key.startswith(prefix)
                },
            )
        )
    return found


def _in_order(params: Mapping[str, Any], order: list[str]) -> list[tuple[str, str]]:
    """The changed slots among `params` in the order in which the host applies them, slots that no
    plugin brings last.
    """
    changed = [(slot, name) for slot, name in params.items() if "." not in slot and name != KEEP]
    return sorted(
        changed, key=lambda pair: order.index(pair[0]) if pair[0] in order else len(order)
    )


def _place(problem: Exception) -> str:
    frames = traceback.extract_tb(problem.__traceback__)
    outside = [frame for frame in frames if "site-packages" not in frame.filename] or frames
    last = outside[-1]
    return f"{explain(problem)} ({Path(last.filename).name}:{last.lineno} in {last.name})"
